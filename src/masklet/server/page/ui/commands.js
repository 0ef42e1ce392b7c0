// Everything the page can do by a key or a button: one list, from which keys, buttons and help are made.

/** keys are KeyboardEvent.key values, "mod+" for Ctrl or ⌘, "shift+" where it matters. */
export function makeCommands(app) {
  const { act, store } = app;
  const tool = (name) => () => store.set({ tool: name });
  const look = (patch) => app.act.setLook(patch);
  const nudge = (by) => look({ opacity: Math.min(1, Math.max(0, Math.round((store.state.look.opacity + by) * 20) / 20)) });
  const list = [
    ["Tools", "add", "Click on the object", ["c"], tool("add"), "add"],
    ["Tools", "take", "Click what is not the object", ["x"], tool("take"), "take"],
    ["Tools", "box", "Box", ["b"], tool("box"), "box"],
    ["Tools", "brush", "Brush", ["p"], tool("brush"), "brush"],
    ["Tools", "erase", "Eraser", ["e"], tool("erase"), "erase"],
    ["Tools", "hand", "Move the picture", ["m"], tool("hand"), "hand"],
    ["Tools", "thinner", "Smaller brush", ["["], () => store.set({ brush: Math.max(2, Math.round(store.state.brush / 1.25)) })],
    ["Tools", "thicker", "Larger brush", ["]"], () => store.set({ brush: Math.min(600, Math.round(store.state.brush * 1.25) + 1) })],
    ["Tools", "mask-import", "Import masks from a picture", ["shift+m"], () => act.pickMask(), "import"],

    ["Objects", "new-object", "New object", ["n"], act.newObject, "plus"],
    ["Objects", "next-object", "Next object", ["ArrowDown"], () => act.nextObject(1)],
    ["Objects", "previous-object", "Previous object", ["ArrowUp"], () => act.nextObject(-1)],
    ["Objects", "candidate-1", "First, second, third candidate", ["1"], () => act.choose(0)],
    ["Objects", "candidate-2", null, ["2"], () => act.choose(1)],
    ["Objects", "candidate-3", null, ["3"], () => act.choose(2)],
    ["Objects", "candidates-next", "Other candidate", ["v"], () => act.otherCandidate()],
    ["Objects", "pin", "Fix this mask on this frame", ["f"], act.pin, "pin"],
    ["Objects", "absent", "Not to be seen on this frame", ["a"], act.absent, "eye-off"],
    ["Objects", "clear", "Clear the prompts on this frame", ["Backspace"], act.clearHere, "clear"],
    ["Objects", "hide", "Hide or show the object", ["h"], act.hideSelected],
    ["Objects", "lock", "Lock or unlock the object", ["l"], act.lockSelected],
    ["Objects", "rename", "Rename the object", ["F2"], () => act.focusName()],
    ["Objects", "delete", "Delete the object", ["Delete"], () => act.removeObject()],

    ["Tracking", "track", "Track, pause, go on", ["t"], act.toggleRun, "both"],
    ["Tracking", "track-forward", "Track forward from here", ["shift+t"], act.trackOn, "forward"],
    ["Tracking", "track-backward", "Track backward from here", ["shift+r"], () => act.track("backward", { stop: store.state.frame + 1 }), "backward"],
    ["Tracking", "track-range", "Track the marked range", ["r"], act.trackRange, "range"],
    ["Tracking", "mark-start", "Mark where the range starts", ["i"], () => act.markRange("start")],
    ["Tracking", "mark-stop", "Mark where the range ends", ["o"], () => act.markRange("stop")],
    ["Tracking", "next-doubt", "Next doubtful frame", ["d"], () => act.doubt(false), "doubt"],
    ["Tracking", "previous-doubt", "Doubtful frame before", ["shift+d"], () => act.doubt(true)],

    ["Playhead", "play", "Play or pause", [" ", "k"], act.togglePlay, "play"],
    ["Playhead", "back", "One frame back", ["ArrowLeft", ","], () => act.step(-1), "back"],
    ["Playhead", "next", "One frame on", ["ArrowRight", "."], () => act.step(1), "next"],
    ["Playhead", "back-ten", "Ten frames back", ["shift+ArrowLeft"], () => act.step(-10)],
    ["Playhead", "next-ten", "Ten frames on", ["shift+ArrowRight"], () => act.step(10)],
    ["Playhead", "first", "First frame", ["Home"], () => act.go(0)],
    ["Playhead", "last", "Last frame", ["End"], () => act.go(Infinity)],
    ["Playhead", "previous-prompt", "Prompted frame before", ["q"], () => act.jumpPrompt(-1)],
    ["Playhead", "next-prompt", "Next prompted frame", ["w"], () => act.jumpPrompt(1)],
    ["Playhead", "lanes-in", "Timeline closer, wider", ["shift++", "shift+-"], (event) => act.zoomLanes(event.key === "-" || event.key === "_" ? 1 / 1.5 : 1.5)],

    ["View", "zoom-in", "Zoom in", ["+", "="], () => app.view.zoom(1.25), "plus"],
    ["View", "zoom-out", "Zoom out", ["-"], () => app.view.zoom(0.8), "minus"],
    ["View", "fit", "Whole picture", ["0"], () => app.view.fit(), "fit"],
    ["View", "actual", "Actual size", ["9"], () => app.view.actual()],
    ["View", "result", "Masks or result", ["g"], () => store.set({ result: !store.state.result }), "wand"],
    ["View", "outline", "Outlines", ["u"], () => look({ outline: !store.state.look.outline })],
    ["View", "fainter", "Fainter masks", [";"], () => nudge(-0.1)],
    ["View", "stronger", "Stronger masks", ["'"], () => nudge(0.1)],
    ["View", "hover", "Preview under the pointer", ["y"], () => store.set({ habits: { ...store.state.habits, hover: !store.state.habits.hover } })],
    ["View", "tab", "Objects or effects", ["j"], () => store.set({ tab: store.state.tab === "objects" ? "effects" : "objects" })],
    ["View", "theme", "Light or dark", ["shift+l"], () => act.toggleTheme(), "sun"],

    // A key that is held down must not hand in what comes next.
    ["Work", "submit", "Submit a project's task", ["mod+Enter"], (event) => !event.repeat && act.submit(), "check"],
    ["Work", "undo", "Undo", ["mod+z"], act.undo, "undo"],
    ["Work", "redo", "Redo", ["mod+shift+z", "mod+y"], act.redo, "redo"],
    ["Work", "export", "Export", ["mod+e"], () => act.openExport(), "export"],
    ["Work", "open", "Open a file", ["mod+o"], () => act.pickFile(), "folder"],
    ["Work", "stage", "Go to the picture", ["s"], () => document.getElementById("stage").focus()],
    ["Work", "help", "All keys", ["?"], () => act.openHelp(), "help"],
    ["Work", "escape", "Cancel what is going on, deselect", ["Escape"], () => act.escape()],
  ];
  return commandMap(list);
}

/** [group, name, label, keys, run, icon] of each → commands by name. */
export const commandMap = (list) => new Map(list.map(([group, name, label, keys, run, icon]) => [name, { group, name, label, keys, run, icon }]));

const NAMES = {
  " ": "Space", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc", Delete: "Del", Backspace: "⌫",
};

/** The caps of one key, as they are printed on a keyboard. */
export function caps(key) {
  const mac = /Mac|iPad|iPhone/.test(navigator.platform);
  const parts = key === "+" ? ["+"] : key.endsWith("++") ? [...key.slice(0, -2).split("+"), "+"] : key.split("+");
  return parts.map((part) => ({ mod: mac ? "⌘" : "Ctrl", shift: "⇧" })[part] ?? NAMES[part] ?? part.toUpperCase());
}
