// The three readings of an ambiguous click, as pictures to choose from.

import { outlineOf } from "../core/masks.js";
import { h } from "./dom.js";

export function mountCandidates(app) {
  const { store, act } = app;
  const strip = document.getElementById("candidates");

  store.watch(["candidates"], ({ candidates }) => {
    if (!candidates) {
      strip.hidden = true;
      return strip.replaceChildren();
    }
    const names = ["Smallest", "Middle", "Largest"];
    const focus = strip.contains(document.activeElement);
    strip.replaceChildren(
      ...candidates.list.map((one, place) => {
        const button = h(
          "button",
          { type: "button", role: "radio", "aria-checked": place === candidates.chosen, "aria-label": `${names[place]} candidate, score ${percent(one.iou)}`, onclick: () => act.choose(place) },
          picture(app, candidates, one.record),
          h("span", {}, names[place], h("kbd", {}, String(place + 1))),
        );
        return button;
      }),
    );
    strip.hidden = false;
    if (focus) strip.querySelector('[aria-checked="true"]')?.focus();
  });
  strip.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const { candidates } = store.state;
    if (!by || !candidates) return;
    event.preventDefault();
    event.stopPropagation();
    act.choose((candidates.chosen + by + candidates.list.length) % candidates.list.length);
  });

  act.otherCandidate = () => {
    const { candidates } = store.state;
    if (candidates) act.choose((candidates.chosen + 1) % candidates.list.length);
  };
}

const percent = (value) => `${Math.round(value * 100)}%`;

/** The frame around all candidates, with one of them filled. */
function picture(app, candidates, record) {
  const { video, session } = app.store.state;
  const canvas = h("canvas", { width: 184, height: 116, "aria-hidden": "true" });
  const boxes = candidates.list.map((one) => one.record.box).filter(Boolean);
  if (!boxes.length) return canvas;
  const box = [Math.min(...boxes.map((b) => b[0])), Math.min(...boxes.map((b) => b[1])), Math.max(...boxes.map((b) => b[2])), Math.max(...boxes.map((b) => b[3]))];
  const scale = Math.min(184 / (box[2] - box[0]), 116 / (box[3] - box[1]), 4) * 0.86;
  const pen = canvas.getContext("2d");
  pen.translate(92 - ((box[0] + box[2]) / 2) * scale, 58 - ((box[1] + box[3]) / 2) * scale);
  pen.scale(scale, scale);
  const image = app.frames.get(candidates.frame);
  if (image) pen.drawImage(image, 0, 0, video.width, video.height);
  pen.fillStyle = "rgb(0 0 0 / .45)";
  pen.fillRect(0, 0, video.width, video.height);
  const path = outlineOf(record, video.height);
  if (!path) return canvas;
  pen.save();
  pen.clip(path, "evenodd");
  if (image) pen.drawImage(image, 0, 0, video.width, video.height);
  pen.restore();
  const colour = session.objects.find((object) => object.id === candidates.object)?.colour ?? "#3d66e6";
  pen.globalAlpha = 0.35;
  pen.fillStyle = colour;
  pen.fill(path, "evenodd");
  pen.globalAlpha = 1;
  pen.strokeStyle = colour;
  pen.lineWidth = 3 / scale;
  pen.stroke(path);
  return canvas;
}
