// A dialog of the page's own look; Escape and the close button end it, and the focus goes back.

import { h, icon } from "./dom.js";

export function dialog(title, body, { foot = null, wide = 620 } = {}) {
  const before = document.activeElement;
  const toasts = document.getElementById("toasts");
  const box = h(
    "dialog",
    { "aria-label": title, style: `--wide: ${wide}px` },
    h("div", { class: "dialog-head" }, h("h2", {}, title), h("button", { type: "button", class: "button only quiet", "aria-label": "Close", onclick: () => box.close() }, icon("close"))),
    h("div", { class: "dialog-body" }, body),
    foot && h("div", { class: "dialog-foot" }, foot),
  );
  box.addEventListener("click", (event) => event.target === box && box.close());
  box.addEventListener("close", () => {
    document.body.append(toasts);
    box.remove();
    before?.focus?.();
  });
  document.getElementById("dialogs").append(box);
  box.append(toasts); // a dialog covers all that is outside of it
  box.showModal();
  return box;
}

/** Ask before something that cannot be undone; true when the person says so. */
export function confirmed(title, text, verb) {
  return new Promise((resolve) => {
    const answer = (yes) => {
      resolve(yes);
      box.close();
    };
    const no = h("button", { type: "button", class: "button", onclick: () => answer(false) }, "Cancel");
    const yes = h("button", { type: "button", class: "button danger", onclick: () => answer(true) }, icon("bin"), verb);
    const box = dialog(title, h("p", {}, text), { foot: [h("span", { class: "grow" }), no, yes], wide: 440 });
    box.addEventListener("close", () => resolve(false));
    no.focus();
  });
}
