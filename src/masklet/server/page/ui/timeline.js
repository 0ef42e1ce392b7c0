// The timeline: a ruler and a lane an object, on one canvas, with the playhead above.

import { count } from "../core/words.js";
import { h } from "./dom.js";
import { paintLanes, ROW, RULER } from "./lanes.js";
import { transport } from "./transport.js";

const SELDOM = 400; // milliseconds that lanes may be behind while tracking runs: the machine has other work

export function mountTimeline(app) {
  const { store, act } = app;
  const deck = document.getElementById("deck");
  const names = h("ul", { class: "lane-names", "aria-label": "Lanes" });
  const canvas = h("canvas", { "aria-hidden": "true" });
  const scrub = h("div", { class: "scrub", role: "slider", tabindex: 0, "aria-label": "Playhead", "aria-valuemin": 0 });
  const lanes = h("div", { class: "lanes" }, canvas, scrub);
  const legend = h("div", { class: "legend", "aria-hidden": "true" }, key("visible", "visible"), key("prompted", "prompted"), key("unsure", "doubtful"));
  const row = transport(app);
  row.insertBefore(legend, row.querySelector(".grow").nextSibling);
  deck.append(row, h("div", { class: "timeline" }, names, lanes));

  let planned = false;
  let drawn = 0; // when
  let late = 0;
  let span = [0, 1]; // frames in sight: first, number
  const pen = canvas.getContext("2d");

  app.redrawLanes = () => {
    if (planned) return;
    planned = true;
    if (store.state.run?.state === "running") late = setTimeout(() => requestAnimationFrame(drawNow), SELDOM);
    else requestAnimationFrame(drawNow);
  };
  // The page is put on the screen as a whole: lanes that are due go with the picture that is drawn anyway.
  app.lanesToo = () => {
    if (planned && performance.now() - drawn > SELDOM / 2) drawNow();
  };

  function drawNow() {
    if (!planned) return;
    clearTimeout(late);
    planned = false;
    drawn = performance.now();
    draw();
  }

  function draw() {
    const { video, session } = store.state;
    if (!video || video.frames < 2 || !session || !lanes.clientWidth) return;
    const [width, height] = [lanes.clientWidth, RULER + Math.max(1, session.objects.length) * ROW + 6];
    const ratio = devicePixelRatio;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.width = `${width}px`;
      canvas.style.height = lanes.style.height = `${height}px`;
    }
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    paintLanes(app, pen, width, height, span);
  }

  store.watch(["session", "selected"], ({ session, selected }) => {
    const objects = session?.objects ?? [];
    names.replaceChildren(
      ...objects.map((object) =>
        h("li", {}, h("button", { type: "button", "aria-current": object.id === selected, style: `--own: ${object.colour}`, onclick: () => act.select(object.id) }, h("span", {}, object.name))),
      ),
      ...(objects.length ? [] : [h("li", { class: "none" }, "No objects yet")]),
    );
  });
  store.watch(["video"], ({ video }) => {
    deck.hidden = !video || video.frames < 2;
    span = [0, video?.frames ?? 1];
  });
  store.watch(["frame", "video", "times"], ({ frame, video }) => {
    if (!video) return;
    scrub.setAttribute("aria-valuemax", video.frames - 1);
    scrub.setAttribute("aria-valuenow", frame);
    scrub.setAttribute("aria-valuetext", `frame ${frame} of ${count(video.frames, "frame")}`);
    const [first, number] = span;
    if (number < video.frames && (frame < first || frame > first + number - 1)) show(frame - number * 0.1, number);
  });
  store.watch(["frame", "session", "selected", "doubts", "mark", "theme", "times", "run"], app.redrawLanes);
  new ResizeObserver(app.redrawLanes).observe(lanes);

  function show(first, number) {
    const { video } = store.state;
    const most = Math.min(video.frames, Math.max(10, number));
    span = [Math.min(video.frames - most, Math.max(0, first)), most];
    app.redrawLanes();
  }

  act.zoomLanes = (factor, at = store.state.frame) => {
    const [first, number] = span;
    const next = number / factor;
    show(at - ((at - first) / number) * next, next);
  };

  const frameAt = (event) => {
    const x = event.clientX - lanes.getBoundingClientRect().left;
    return span[0] + (x / lanes.clientWidth) * span[1];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    act.go(Math.floor(frameAt(event)));
    const place = Math.floor((event.clientY - lanes.getBoundingClientRect().top - RULER) / ROW);
    const object = store.state.session?.objects[place];
    if (place >= 0 && object) act.select(object.id);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (canvas.hasPointerCapture(event.pointerId)) act.go(Math.floor(frameAt(event)));
  });
  lanes.addEventListener("wheel", (event) => {
    if (event.ctrlKey || event.altKey || Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey) {
      event.preventDefault();
      if (event.ctrlKey || event.altKey) act.zoomLanes(Math.exp(-event.deltaY * 0.004), frameAt(event));
      else show(span[0] + ((event.deltaX || event.deltaY) / lanes.clientWidth) * span[1], span[1]);
    }
  }, { passive: false });
}

const key = (name, text) => h("span", {}, h("i", { class: name }), text);
