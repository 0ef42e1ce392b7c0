// What is on the stage besides effects: the frame, masks, prompts, hover and what a tool draws.

import { outlineOf } from "../core/masks.js";
import { toScreen } from "../core/view.js";
import { paintResult } from "./result.js";

/** Objects to draw on a frame: not hidden, with their outline, by rising id. */
export function shapesOn(app, frame) {
  const { session, video } = app.store.state;
  const known = app.book?.at(frame);
  if (!session || !known) return [];
  return session.objects
    .filter((object) => !object.hidden && known.get(object.id)?.box)
    .map((object) => ({ object, record: known.get(object.id), path: outlineOf(known.get(object.id), video.height) }))
    .filter((shape) => shape.path)
    .sort((a, b) => a.object.id - b.object.id);
}

export function paint(app, pen) {
  const { video, view, frame, showing, result, moving } = app.store.state;
  if (!video || !view) return;
  // While a frame is on its way the one before it stays, with its own masks.
  const drawn = app.frames.has(frame) || showing === null ? frame : showing;
  const image = app.frames.get(drawn);
  const shapes = shapesOn(app, drawn);
  pen.save();
  pen.translate(view.x, view.y);
  pen.scale(view.scale, view.scale);
  pen.imageSmoothingEnabled = view.scale < 4;
  pen.imageSmoothingQuality = moving ? "low" : "high"; // the eye looks closely only at what stands still
  if (!image) paintBlank(pen, video);
  else if (result) paintEffects(app, pen, image, video, shapes);
  else {
    pen.drawImage(image, 0, 0, video.width, video.height);
    paintMasks(app, pen, shapes, view);
  }
  paintHover(app, pen, view);
  app.tool?.draw?.(pen, view);
  pen.restore();
  if (!result) paintPrompts(app, pen);
  paintCross(app, pen);
}

function paintBlank(pen, video) {
  pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--raised");
  pen.fillRect(0, 0, video.width, video.height);
}

function paintEffects(app, pen, image, video, shapes) {
  const { effects } = app.store.state;
  const drawn = shapes.map(({ object, path }) => ({
    path,
    colour: object.colour,
    effect: effects.objects[object.id] ?? effects.object,
  }));
  paintResult(pen, image, video, drawn, effects.background, checks(pen));
}

let tiles = null;
/** The chequered ground that stands for transparency. */
function checks(pen) {
  if (!tiles) {
    tiles = document.createElement("canvas");
    tiles.width = tiles.height = 32;
    const draw = tiles.getContext("2d");
    draw.fillStyle = "#c9ced6";
    draw.fillRect(0, 0, 32, 32);
    draw.fillStyle = "#f4f6f8";
    draw.fillRect(0, 0, 16, 16);
    draw.fillRect(16, 16, 16, 16);
  }
  return pen.createPattern(tiles, "repeat");
}

function paintMasks(app, pen, shapes, view) {
  const { look, selected, moving } = app.store.state;
  for (const { object, path } of shapes) {
    if (app.tool?.replaces?.(object.id)) continue;
    const chosen = object.id === selected;
    pen.globalAlpha = look.opacity;
    pen.fillStyle = object.colour;
    pen.fill(path, "evenodd");
    pen.globalAlpha = 1;
    if (!look.outline) continue;
    pen.lineJoin = "round";
    // An outline is the dearest thing to draw: the light one around it is for what stands still.
    if (chosen && !moving) line(pen, path, "rgb(255 255 255 / .9)", 4 / view.scale);
    line(pen, path, object.colour, (chosen ? 2.2 : 1.6) / view.scale);
  }
}

function line(pen, path, colour, width) {
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.stroke(path);
}

function paintHover(app, pen, view) {
  const { hover, video, frame } = app.store.state;
  if (!hover || hover.frame !== frame) return;
  const path = outlineOf(hover.record, video.height);
  if (!path) return;
  pen.fillStyle = "rgb(255 255 255 / .16)";
  pen.fill(path, "evenodd");
  line(pen, path, "rgb(0 0 0 / .5)", 3 / view.scale);
  pen.setLineDash([6 / view.scale, 5 / view.scale]);
  line(pen, path, "#fff", 1.6 / view.scale);
  pen.setLineDash([]);
}

/** Clicks of a frame: those the server has, and those on their way to it. */
export function clicksOn(state, frame) {
  const given = state.session.prompts.filter((prompt) => prompt.frame === frame);
  const known = given.flatMap((prompt) =>
    prompt.clicks.map(([x, y, positive], place) => ({ object: prompt.object, x, y, positive: Boolean(positive), place })),
  );
  const going = state.pending.filter((click) => click.frame === frame).map((click) => ({ ...click, going: true }));
  return [...known, ...going];
}

function paintPrompts(app, pen) {
  const { session, view, frame, selected, dragged } = app.store.state;
  if (!session) return;
  const objects = new Map(session.objects.map((object) => [object.id, object]));
  for (const prompt of session.prompts) {
    if (prompt.frame !== frame || !prompt.box || objects.get(prompt.object)?.hidden) continue;
    const [x0, y0] = toScreen(view, prompt.box[0], prompt.box[1]);
    const [x1, y1] = toScreen(view, prompt.box[2], prompt.box[3]);
    pen.lineWidth = 1.5;
    pen.setLineDash([5, 4]);
    pen.strokeStyle = objects.get(prompt.object)?.colour ?? "#fff";
    pen.globalAlpha = prompt.object === selected ? 1 : 0.5;
    pen.strokeRect(x0, y0, x1 - x0, y1 - y0);
    pen.setLineDash([]);
    pen.globalAlpha = 1;
  }
  for (const click of clicksOn(app.store.state, frame)) {
    const object = objects.get(click.object);
    if (object?.hidden) continue;
    const moved = dragged && dragged.object === click.object && dragged.place === click.place && !click.going;
    const [x, y] = toScreen(view, moved ? dragged.x : click.x, moved ? dragged.y : click.y);
    pen.globalAlpha = click.going ? 0.6 : selected === null || click.object === selected ? 1 : 0.45;
    marker(pen, x, y, click.positive, object?.colour ?? "#3d66e6");
    pen.globalAlpha = 1;
  }
}

/** A click: a disc with plus or minus, so that colour alone never tells them apart. */
function marker(pen, x, y, positive, colour) {
  pen.beginPath();
  pen.arc(x, y, 7.5, 0, 7);
  pen.fillStyle = positive ? colour : "#fff";
  pen.fill();
  pen.lineWidth = 2;
  pen.strokeStyle = positive ? "#fff" : "#c0291f";
  pen.stroke();
  pen.beginPath();
  pen.moveTo(x - 3.5, y);
  pen.lineTo(x + 3.5, y);
  if (positive) {
    pen.moveTo(x, y - 3.5);
    pen.lineTo(x, y + 3.5);
  }
  pen.strokeStyle = positive ? "#0b0d11" : "#c0291f";
  pen.stroke();
}

function paintCross(app, pen) {
  const { cross, view } = app.store.state;
  if (!cross) return;
  const [x, y] = toScreen(view, ...cross);
  for (const [colour, width] of [["#000", 4], ["#fff", 1.6]]) {
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      pen.moveTo(x + dx * 5, y + dy * 5);
      pen.lineTo(x + dx * 18, y + dy * 18);
    }
    pen.stroke();
  }
}
