// Fetching a masklet's masks: all scores at once, outlines in pieces as the playhead nears them.

import { maskletMasks } from "../net/api.js";
import { readBulk } from "../core/message.js";

const CHUNK = 200;
const MOST = 100_000; // frames of scores that are given at once
const AGAIN = 1500;

/**
 * onTrouble(error)   told when the server refuses; what was lost on the way is asked for again by itself
 */
export function createMasks(key, masklet, { book, video }, onTrouble) {
  const asked = new Set();
  let closed = false;

  async function load(range, again) {
    try {
      const bulk = await maskletMasks(key, masklet, range);
      if (closed) return;
      for (const message of readBulk(bulk)) book.put(message, { quiet: true });
      book.tell();
    } catch (error) {
      if (closed) return;
      if (error.offline || error.code === "rate") setTimeout(() => !closed && again(), AGAIN);
      else onTrouble(error);
    }
  }

  function scores(start = 0) {
    const stop = Math.min(video.frames, start + MOST);
    load({ start, stop, counts: 0 }, () => scores(start));
    if (stop < video.frames) scores(stop);
  }

  function chunk(place) {
    const start = place * CHUNK;
    if (asked.has(place) || start >= video.frames) return;
    asked.add(place);
    const again = () => (asked.delete(place), chunk(place));
    load({ start, stop: Math.min(video.frames, start + CHUNK) }, again);
  }

  return {
    scores,
    /** Have the outlines around a frame; those that had to make room are fetched again. */
    ensure(frame) {
      const place = Math.floor(frame / CHUNK);
      const known = [...book.lanes.values()].some((lane) => lane.state[frame]);
      if (known && !book.has(frame)) asked.delete(place);
      chunk(place);
      chunk(place + 1);
    },
    close: () => (closed = true),
  };
}
