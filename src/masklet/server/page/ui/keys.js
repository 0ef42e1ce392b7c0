// From key presses to commands; and the cross-hair, which clicks without a mouse.

import { inside, toPicture, toScreen } from "../core/view.js";

const TYPING = "input:not([type=range], [type=checkbox], [type=color], [type=radio], [readonly]), textarea, select, [contenteditable]";

const tableOf = (commands) => new Map([...commands.values()].flatMap((command) => command.keys.map((key) => [key, command])));

export function mountKeys(app) {
  const tables = { open: tableOf(app.commands), review: tableOf(app.desk.commands) };

  addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open], .menu")) return;
    const { phase } = app.store.state;
    const target = event.target;
    if (target.matches?.(TYPING)) {
      if (event.key === "Escape") target.blur();
      return;
    }
    if (phase === "open" && target.id === "stage" && onStage(app, event)) return event.preventDefault();
    const inControl = target.closest?.("button, [role=slider], input:not([readonly])");
    if (inControl && [" ", "Enter"].includes(event.key) && !event.ctrlKey && !event.metaKey) return;
    if (target.closest?.("input[type=range], [role=radiogroup], [role=tablist]") && event.key.startsWith("Arrow")) return;
    const table = tables[phase] ?? tables.open;
    const command = table.get(nameOf(event)) ?? (event.shiftKey ? table.get(plain(event)) : null);
    if (!command || (!tables[phase] && !["help", "theme", "open"].includes(command.name))) return;
    event.preventDefault();
    if (phase === "open" && command.name === "play" && event.key === " ") return holdSpace();
    command.run(event);
  });

  // Space held moves the picture; pressed and let go with nothing in between, it plays.
  function holdSpace() {
    if (app.spaceHeld) return; // the key repeats
    app.spaceHeld = true;
    app.spaceUsed = false;
    document.body.toggleAttribute("data-grabs", true);
    app.act.hover(null);
  }
  function letGo() {
    app.spaceHeld = false;
    document.body.toggleAttribute("data-grabs", false);
  }
  addEventListener("keyup", (event) => {
    if (event.key !== " " || !app.spaceHeld) return;
    letGo();
    if (!app.spaceUsed) app.commands.get("play").run(event);
  });
  addEventListener("blur", letGo);
}

const isLetter = (key) => key.length === 1 && key.toLowerCase() !== key.toUpperCase();

function nameOf(event) {
  const key = isLetter(event.key) ? event.key.toLowerCase() : event.key;
  const mod = event.ctrlKey || event.metaKey ? "mod+" : "";
  const shift = event.shiftKey ? "shift+" : "";
  return `${mod}${shift}${key === "_" ? "-" : key}`;
}

/** A sign that needs shift on some keyboards (? + ;) is itself, with or without it. */
function plain(event) {
  return !isLetter(event.key) && event.key.length === 1 && !event.ctrlKey && !event.metaKey ? event.key : "";
}

/** Keys that mean something else while the picture has the focus. */
function onStage(app, event) {
  const { cross, video, view, box } = app.store.state;
  const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) {
    if (!cross) show(app, centre(app));
    else if (app.store.state.tool === "box") corner(app, cross, box);
    else app.act.click(cross, !event.shiftKey && app.store.state.tool !== "take");
    return true;
  }
  if (move && cross && !event.ctrlKey && !event.metaKey) {
    const step = (event.shiftKey ? 40 : 8) / view.scale;
    show(app, inside(video, [cross[0] + move[0] * step, cross[1] + move[1] * step]));
    return true;
  }
  if (event.key === "Escape" && cross) {
    app.store.set({ cross: null, box: null, hover: null });
    return true;
  }
  return false;
}

function corner(app, cross, first) {
  if (!first) {
    app.store.set({ box: cross });
    return app.act.say("One corner is set: move to the opposite one and press Enter.");
  }
  const box = [Math.min(cross[0], first[0]), Math.min(cross[1], first[1]), Math.max(cross[0], first[0]), Math.max(cross[1], first[1])];
  app.store.set({ box: null });
  if (box[2] - box[0] >= 2 && box[3] - box[1] >= 2) app.act.box(box);
}

function centre(app) {
  const canvas = document.getElementById("stage");
  return inside(app.store.state.video, toPicture(app.store.state.view, canvas.clientWidth / 2, canvas.clientHeight / 2));
}

function show(app, cross) {
  app.store.set({ cross });
  app.act.hover(app.store.state.tool === "box" ? null : cross);
  const [x, y] = toScreen(app.store.state.view, ...cross);
  const canvas = document.getElementById("stage");
  const out = [Math.min(0, x - 30) || Math.max(0, x + 30 - canvas.clientWidth), Math.min(0, y - 30) || Math.max(0, y + 30 - canvas.clientHeight)];
  if (out[0] || out[1]) app.view.pan(-out[0], -out[1]);
}
