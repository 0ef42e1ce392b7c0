// Bringing the page to what the server says: sessions, masks that changed, masks that are missing.

import * as api from "../net/api.js";
import { doubtsOf } from "../core/doubt.js";
import { readBulk } from "../core/message.js";

const CHUNK = 40; // frames of masks fetched at once around the playhead
const SETTLE = 60; // milliseconds in which several changes are fetched as one

export function createSync(app) {
  const stale = new Set();
  const fetching = new Set();
  let timer = 0;
  let doubting = 0;

  const now = () => app.store.state.session;

  /** Take a session as the truth, unless a newer one is here; fetch the masks it changed. */
  function adopt(session, { known = [], all = false } = {}) {
    const old = now();
    if (!session || (old && (old.id !== session.id || session.revision < old.revision))) return;
    const pending = app.store.state.pending.filter((click) => !arrived(session, click));
    app.store.set({ session, pending });
    app.act.showAppearance(session);
    if (all) app.store.set({ run: null }); // a server that was started again counts its runs anew
    app.act.onRun(session.run ?? null);
    const { selected } = app.store.state;
    // An object whose first click is still on its way is as good as there.
    if (![...session.objects.map((object) => object.id), ...pending.map((click) => click.object)].includes(selected)) {
      app.store.set({ selected: null });
    }
    if (!old || all) return reload();
    for (const object of old.objects) {
      if (!session.objects.some((one) => one.id === object.id)) app.book.drop(object.id);
    }
    const returned = session.objects.some((one) => !old.objects.some((object) => object.id === one.id));
    const quiet = !session.run && !old.run;
    const recovered = JSON.stringify(old.covered) !== JSON.stringify(session.covered);
    for (const frame of changedFrames(old, session)) if (!known.includes(frame)) stale.add(frame);
    if (quiet && (recovered || returned) && !known.length) reload();
    else if (stale.size) plan();
  }

  function plan() {
    clearTimeout(timer);
    timer = setTimeout(fetchStale, SETTLE);
  }

  async function fetchStale() {
    const frames = [...stale];
    stale.clear();
    for (const frame of frames) await fetchRange(frame, frame + 1, true);
  }

  /** All scores anew, for the lanes, then masks around the playhead. */
  async function reload() {
    const { session, video } = app.store.state;
    const book = app.book;
    if (!session || !book) return;
    try {
      const part = 20000;
      const buffers = [];
      for (let start = 0; start < video.frames; start += part) {
        buffers.push(await api.scores(session.id, start, Math.min(video.frames, start + part)));
      }
      if (book !== app.book) return;
      book.clear();
      for (const buffer of buffers) for (const message of readBulk(buffer)) book.put(message, { quiet: true });
      book.tell();
      fetching.clear();
      ensure(true);
    } catch (error) {
      trouble(error, reload);
    }
  }

  async function fetchRange(start, stop, empties = false) {
    const { session } = app.store.state;
    const book = app.book;
    const key = `${start}-${stop}`;
    if (!session || fetching.has(key)) return;
    fetching.add(key);
    try {
      const seen = new Set();
      for (const message of readBulk(await api.masks(session.id, start, stop))) {
        if (book !== app.book) return;
        seen.add(message.frame);
        book.put(message);
      }
      if (empties) {
        // A frame that is not in the answer has no masks any more.
        for (let frame = start; frame < stop; frame++) if (!seen.has(frame)) book.put({ frame, records: [] });
      }
    } catch (error) {
      trouble(error, () => fetchRange(start, stop, empties));
    } finally {
      fetching.delete(key);
    }
  }

  function trouble(error, again) {
    if (error.offline || error.code === "rate") setTimeout(again, 1500);
    else app.act.complain(error);
  }

  /** Fetch the masks of frames near the playhead that the server has and the page has not. */
  function ensure(force = false) {
    const { session, frame, video, playing, run } = app.store.state;
    if (!session || !app.book || (run?.state === "running" && !force && app.book.has(frame))) return;
    const ahead = playing ? 2 : 1;
    for (let k = 0; k < ahead; k++) {
      const start = Math.floor(frame / CHUNK + k) * CHUNK;
      const stop = Math.min(video.frames, start + CHUNK);
      if (start >= video.frames || !session.covered.some(([from, to]) => from < stop && to > start)) continue;
      const lacks = [...Array(stop - start).keys()].some((n) => isCovered(session, start + n) && !app.book.has(start + n));
      if (lacks) fetchRange(start, stop);
    }
  }

  /** Doubts are found anew a moment after masks change; while tracking runs, once a second. */
  function findDoubts() {
    const wait = app.store.state.run?.state === "running" ? 1000 : 250;
    doubting ||= setTimeout(() => {
      doubting = 0;
      if (app.book) app.store.set({ doubts: new Map([...app.book.lanes].map(([object, lane]) => [object, doubtsOf(lane)])) });
    }, wait);
  }

  // While an own step is on its way, its answer brings the session and the mask together; news of it
  // by the socket would make the page fetch the same again.
  let late = null;
  function news(session) {
    if (app.outbox.length) late = session;
    else adopt(session);
  }
  app.store.watch(["waiting"], ({ waiting }) => {
    if (waiting || !late) return;
    const session = late;
    late = null;
    adopt(session);
  });

  return { adopt, news, reload, ensure, findDoubts };
}

const isCovered = (session, frame) => session.covered.some(([from, to]) => frame >= from && frame < to);

const arrived = (session, click) =>
  session.prompts.some(
    (prompt) =>
      prompt.object === click.object &&
      prompt.frame === click.frame &&
      prompt.clicks.some(([x, y]) => Math.abs(x - click.x) < 0.01 && Math.abs(y - click.y) < 0.01),
  );

/** Frames whose prompts differ between two sessions. */
export function changedFrames(old, session) {
  const print = (prompts) => new Map(prompts.map((prompt) => [`${prompt.object}:${prompt.frame}`, JSON.stringify(prompt)]));
  const [before, after] = [print(old.prompts), print(session.prompts)];
  const keys = new Set([...before.keys(), ...after.keys()]);
  return new Set([...keys].filter((key) => before.get(key) !== after.get(key)).map((key) => Number(key.split(":")[1])));
}
