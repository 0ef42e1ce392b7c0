// The canvas: its size, when it is drawn, and what fingers, pens, wheels and mice do to it.

import { fitted, held, inside, toPicture, zoomed } from "../core/view.js";
import { paint } from "./paint.js";
import { createTools } from "./tools.js";

const STILL = 4; // screen pixels a press may wander and still be a click
const LONG = 550; // milliseconds of a long press, which takes away

export function mountStage(app) {
  const canvas = document.getElementById("stage");
  // Opaque: blending it with what lies below would cost a machine without a graphics card a tenth of each drawing.
  const pen = canvas.getContext("2d", { alpha: false });
  const tools = createTools(app);
  const fingers = new Map();
  let planned = false;
  let press = null;
  let pinch = null;
  let ground = { theme: null, colour: null };
  const size = () => [canvas.clientWidth, canvas.clientHeight];

  app.redraw = () => {
    if (planned) return;
    planned = true;
    requestAnimationFrame(() => {
      planned = false;
      const ratio = devicePixelRatio;
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      pen.fillStyle = groundColour();
      pen.fillRect(0, 0, ...size());
      paint(app, pen);
      app.lanesToo?.();
    });
  };

  /** What lies around the picture; asked of the style once a theme. */
  function groundColour() {
    const { theme } = app.store.state;
    if (ground.theme !== theme) ground = { theme, colour: getComputedStyle(canvas).getPropertyValue("--ground") };
    return ground.colour;
  }

  function setView(view) {
    app.store.set({ view: held(view, app.store.state.video, ...size()), fits: false });
  }

  app.view = {
    fit() {
      const { video } = app.store.state;
      if (video && canvas.clientWidth) app.store.set({ view: fitted(video, ...size()), fits: true });
    },
    zoom(factor, px = canvas.clientWidth / 2, py = canvas.clientHeight / 2) {
      const { video, view } = app.store.state;
      if (view) setView(zoomed(view, factor, px, py, fitted(video, ...size()).scale / 4));
    },
    actual() {
      app.view.zoom(1 / (app.store.state.view.scale * devicePixelRatio));
    },
    pan(dx, dy) {
      const { view } = app.store.state;
      setView({ ...view, x: view.x + dx, y: view.y + dy });
    },
  };

  new ResizeObserver(() => {
    canvas.width = Math.round(canvas.clientWidth * devicePixelRatio);
    canvas.height = Math.round(canvas.clientHeight * devicePixelRatio);
    if (app.store.state.fits) app.view.fit();
    app.redraw();
  }).observe(canvas);

  const spot = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const point = (event) => toPicture(app.store.state.view, ...spot(event));
  const isOver = ([x, y]) => x >= 0 && y >= 0 && x < app.store.state.video.width && y < app.store.state.video.height;
  const pans = (event) => event.button === 1 || app.store.state.tool === "hand" || app.spaceHeld;

  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  // The picture takes the focus by Tab only: then arrows move its cross-hair, else they step frames.
  canvas.addEventListener("mousedown", (event) => event.preventDefault());
  canvas.addEventListener("pointerdown", (event) => {
    if (!app.store.state.view) return;
    document.activeElement?.blur?.();
    app.store.set({ cross: null, hover: null });
    fingers.set(event.pointerId, spot(event));
    canvas.setPointerCapture(event.pointerId);
    if (fingers.size === 2) return startPinch();
    if (fingers.size > 2) return;
    const at = point(event);
    if (app.spaceHeld) app.spaceUsed = true;
    press = { id: event.pointerId, start: spot(event), last: spot(event), moved: false, pans: pans(event), button: event.button, time: event.timeStamp };
    if (!press.pans && !isOver(at) && app.store.state.tool !== "box") press.pans = true;
    if (!press.pans && app.tool?.down?.(at, event) === false) press = null;
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!app.store.state.view) return;
    if (fingers.has(event.pointerId)) fingers.set(event.pointerId, spot(event));
    if (pinch) return movePinch();
    if (!press) return hoverAt(event);
    if (event.pointerId !== press.id) return;
    const [x, y] = spot(event);
    if (Math.hypot(x - press.start[0], y - press.start[1]) > STILL) press.moved = true;
    if (press.pans) app.view.pan(x - press.last[0], y - press.last[1]);
    else if (press.moved || app.tool?.ring) app.tool?.move?.(point(event));
    press.last = [x, y];
  });
  const lift = (event) => {
    fingers.delete(event.pointerId);
    if (pinch) {
      if (fingers.size < 2) pinch = null;
      return;
    }
    if (!press || press.id !== event.pointerId) return;
    const ended = press;
    press = null;
    if (event.type === "pointercancel") return app.tool?.cancel?.();
    const long = event.pointerType === "touch" && event.timeStamp - ended.time > LONG;
    const how = { button: ended.button, shiftKey: event.shiftKey, altKey: event.altKey, long };
    if (!ended.pans) app.tool?.up?.(point(event), how, ended.moved);
    else if (!ended.moved && app.store.state.tool !== "hand" && !app.spaceHeld && ended.button !== 1) app.act.select(null);
  };
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("pointerleave", () => {
    app.act.hover(null);
    app.tool?.out?.();
  });

  function hoverAt(event) {
    if (event.pointerType === "touch") return;
    const at = point(event);
    app.tool?.over?.(at);
    app.act.hover(app.tool?.hovers && isOver(at) && !app.spaceHeld ? inside(app.store.state.video, at) : null, event.shiftKey);
  }

  function startPinch() {
    press = null;
    app.tool?.cancel?.();
    const [a, b] = [...fingers.values()];
    pinch = { gap: Math.hypot(a[0] - b[0], a[1] - b[1]), middle: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2] };
  }

  function movePinch() {
    const [a, b] = [...fingers.values()];
    const gap = Math.hypot(a[0] - b[0], a[1] - b[1]);
    const middle = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
    app.view.pan(middle[0] - pinch.middle[0], middle[1] - pinch.middle[1]);
    app.view.zoom(gap / Math.max(1, pinch.gap), ...middle);
    pinch = { gap, middle };
  }

  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      if (!app.store.state.view) return;
      const unit = event.deltaMode === 1 ? 16 : 1;
      if (event.shiftKey) app.view.pan(-(event.deltaY + event.deltaX) * unit, 0);
      else app.view.zoom(Math.exp(-event.deltaY * unit * (event.ctrlKey ? 0.01 : 0.0016)), ...spot(event));
    },
    { passive: false },
  );

  app.store.watch(["tool"], ({ tool }) => {
    app.tool?.cancel?.();
    app.tool = tools[tool];
    canvas.dataset.tool = tool;
    canvas.style.cursor = tool === "hand" ? "grab" : app.tool.ring ? "none" : "crosshair";
  });
  app.store.watch(
    ["video", "view", "frame", "session", "selected", "look", "effects", "result", "hover", "pending", "dragged", "cross", "theme", "brush", "showing", "moving"],
    app.redraw,
  );
}
