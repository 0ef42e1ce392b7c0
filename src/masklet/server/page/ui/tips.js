// One tool tip for all buttons, with the key that does the same.

import { caps } from "./commands.js";
import { h } from "./dom.js";

export function mountTips() {
  const tip = document.getElementById("tip");
  let timer = 0;

  function show(target) {
    const { tip: text, key } = target.dataset;
    tip.replaceChildren(h("span", {}, text), ...(key ? [h("span", {}, ...caps(key).map((cap) => h("kbd", {}, cap)))] : []));
    tip.hidden = false;
    const box = target.getBoundingClientRect();
    const { width, height } = tip.getBoundingClientRect();
    const beside = Boolean(target.closest(".rail"));
    const left = beside ? box.right + 8 : box.left + box.width / 2 - width / 2;
    const below = box.bottom + 8 + height < innerHeight;
    const top = beside ? box.top + box.height / 2 - height / 2 : below ? box.bottom + 8 : box.top - height - 8;
    tip.style.left = `${Math.max(6, Math.min(innerWidth - width - 6, left))}px`;
    tip.style.top = `${top}px`;
  }

  function hide() {
    clearTimeout(timer);
    tip.hidden = true;
  }

  document.addEventListener("pointerover", (event) => {
    hide();
    const target = event.pointerType !== "touch" && event.target.closest?.("[data-tip]");
    if (target) timer = setTimeout(show, 450, target);
  });
  document.addEventListener("focusin", (event) => {
    hide();
    const target = event.target.closest?.("[data-tip]");
    if (target?.matches(":focus-visible")) show(target);
  });
  document.addEventListener("focusout", hide);
  document.addEventListener("pointerdown", hide, true);
  document.addEventListener("keydown", hide, true);
}
