// Where a person should look: frames on which an object's score dips or its area jumps.

const LOW = 0.6; // predicted IoU below this is doubtful whatever came before
const DIP = 0.15; // so is a fall below the running mean by this much
const JUMP = 1.7; // and an area this many times larger or smaller than a frame before
const GAP = 4; // doubtful frames closer than this are one place

/**
 * Doubtful places of one lane, as { start, end, frame, why }: end exclusive, frame the worst one.
 * A frame with a prompt is a person's word and never doubtful.
 */
export function doubtsOf(lane) {
  const places = [];
  let mean = NaN;
  let last = -1;
  for (let frame = 0; frame < lane.state.length; frame++) {
    if (lane.state[frame] !== 2) {
      if (lane.state[frame] === 0) [mean, last] = [NaN, -1];
      continue;
    }
    const iou = lane.iou[frame];
    if (!lane.prompted[frame]) note(places, frame, judge(lane, frame, last, iou, mean));
    if (!Number.isNaN(iou)) mean = Number.isNaN(mean) ? iou : mean + (iou - mean) * 0.1;
    last = frame;
  }
  return places;
}

function judge(lane, frame, last, iou, mean) {
  if (last === frame - 1) {
    const ratio = lane.area[frame] / lane.area[last];
    const size = Math.max(ratio, 1 / ratio);
    if (size > JUMP) return { why: ratio > 1 ? "the area jumps up" : "the area drops", weight: size };
  }
  if (iou < LOW || iou < mean - DIP) return { why: "the score dips", weight: 1 - iou };
  return null;
}

function note(places, frame, found) {
  if (!found) return;
  const place = places.at(-1);
  if (place && frame - place.end < GAP) {
    place.end = frame + 1;
    if (found.weight > place.weight) Object.assign(place, found, { frame });
  } else {
    places.push({ start: frame, end: frame + 1, frame, ...found });
  }
}

/** The next (or, backwards, the previous) doubtful place from a frame on, over all lanes; goes round. */
export function nextDoubt(doubts, frame, backwards = false) {
  const all = [...doubts].flatMap(([object, places]) => places.map((place) => ({ object, ...place })));
  all.sort((a, b) => a.frame - b.frame);
  if (backwards) return all.findLast((place) => place.frame < frame) ?? all.at(-1) ?? null;
  return all.find((place) => place.frame > frame) ?? all[0] ?? null;
}
