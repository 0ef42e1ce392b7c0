// How the lanes look: where an object is visible, prompted, doubtful.

import { clock } from "../core/words.js";

export const RULER = 26;
export const ROW = 26;

export function paintLanes(app, pen, width, height, [first, number]) {
  const { session, frame, doubts, mark, selected } = app.store.state;
  const css = getComputedStyle(document.documentElement);
  const colour = (name) => css.getPropertyValue(`--${name}`).trim();
  const x = (at) => ((at - first) / number) * width;
  pen.clearRect(0, 0, width, height);
  paintMark(pen, x, mark, height, colour);
  paintRuler(app, pen, width, first, number, x, colour);
  session.objects.forEach((object, place) => {
    const top = RULER + place * ROW;
    pen.globalAlpha = object.hidden ? 0.35 : 1;
    if (object.id === selected) {
      pen.fillStyle = colour("accent-soft");
      pen.fillRect(0, top, width, ROW);
    }
    const lane = app.book?.lanes.get(object.id);
    if (lane) {
      paintLane(pen, lane, object.colour, top, first, number, x, session.outdated.includes(object.id), colour);
      paintDoubts(pen, doubts.get(object.id) ?? [], top, x, colour);
    }
    for (const prompt of session.prompts) {
      if (prompt.object === object.id) diamond(pen, x(prompt.frame + 0.5), top + ROW / 2, colour);
    }
    pen.globalAlpha = 1;
  });
  paintHead(pen, x(frame + 0.5), height, colour);
}

function paintLane(pen, lane, fill, top, first, number, x, outdated, colour) {
  const from = Math.max(0, Math.floor(first));
  const to = Math.min(lane.state.length, Math.ceil(first + number));
  for (let start = from; start < to; ) {
    let stop = start + 1;
    while (stop < to && lane.state[stop] === lane.state[start]) stop++;
    const [left, right] = [x(start), Math.max(x(stop), x(start) + 2)];
    if (lane.state[start] === 2) {
      pen.fillStyle = fill;
      const before = pen.globalAlpha;
      pen.globalAlpha = before * (outdated ? 0.5 : 0.95);
      pen.beginPath();
      pen.roundRect(left, top + 8, right - left, 10, Math.min(4, (right - left) / 2));
      pen.fill();
      pen.globalAlpha = before;
    } else if (lane.state[start] === 1) {
      pen.fillStyle = colour("edge");
      pen.fillRect(left, top + ROW / 2 - 1, right - left, 2);
    }
    start = stop;
  }
}

function paintDoubts(pen, places, top, x, colour) {
  for (const { start, end } of places) {
    const [left, right] = [x(start), Math.max(x(end), x(start) + 4)];
    pen.fillStyle = colour("warn");
    pen.beginPath();
    pen.roundRect(left, top + 20, right - left, 3, 1.5);
    pen.fill();
  }
}

function diamond(pen, x, y, colour) {
  pen.beginPath();
  pen.moveTo(x, y - 6);
  pen.lineTo(x + 6, y);
  pen.lineTo(x, y + 6);
  pen.lineTo(x - 6, y);
  pen.closePath();
  pen.fillStyle = colour("text");
  pen.fill();
  pen.strokeStyle = colour("panel");
  pen.lineWidth = 1.5;
  pen.stroke();
}

function paintMark(pen, x, { start, stop }, height, colour) {
  if (start === null && stop === null) return;
  const left = start === null ? 0 : x(start);
  const right = stop === null ? pen.canvas.width : x(stop + 1);
  pen.fillStyle = colour("accent-soft");
  pen.fillRect(left, 0, right - left, RULER);
  pen.fillStyle = colour("accent");
  if (start !== null) pen.fillRect(left, 0, 2, height);
  if (stop !== null) pen.fillRect(right - 2, 0, 2, height);
}

const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];

function paintRuler(app, pen, width, first, number, x, colour) {
  const { video } = app.store.state;
  const rate = video.rate || 25;
  const seconds = number / rate;
  const step = STEPS.find((one) => (one / seconds) * width > 76) ?? 7200;
  pen.font = `11px ${getComputedStyle(document.body).fontFamily}`;
  pen.textBaseline = "middle";
  for (let n = Math.floor(first / rate / step); n * step * rate <= first + number; n++) {
    const at = x(n * step * rate);
    pen.fillStyle = colour("edge");
    pen.fillRect(at, RULER - 8, 1, 8);
    for (let minor = 1; minor < 5; minor++) pen.fillRect(at + (minor / 5) * (step / seconds) * width, RULER - 4, 1, 4);
    pen.fillStyle = colour("muted");
    const label = step < 1 ? clock(n * step).slice(0, -1) : clock(n * step).slice(0, -3);
    if (at > -2) pen.fillText(label, at + 4, 10);
  }
  pen.fillStyle = colour("line");
  pen.fillRect(0, RULER - 1, width, 1);
}

function paintHead(pen, x, height, colour) {
  pen.fillStyle = colour("accent");
  pen.fillRect(x - 0.75, 0, 1.5, height);
  pen.beginPath();
  pen.moveTo(x - 6, 0);
  pen.lineTo(x + 6, 0);
  pen.lineTo(x + 6, 9);
  pen.lineTo(x, 15);
  pen.lineTo(x - 6, 9);
  pen.closePath();
  pen.fill();
}
