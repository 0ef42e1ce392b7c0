// Brush and eraser: a stroke changes the selected object's mask on this frame.

import { outlineOf } from "../core/masks.js";
import { runsOfRaster } from "../core/rle.js";
import { inside } from "../core/view.js";

export function createBrush(app, erases) {
  let stroke = null;
  let pointer = null;

  const object = () => app.store.state.session?.objects.find((one) => one.id === app.store.state.selected);
  const record = () => app.book.at(app.store.state.frame)?.get(app.store.state.selected);

  function path() {
    const line = new Path2D();
    stroke.forEach(([x, y], place) => (place ? line.lineTo(x, y) : line.moveTo(x, y)));
    if (stroke.length === 1) line.lineTo(stroke[0][0] + 0.01, stroke[0][1]);
    return line;
  }

  /** The mask with the stroke, in solid colour, on a sheet as large as the frame times `scale`. */
  function layer(scale, colour) {
    const { video, brush } = app.store.state;
    const sheet = new OffscreenCanvas(Math.max(1, Math.round(video.width * scale)), Math.max(1, Math.round(video.height * scale)));
    const pen = sheet.getContext("2d", { willReadFrequently: scale === 1 });
    pen.scale(scale, scale);
    pen.fillStyle = pen.strokeStyle = colour;
    const known = record();
    if (known) pen.fill(outlineOf(known, video.height), "evenodd");
    if (erases) pen.globalCompositeOperation = "destination-out";
    pen.lineCap = pen.lineJoin = "round";
    pen.lineWidth = brush;
    pen.stroke(path());
    return [sheet, pen];
  }

  function painted() {
    const { video } = app.store.state;
    const [, pen] = layer(1, "#fff");
    const { data } = pen.getImageData(0, 0, video.width, video.height);
    const pixels = new Uint8Array(video.width * video.height);
    for (let p = 0; p < pixels.length; p++) pixels[p] = data[p * 4 + 3] > 127 ? 1 : 0;
    return runsOfRaster(pixels, video.width, video.height);
  }

  return {
    ring: true,
    replaces: (id) => stroke !== null && id === app.store.state.selected,
    down(point) {
      if (erases && !record()?.area) {
        app.act.say("Select an object that has a mask on this frame to erase from it.");
        return false;
      }
      if (!app.act.mayChange(app.store.state.selected)) return false;
      stroke = [inside(app.store.state.video, point)];
      return true;
    },
    move(point) {
      pointer = point;
      stroke?.push(inside(app.store.state.video, point));
      app.redraw();
    },
    over(point) {
      pointer = point;
      app.redraw();
    },
    out() {
      pointer = null;
      app.redraw();
    },
    up() {
      if (stroke) app.act.paintMask(painted());
      stroke = null;
    },
    cancel() {
      stroke = null;
    },
    draw(pen, view) {
      const { look, brush, video } = app.store.state;
      if (stroke) {
        const scale = Math.min(1, view.scale * devicePixelRatio);
        pen.globalAlpha = Math.max(0.35, look.opacity);
        pen.drawImage(layer(scale, object()?.colour ?? "#3d66e6")[0], 0, 0, video.width, video.height);
        pen.globalAlpha = 1;
      }
      if (!pointer) return;
      for (const [colour, width] of [["#000", 3], ["#fff", 1.4]]) {
        pen.strokeStyle = colour;
        pen.lineWidth = width / view.scale;
        pen.beginPath();
        pen.arc(pointer[0], pointer[1], brush / 2, 0, 7);
        pen.stroke();
      }
    },
  };
}
