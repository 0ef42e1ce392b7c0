// The tools: each takes down/move/up in pixels of the picture, and may draw what it is about.

import { inside, toScreen } from "../core/view.js";
import { clicksOn } from "./paint.js";
import { createBrush } from "./brush.js";

const REACH = 11; // screen pixels around a click's marker that grab it

export function createTools(app) {
  const erase = createBrush(app, true);
  const tools = { add: clicking(app), take: clicking(app), box: boxing(app), brush: createBrush(app, false), erase, hand: {} };
  return tools;
}

function clicking(app) {
  let grabbed = null;
  return {
    hovers: true,
    down(point, event) {
      grabbed = markerAt(app, point);
      if (grabbed && event.altKey) {
        app.act.removeClick(grabbed);
        grabbed = null;
        return false;
      }
      if (grabbed) grabbed.from = point;
      return true;
    },
    move(point) {
      if (!grabbed) return;
      const [x, y] = inside(app.store.state.video, point);
      app.store.set({ dragged: { ...grabbed, x, y } });
    },
    up(point, event, moved) {
      const { tool, dragged } = app.store.state;
      if (grabbed && moved && dragged) {
        app.act.moveClick(dragged);
      } else if (grabbed) {
        app.act.select(grabbed.object);
      } else if (!moved) {
        const negative = event.button === 2 || event.shiftKey || event.long || tool === "take";
        app.act.click(point, !negative);
      }
      grabbed = null;
      app.store.set({ dragged: null });
    },
    cancel() {
      grabbed = null;
      app.store.set({ dragged: null });
    },
  };
}

/** The click of the selected object under a point; null when there is none. */
export function markerAt(app, [x, y]) {
  const { view, frame, selected } = app.store.state;
  const [px, py] = toScreen(view, x, y);
  return (
    clicksOn(app.store.state, frame)
      .filter((click) => !click.going && (selected === null || click.object === selected))
      .find((click) => {
        const [mx, my] = toScreen(view, click.x, click.y);
        return Math.hypot(mx - px, my - py) < REACH;
      }) ?? null
  );
}

function boxing(app) {
  let from = null;
  let to = null;
  return {
    down(point) {
      from = to = inside(app.store.state.video, point);
      return true;
    },
    move(point) {
      to = inside(app.store.state.video, point);
      app.redraw();
    },
    up(point, event, moved) {
      const box = from && [Math.min(from[0], to[0]), Math.min(from[1], to[1]), Math.max(from[0], to[0]), Math.max(from[1], to[1])];
      from = to = null;
      if (moved && box[2] - box[0] >= 2 && box[3] - box[1] >= 2) app.act.box(box);
      app.redraw();
    },
    cancel() {
      from = to = null;
    },
    draw(pen, view) {
      if (!from) return;
      pen.fillStyle = "rgb(61 102 230 / .18)";
      pen.fillRect(from[0], from[1], to[0] - from[0], to[1] - from[1]);
      for (const [colour, width] of [["#000", 3.5], ["#fff", 1.5]]) {
        pen.strokeStyle = colour;
        pen.lineWidth = width / view.scale;
        pen.strokeRect(from[0], from[1], to[0] - from[0], to[1] - from[1]);
      }
    },
  };
}
