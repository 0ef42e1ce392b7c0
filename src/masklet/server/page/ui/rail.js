// The tools on the left.

import { commandButton } from "./buttons.js";
import { h } from "./dom.js";

export function mountRail(app) {
  const rail = document.getElementById("rail");
  const tools = ["add", "take", "box", "brush", "erase", "hand"].map((name) => commandButton(app, name, { cls: "quiet" }));
  const rest = ["pin", "absent", "clear", "mask-import"].map((name) => commandButton(app, name, { cls: "quiet" }));
  rail.append(...tools, h("hr"), ...rest);
  app.store.watch(["tool"], ({ tool }) => tools.forEach((button) => button.setAttribute("aria-pressed", button.dataset.command === tool)));
  app.store.watch(["selected", "session"], ({ selected }) => rest.slice(0, 3).forEach((button) => (button.disabled = selected === null)));
}
