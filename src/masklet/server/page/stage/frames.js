// Pictures of the video, fetched when needed, newest wish first, decoded off the page's thread.

import { frameAddress } from "../net/api.js";

const LADDER = [180, 360, 480, 720, 1080, 1440, 2160];
const BUDGET = 320e6; // bytes of decoded pictures that stay
const AT_ONCE = 4;

/** The height to ask for, when a frame is drawn this many pixels high. */
export function rung(video, height) {
  return LADDER.find((step) => step >= Math.min(height, video.height) && step < video.height) ?? video.height;
}

export function createFrames(video, { onFrame, onLost }) {
  const cache = new Map();
  const flying = new Map();
  let wishes = [];
  let held = 0;
  let closed = false;
  let again = 0;

  function keep(frame, bitmap, height) {
    const old = cache.get(frame);
    if (old) remove(frame, old);
    cache.set(frame, { bitmap, height });
    held += bitmap.width * bitmap.height * 4;
    for (const [key, entry] of cache) {
      if (held <= BUDGET || cache.size <= 2) break;
      if (key !== frame) remove(key, entry);
    }
  }

  function remove(frame, { bitmap }) {
    cache.delete(frame);
    held -= bitmap.width * bitmap.height * 4;
    bitmap.close();
  }

  const good = ({ frame, height }) => (cache.get(frame)?.height ?? 0) >= height;

  function pump() {
    wishes = wishes.filter((wish) => !good(wish));
    for (const wish of wishes) {
      if (closed || flying.size >= AT_ONCE) return;
      if (!flying.has(wish.frame)) fly(wish);
    }
  }

  async function fly(wish) {
    const stop = new AbortController();
    flying.set(wish.frame, stop);
    try {
      const bitmap = await pictureAt(frameAddress(video.id, wish.frame, wish.height), stop.signal);
      if (closed) return bitmap.close();
      keep(wish.frame, bitmap, wish.height);
      onFrame(wish.frame);
    } catch (error) {
      if (error.name !== "AbortError" && !closed) {
        onLost(error);
        clearTimeout(again);
        again = setTimeout(pump, 1200);
        wishes = error.code ? wishes.filter((other) => other.frame !== wish.frame) : wishes;
        return;
      }
    } finally {
      flying.delete(wish.frame);
    }
    if (!closed) pump();
  }

  return {
    /** The picture of a frame, whatever its height; null when it is not there yet. */
    get(frame) {
      const entry = cache.get(frame);
      if (!entry) return null;
      cache.delete(frame);
      cache.set(frame, entry);
      return entry.bitmap;
    },
    has: (frame) => cache.has(frame),
    /** What is wanted now, most urgent first; everything else that is under way is given up. */
    want(list) {
      wishes = list.filter((wish) => wish.frame >= 0 && wish.frame < video.frames);
      for (const [frame, stop] of flying) {
        if (!wishes.some((wish) => wish.frame === frame)) stop.abort();
      }
      pump();
    },
    close() {
      closed = true;
      clearTimeout(again);
      flying.forEach((stop) => stop.abort());
      cache.forEach(({ bitmap }) => bitmap.close());
      cache.clear();
    },
  };
}

async function pictureAt(address, signal) {
  const response = await fetch(address, { signal });
  if (!response.ok) {
    const told = await response.json().catch(() => null);
    throw Object.assign(new Error(told?.error?.message ?? `A frame could not be read (${response.status})`), { code: told?.error?.code ?? "internal" });
  }
  return createImageBitmap(await response.blob());
}
