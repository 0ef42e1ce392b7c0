// A dialog of the page's own look; Escape and the close button end it, and the focus goes back.

import { h, icon } from "./dom.js";

export function dialog(title, body, { foot = null, wide = 620 } = {}) {
  const before = document.activeElement;
  const box = h(
    "dialog",
    { "aria-label": title, style: `--wide: ${wide}px` },
    h("div", { class: "dialog-head" }, h("h2", {}, title), h("button", { type: "button", class: "button only quiet", "aria-label": "Close", onclick: () => box.close() }, icon("close"))),
    h("div", { class: "dialog-body" }, body),
    foot && h("div", { class: "dialog-foot" }, foot),
  );
  box.addEventListener("click", (event) => event.target === box && box.close());
  box.addEventListener("close", () => {
    box.remove();
    before?.focus?.();
  });
  document.getElementById("dialogs").append(box);
  box.showModal();
  return box;
}
