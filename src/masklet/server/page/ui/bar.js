// The bar on top: name of the work, whether it is saved, undo, redo, theme, help, export.

import { commandButton } from "./buttons.js";
import { h, icon } from "./dom.js";

export function mountBar(app) {
  const { store, act } = app;
  const tools = document.getElementById("bar-tools");
  const undo = commandButton(app, "undo", { cls: "quiet" });
  const redo = commandButton(app, "redo", { cls: "quiet" });
  tools.append(undo, redo, commandButton(app, "theme", { cls: "quiet" }), commandButton(app, "help", { cls: "quiet" }));
  document.getElementById("home-button").addEventListener("click", () => ["open", "project", "review"].includes(store.state.phase) && act.home());

  const exporting = document.getElementById("export-button");
  exporting.append(icon("export"), h("span", {}, "Export"));
  exporting.addEventListener("click", act.openExport);

  const name = document.getElementById("work-name");
  name.addEventListener("change", () => act.rename(name.value));
  name.addEventListener("keydown", (event) => event.key === "Enter" && name.blur());

  store.watch(["session", "phase"], ({ session, phase }) => {
    undo.hidden = redo.hidden = phase !== "open";
    undo.disabled = !session?.undo;
    redo.disabled = !session?.redo;
    if (session && document.activeElement !== name) name.value = session.name;
  });

  const saved = document.getElementById("saved");
  store.watch(["connected", "waiting", "lost"], ({ connected, waiting, lost }) => {
    const state = !connected || lost ? "lost" : waiting ? "busy" : "ok";
    if (saved.dataset.state === state && state !== "lost") return;
    saved.dataset.state = state;
    const kept = waiting ? `; ${waiting} ${waiting === 1 ? "step is" : "steps are"} kept` : "";
    saved.textContent = { lost: `Reconnecting${kept}`, busy: "Saving", ok: "Saved" }[state];
  });
  addEventListener("beforeunload", (event) => app.outbox.length && store.state.lost && event.preventDefault());
}
