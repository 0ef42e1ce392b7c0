// Words to the person: toasts that are seen, and announcements that are heard.

import { h, icon } from "./dom.js";

export function saying(app) {
  const { store } = app;
  const toasts = document.getElementById("toasts");
  const announcer = document.getElementById("announcer");
  let last = null;

  const screen = ({ phase, session }) => `${phase} ${session?.id}`;

  /**
   * Said until the screen is left. `action`: what may be done about it, { label, run, holds }; with holds(state)
   * it is said only as long as that is true.
   */
  function say(text, tone = "", action = null) {
    const here = screen(store.state);
    const holds = (state) => screen(state) === here && (action?.holds?.(state) ?? true);
    if (!holds(store.state)) return;
    if (last?.dataset.text === text && last.isConnected) last.remove();
    const toast = h(
      "div",
      { class: `toast ${tone}`, data: { text } },
      h("span", { class: "grow" }, text),
      action && h("button", { type: "button", class: "button small", onclick: () => (toast.remove(), action.run()) }, action.label),
      h("button", { type: "button", class: "button small only quiet", "aria-label": "Close", onclick: () => toast.remove() }, icon("close")),
    );
    toast.holds = holds;
    last = toast;
    toasts.append(toast);
    while (toasts.children.length > 3) toasts.firstChild.remove();
    setTimeout(() => toast.remove(), tone === "bad" ? 12000 : 5000);
  }

  store.watch(["phase", "session", "waiting"], (state) => [...toasts.children].forEach((toast) => toast.holds(state) || toast.remove()));

  return {
    say,
    announce: (text) => (announcer.textContent = text),
    complain(error) {
      if (error.code === "token") store.set({ phase: "gate" });
      else if (error.code !== "superseded" && error.name !== "AbortError") say(error.message, "bad");
    },
  };
}
