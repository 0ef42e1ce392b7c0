// Buttons made from commands, so that a name and a key are written once.

import { caps } from "./commands.js";
import { h, icon } from "./dom.js";

/** A button for a command; with `text` it is labelled, else it is an icon with a tool tip. */
export function commandButton(app, name, { text = null, cls = "", use = null, label = null } = {}) {
  const command = app.commands.get(name);
  const said = label ?? command.label;
  const sign = use ?? command.icon;
  return h(
    "button",
    {
      type: "button",
      class: `button ${text ? "" : "only"} ${cls}`,
      "aria-label": text ? null : said,
      "aria-keyshortcuts": command.keys[0]?.replace("mod", "Control").replace("shift", "Shift"),
      data: { command: name, tip: said, key: command.keys[0] ?? "" },
      onclick: (event) => command.run(event),
    },
    sign && icon(sign),
    text && h("span", {}, text),
  );
}

/** A menu under a button: [{ label, icon, key, run, disabled }]. */
export function openMenu(anchor, items) {
  document.querySelector(".menu")?.remove();
  const menu = h("div", { class: "menu", role: "menu" });
  const close = (back = true) => {
    menu.remove();
    removeEventListener("pointerdown", outside, true);
    anchor.setAttribute("aria-expanded", "false");
    if (back) anchor.focus();
  };
  const outside = (event) => !menu.contains(event.target) && close(false);
  for (const item of items) {
    menu.append(
      h(
        "button",
        { type: "button", role: "menuitem", disabled: item.disabled, onclick: () => (close(), item.run()) },
        icon(item.icon),
        h("span", {}, item.label),
        item.key ? h("kbd", {}, caps(item.key).join("")) : null,
      ),
    );
  }
  menu.addEventListener("keydown", (event) => {
    const buttons = [...menu.querySelectorAll("button:not(:disabled)")];
    const place = buttons.indexOf(document.activeElement);
    if (event.key === "Escape" || event.key === "Tab") close();
    else if (event.key === "ArrowDown") buttons[(place + 1) % buttons.length].focus();
    else if (event.key === "ArrowUp") buttons[(place - 1 + buttons.length) % buttons.length].focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  document.body.append(menu);
  const box = anchor.getBoundingClientRect();
  const { width, height } = menu.getBoundingClientRect();
  menu.style.left = `${Math.max(8, Math.min(innerWidth - width - 8, box.right - width))}px`;
  menu.style.top = `${box.top - height - 6 > 8 ? box.top - height - 6 : box.bottom + 6}px`;
  anchor.setAttribute("aria-expanded", "true");
  addEventListener("pointerdown", outside, true);
  menu.querySelector("button:not(:disabled)")?.focus();
}
