// All masks the page knows: outlines near the playhead, scores of every frame for the timeline.

import { outlines, pathOf } from "./contour.js";
import { bytesOfText, extent, raster, runsOf } from "./rle.js";

const KEPT = 3000; // frames whose mask bytes stay; others are fetched again when they are shown

/** One object's numbers over the whole video. state: 0 unknown, 1 hidden, 2 visible. */
function newLane(frames) {
  return {
    state: new Uint8Array(frames),
    iou: new Float32Array(frames).fill(NaN),
    area: new Uint32Array(frames),
    prompted: new Uint8Array(frames),
  };
}

export function createMaskBook(video) {
  const book = new Map();
  const lanes = new Map();
  const listeners = new Set();
  let version = 0;

  function note(frame) {
    version++;
    listeners.forEach((listener) => listener(frame));
  }

  function keep(frame) {
    const known = book.get(frame) ?? new Map();
    book.delete(frame);
    book.set(frame, known);
    if (book.size > KEPT) book.delete(book.keys().next().value);
    return known;
  }

  function mark(frame, record) {
    if (!lanes.has(record.object)) lanes.set(record.object, newLane(video.frames));
    const lane = lanes.get(record.object);
    lane.state[frame] = record.area ? 2 : 1;
    lane.iou[frame] = record.iou;
    lane.area[frame] = record.area;
    lane.prompted[frame] = record.prompted ? 1 : 0;
  }

  return {
    get version() {
      return version;
    },
    lanes,
    /** Take a message: `whole` says it names every object that has a mask there. */
    put(message, { whole = true, quiet = false } = {}) {
      const full = message.records.every((record) => record.counts);
      if (full) {
        const known = keep(message.frame);
        if (whole) known.clear();
        for (const record of message.records) known.set(record.object, record);
      }
      if (whole) {
        const named = new Set(message.records.map((record) => record.object));
        for (const [object, lane] of lanes) if (!named.has(object)) lane.state[message.frame] = lane.prompted[message.frame] = 0;
      }
      message.records.forEach((record) => mark(message.frame, record));
      if (!quiet) note(message.frame);
    },
    /** Take the answer to a prompt. */
    putPreview(preview) {
      const record = recordOf(preview);
      keep(preview.frame).set(preview.object, record);
      mark(preview.frame, record);
      note(preview.frame);
    },
    at: (frame) => book.get(frame),
    has: (frame) => book.has(frame),
    forget(frames) {
      frames.forEach((frame) => book.delete(frame));
    },
    drop(object) {
      lanes.delete(object);
      for (const known of book.values()) known.delete(object);
      note(null);
    },
    clear() {
      book.clear();
      lanes.clear();
      note(null);
    },
    on(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    tell: () => note(null),
  };
}

/** A record like a message's, from a preview's JSON. */
export function recordOf(preview, mask = preview.mask) {
  const counts = bytesOfText(mask.counts);
  const { area, box } = extent(runsOf(counts), mask.size[0]);
  return { object: preview.object, iou: preview.iou, occlusion: preview.occlusion, area, box, prompted: true, outdated: false, counts };
}

/** The outline of a record, made when first asked for. */
export function outlineOf(record, height) {
  if (!record.path && record.counts) {
    record.path = record.box ? trace(record, height) : new Path2D();
  }
  return record.path ?? null;
}

function trace(record, height) {
  const [x0, y0, x1, y1] = record.box;
  const pixels = raster(runsOf(record.counts), height, record.box);
  return pathOf(outlines(pixels, x1 - x0, y1 - y0, x0, y0));
}
