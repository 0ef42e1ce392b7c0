// What floats on the stage: masks or result, zoom, hints, and the veil while something is awaited.

import { commandButton } from "./buttons.js";
import { h, icon, slider } from "./dom.js";

export function mountOverlay(app) {
  const { store } = app;
  const top = document.getElementById("stage-top");
  const shows = ["Masks", "Result"].map((text, place) =>
    h("button", { type: "button", class: "button", role: "radio", data: { tip: place ? "See the effects" : "See the masks", key: "g" }, onclick: () => store.set({ result: place === 1 }) }, text),
  );
  const level = h("button", { type: "button", class: "button quiet zoom-level", data: { tip: "Actual size", key: "9" }, onclick: () => app.view.actual() }, "100%");
  const brush = h("div", { class: "float" }, slider({ label: "Size", min: 2, max: 200, step: 1, value: store.state.brush, oninput: (size) => store.set({ brush: size }) }));
  brush.style.padding = "0 10px";
  top.append(
    h("div", { class: "float" }, h("div", { class: "segments", role: "radiogroup", "aria-label": "What the picture shows" }, ...shows)),
    brush,
    h("div", { class: "float", role: "group", "aria-label": "Zoom" }, commandButton(app, "zoom-out", { cls: "quiet" }), level, commandButton(app, "zoom-in", { cls: "quiet" }), commandButton(app, "fit", { cls: "quiet" })),
  );
  // Toasts come below these, wherever the picture begins: its foot is for hints and candidates.
  const area = document.getElementById("stage-area");
  new ResizeObserver(() => document.documentElement.style.setProperty("--stage", `${area.getBoundingClientRect().top}px`)).observe(area);
  store.watch(["result"], ({ result }) => shows.forEach((button, place) => button.setAttribute("aria-checked", result === (place === 1))));
  store.watch(["view"], ({ view }) => {
    if (view) level.textContent = `${Math.round(view.scale * devicePixelRatio * 100)}%`;
  });
  store.watch(["tool", "brush"], ({ tool, brush: size }) => {
    brush.hidden = tool !== "brush" && tool !== "erase";
    brush.querySelector(".row").set(size);
  });

  const hint = document.getElementById("hint");
  store.watch(["tool", "selected", "session", "candidates", "playing", "run", "phase", "result", "video"], (state) => {
    hint.textContent = hintFor(state);
  });

  const veil = document.getElementById("veil");
  let timer = 0;
  store.watch(["phase", "frame", "showing", "frameProblem"], ({ phase, frame, showing, frameProblem }) => {
    clearTimeout(timer);
    const lacks = phase === "open" && showing !== frame && !app.frames?.has(frame);
    if (frameProblem) cover(veil, icon("doubt"), frameProblem);
    else if (lacks && showing === null) cover(veil, h("span", { class: "spinner" }), "Reading the first picture");
    else if (lacks) timer = setTimeout(() => app.frames && !app.frames.has(store.state.frame) && !store.state.playing && cover(veil, h("span", { class: "spinner" }), "Reading this frame"), 500);
    if (!lacks && !frameProblem) veil.hidden = true;
  });
}

function cover(veil, sign, text) {
  veil.replaceChildren(h("div", { role: "status" }, sign, h("span", {}, text)));
  veil.hidden = false;
}

/** One line on what a person can do now; nothing once they know their way. */
function hintFor({ phase, session, tool, selected, candidates, playing, run, video }) {
  if (phase !== "open" || !session || candidates || playing || ["running", "queued"].includes(run?.state)) return "";
  if (tool === "brush") return "Paint over the object; [ and ] change the size";
  if (tool === "erase") return "Paint over what is not the object";
  if (tool === "box") return "Draw a box around the object";
  if (tool === "take") return selected === null ? "Select an object first" : "Click what is not the object";
  if (tool === "hand") return "";
  if (!session.prompts.length) return "Click an object to select it";
  if (selected === null) return "Click another object to add it";
  const few = session.prompts.length < 2 && session.covered.length <= 1 && session.covered.every(([a, b]) => b - a < 2);
  if (few && video.frames > 1) return "Refine: click adds, right click takes away. Then press Track";
  return few ? "Refine: click adds, right click takes away" : "";
}
