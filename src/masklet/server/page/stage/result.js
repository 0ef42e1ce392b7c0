// The picture with its effects, as the server will render it: background first, then objects by id.

import { blocks, blurred, filled } from "./soften.js";

export const KINDS = ["none", "erase", "blur", "pixelate", "grey", "colour", "gradient", "spotlight", "cutout", "outline"];

/** Which controls a kind has, for the background and for objects. */
export const USES = {
  none: [], erase: ["colour"], blur: ["strength"], pixelate: ["strength"], grey: ["strength"],
  colour: ["strength", "colour"], gradient: ["strength", "colour", "colour2"], spotlight: ["strength"],
  cutout: ["colour"], outline: ["strength", "colour"],
};

/**
 * shapes   [{ path, colour, effect }] by rising id
 * pen      already scaled so that its units are pixels of the video
 */
export function paintResult(pen, image, video, shapes, background, checks) {
  const small = Math.min(video.width, video.height);
  const whole = new Path2D();
  whole.rect(0, 0, video.width, video.height);
  pen.save();
  pen.clip(whole);
  pen.drawImage(image, 0, 0, video.width, video.height);
  paintBackground(pen, image, video, background, small, checks);
  if (background.kind === "outline") {
    for (const { path } of shapes) stroke(pen, path, background.colour ?? "#ffffff", lineWidth(background, small) * 2);
  }
  for (const shape of shapes) {
    pen.save();
    pen.clip(shape.path, "evenodd");
    if (background.kind !== "none") pen.drawImage(image, 0, 0, video.width, video.height);
    paintInside(pen, image, video, shape, small);
    pen.restore();
  }
  pen.restore();
}

const lineWidth = (effect, small) => Math.max(1, Math.round(0.02 * effect.strength * small));

function paintBackground(pen, image, video, effect, small, checks) {
  if (effect.kind === "erase") cover(pen, video, effect.colour ?? "#000000");
  else if (effect.kind === "cutout") {
    if (checks) cover(pen, video, checks);
    else cover(pen, video, effect.colour ?? "#00ff00");
  } else if (effect.kind === "spotlight") cover(pen, video, "#000000", 0.9 * effect.strength);
  else shared(pen, image, video, effect, small, "#000000");
}

function paintInside(pen, image, video, { path, colour, effect }, small) {
  if (effect.kind === "erase" && effect.colour) cover(pen, video, effect.colour);
  else if (effect.kind === "erase") pen.drawImage(filled(image, video, path), 0, 0, video.width, video.height);
  else if (effect.kind === "spotlight") cover(pen, video, "#ffffff", 0.3 * effect.strength);
  else if (effect.kind === "outline") stroke(pen, path, effect.colour ?? colour, lineWidth(effect, small) * 2);
  else shared(pen, image, video, effect, small, colour);
}

/** The kinds that mean the same inside and outside. */
function shared(pen, image, video, effect, small, own) {
  const [width, height] = [video.width, video.height];
  if (effect.kind === "blur") {
    pen.drawImage(blurred(image, video, Math.max(0.5, 0.06 * effect.strength * small)), 0, 0, width, height);
  } else if (effect.kind === "pixelate") {
    const side = Math.max(2, Math.round(0.12 * effect.strength * small));
    const tiles = blocks(image, video, side);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(tiles, 0, 0, tiles.width * side, tiles.height * side);
    pen.imageSmoothingEnabled = true;
  } else if (effect.kind === "grey") {
    pen.globalCompositeOperation = "saturation"; // keeps luma, takes the fill's saturation: none
    cover(pen, video, "#808080", effect.strength);
    pen.globalCompositeOperation = "source-over";
  } else if (effect.kind === "colour") cover(pen, video, effect.colour ?? own, effect.strength);
  else if (effect.kind === "gradient") {
    const ramp = pen.createLinearGradient(0, 0, 0, height);
    ramp.addColorStop(0, effect.colour ?? own);
    ramp.addColorStop(1, effect.colour2 ?? "#000000");
    cover(pen, video, ramp, effect.strength);
  }
}

function cover(pen, video, fill, alpha = 1) {
  pen.globalAlpha = alpha;
  pen.fillStyle = fill;
  pen.fillRect(0, 0, video.width, video.height);
  pen.globalAlpha = 1;
}

function stroke(pen, path, colour, width) {
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.lineJoin = "round";
  pen.stroke(path);
}
