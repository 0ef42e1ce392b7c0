// The review screen: the picture with its timeline, and beside it what is judged and how.

import { fitted } from "../core/view.js";
import { clock } from "../core/words.js";
import { paint } from "../stage/paint.js";
import { commandButton } from "../ui/buttons.js";
import { h, icon, setIcon } from "../ui/dom.js";
import { paintLanes, ROW, RULER } from "../ui/lanes.js";
import { LOOKS, MASK } from "./desk.js";
import { verdictPanel } from "./verdict.js";

export function mountReview(app) {
  const { desk } = app;
  const place = document.getElementById("review");
  const stage = h("div", { class: "review-stage" }, picture(desk), looks(desk), veil(app));
  const deck = h("section", { class: "review-deck", "aria-label": "Playing" }, transport(app), timeline(desk));
  place.append(stage, verdictPanel(app), deck);
  app.store.watch(["phase"], ({ phase }) => (place.hidden = phase !== "review"));
  app.store.watch(["theme"], () => (desk.redraw(), desk.redrawLanes()));
  // A button that was clicked lets go of the keyboard, so that the space bar plays.
  place.addEventListener("click", (event) => event.detail > 0 && !event.target.closest("input, label") && document.activeElement?.blur());
}

function picture(desk) {
  const canvas = h("canvas", { role: "img", "aria-label": "The video with the mask", id: "review-picture" });
  const pen = canvas.getContext("2d");
  let planned = false;
  const size = () => [canvas.clientWidth, canvas.clientHeight];
  desk.redraw = () => {
    if (planned) return;
    planned = true;
    requestAnimationFrame(() => {
      planned = false;
      pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
      pen.clearRect(0, 0, ...size());
      if (desk.frames) paint(desk, pen);
    });
  };
  desk.fit = () => {
    const { video } = desk.store.state;
    if (video && canvas.clientWidth) desk.store.set({ view: fitted(video, ...size(), 14) });
  };
  new ResizeObserver(() => {
    canvas.width = Math.round(canvas.clientWidth * devicePixelRatio);
    canvas.height = Math.round(canvas.clientHeight * devicePixelRatio);
    desk.fit();
    desk.redraw();
  }).observe(canvas);
  desk.store.watch(["video", "view", "frame", "session", "showing", "look", "result", "moving"], desk.redraw);
  return canvas;
}

function looks({ store, act }) {
  const buttons = Object.entries(LOOKS).map(([name, { label }]) =>
    h("button", { type: "button", class: "button", role: "radio", data: { tip: label, key: "m", look: name }, onclick: () => act.show(name) }, label),
  );
  store.watch(["shows"], ({ shows }) => buttons.forEach((button) => button.setAttribute("aria-checked", button.dataset.look === shows)));
  return h("div", { class: "float looks" }, h("div", { class: "segments", role: "radiogroup", "aria-label": "How the mask is shown" }, buttons));
}

/** What lies over the picture while there is nothing to judge. */
function veil(app) {
  const { store, act } = app.desk;
  const place = h("div", { class: "veil" });
  store.watch(["state", "message", "frameProblem", "showing"], ({ state, message, frameProblem, showing }) => {
    const back = h("button", { type: "button", class: "button", onclick: act.backToProject }, "Back to the project");
    const told = (sign, ...content) => {
      place.replaceChildren(h("div", { role: "status", class: "told" }, sign, ...content));
      place.querySelector(".primary")?.focus(); // Enter goes on
    };
    place.hidden = false;
    if (state === "claiming") told(h("span", { class: "spinner" }), h("span", {}, "Looking for the next one"));
    else if (state === "offline") told(h("span", { class: "spinner" }), h("span", {}, "The server does not answer. The next one comes when it does."), back);
    else if (state === "refused") told(icon("doubt"), h("span", {}, sentence(message)), h("button", { type: "button", class: "button primary", onclick: act.next }, "Try again"), back);
    else if (state === "lost") told(icon("lock"), h("span", {}, sentence(message), " Nothing of theirs was changed, and no verdict of yours was counted."), h("button", { type: "button", class: "button primary", onclick: act.next }, "Take the next one"), back);
    else if (frameProblem) told(icon("doubt"), h("span", {}, frameProblem));
    else if (state === "open" && showing === null) told(h("span", { class: "spinner" }), h("span", {}, "Reading the first picture"));
    else place.hidden = true;
  });
  return place;
}

/** A server's line as a sentence. */
const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

function transport(app) {
  const { desk } = app;
  const { store, act } = desk;
  const play = commandButton(desk, "play", { cls: "quiet" });
  const time = h("b", {});
  const frame = h("span", {});
  const speeds = [1, 2, 4].map((speed) =>
    h("button", { type: "button", class: "button", role: "radio", data: { tip: `${speed}× speed`, key: String(speed), speed }, onclick: () => act.speed(speed) }, `${speed}×`),
  );
  const doubts = commandButton(desk, "next-doubt", { text: "0", cls: "quiet doubts" });
  store.watch(["playing"], ({ playing }) => {
    setIcon(play, playing ? "pause" : "play");
    play.setAttribute("aria-label", playing ? "Pause" : "Play");
  });
  store.watch(["speed"], ({ speed }) => speeds.forEach((button) => button.setAttribute("aria-checked", Number(button.dataset.speed) === speed)));
  store.watch(["frame", "video", "times"], ({ frame: at, video }) => {
    time.textContent = video ? clock(act.timeOf(at)) : "";
    frame.textContent = video ? `frame ${at} of ${video.frames - 1}` : "";
  });
  store.watch(["doubts"], ({ doubts: known }) => {
    const number = [...known.values()].flat().length;
    doubts.hidden = number === 0;
    doubts.lastChild.textContent = `${number} doubtful`;
    doubts.setAttribute("aria-label", `${number} doubtful: go to the next`);
  });
  return h(
    "div",
    { class: "transport" },
    h("div", { class: "group" }, commandButton(desk, "back", { cls: "quiet" }), play, commandButton(desk, "next", { cls: "quiet" })),
    h("div", { class: "segments", role: "radiogroup", "aria-label": "Speed" }, speeds),
    h("div", { class: "clock" }, time, frame),
    h("span", { class: "grow" }),
    h("div", { class: "legend", "aria-hidden": "true", style: `--own: ${MASK}` }, mark("visible", "visible"), mark("prompted", "prompted"), mark("unsure", "doubtful")),
    doubts,
  );
}

const mark = (name, text) => h("span", {}, h("i", { class: name }), text);

/** Where the object is visible, prompted, doubtful; a press goes there. */
function timeline(desk) {
  const { store, act } = desk;
  const canvas = h("canvas", { "aria-hidden": "true" });
  const scrub = h("div", { class: "scrub", role: "slider", tabindex: 0, "aria-label": "Playhead", "aria-valuemin": 0 });
  const lanes = h("div", { class: "lanes" }, canvas, scrub);
  const pen = canvas.getContext("2d");
  let planned = false;

  function draw() {
    planned = false;
    const { video, session } = store.state;
    const [width, height] = [lanes.clientWidth, RULER + ROW + 6];
    if (!video || !session || !width) return;
    canvas.width = Math.round(width * devicePixelRatio);
    canvas.height = Math.round(height * devicePixelRatio);
    canvas.style.width = `${width}px`;
    canvas.style.height = lanes.style.height = `${height}px`;
    pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    // A mask that is not shown is a row all the same.
    const shown = { ...store.state, selected: null, session: { ...session, objects: session.objects.map((one) => ({ ...one, hidden: false })) } };
    paintLanes({ store: { state: shown }, book: desk.book }, pen, width, height, [0, video.frames]);
  }
  desk.redrawLanes = () => {
    if (planned) return;
    planned = true;
    requestAnimationFrame(draw);
  };
  store.watch(["frame", "session", "doubts", "video"], desk.redrawLanes);
  store.watch(["frame", "video"], ({ frame, video }) => {
    if (!video) return;
    scrub.setAttribute("aria-valuemax", video.frames - 1);
    scrub.setAttribute("aria-valuenow", frame);
    scrub.setAttribute("aria-valuetext", `frame ${frame} of ${video.frames - 1}`);
  });
  new ResizeObserver(desk.redrawLanes).observe(lanes);
  const go = (event) => {
    const { video } = store.state;
    if (video) act.go(Math.floor(((event.clientX - lanes.getBoundingClientRect().left) / lanes.clientWidth) * video.frames));
  };
  canvas.addEventListener("pointerdown", (event) => (canvas.setPointerCapture(event.pointerId), go(event)));
  canvas.addEventListener("pointermove", (event) => canvas.hasPointerCapture(event.pointerId) && go(event));
  return lanes;
}
