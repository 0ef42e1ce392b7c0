// The playhead: going to a frame, stepping, playing in the video's own time, with its sound.

import { videoFile } from "../net/api.js";
import { rung } from "../stage/frames.js";

const AHEAD = 14; // frames fetched ahead of the playhead
const BEHIND = 8; // tracked frames that may wait to be shown before some are left out
const COMING = 4; // of these, how many have their pictures on the way
const SOFT = 0.8; // of the height that would be sharp, for pictures that pass by when playing
const SOFTER = 0.7; // and when tracking, which needs the machine itself
const SEEN = 30; // pictures a second that are asked for at most: played faster, some are left out
const PATIENCE = 250; // milliseconds the clock runs on without a picture before it waits

export function playing(app) {
  const { store } = app;
  let sound = null;
  let clock = null;
  let trail = []; // tracked frames that are still to be shown, in the order they came
  let way = 1; // where tracking goes: 1 forward, -1 backward
  let stepping = false;
  let round = 0; // where this time round began: one later each time, so that every frame is seen

  const time = (frame) => {
    const { times, video } = store.state;
    return times?.[frame] ?? frame / (video.rate || 25);
  };

  function frameAt(seconds) {
    const { video } = store.state;
    let [low, high] = [0, video.frames - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (time(middle) <= seconds + 1e-6) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** How many frames playing goes on by: at twice the speed every other picture is enough. */
  const stride = () => {
    const { speed = 1, video } = store.state;
    return speed > 1 ? Math.max(1, Math.round((speed * (video.rate || 25)) / SEEN)) : 1;
  };

  /** Ask for the pictures that are needed now and soon. */
  function wish() {
    const { video, view, frame, playing: isPlaying, moving } = store.state;
    if (!video || !view || !app.frames) return;
    const shown = video.height * view.scale * devicePixelRatio;
    const full = rung(video, shown);
    const small = rung(video, Math.min(720, isPlaying ? SOFT * shown : moving ? SOFTER * shown : shown));
    const list = [{ frame, height: small }];
    if (moving && !isPlaying) {
      const coming = trail.length ? trail : [frame + way];
      list.push(...coming.map((tracked) => ({ frame: tracked, height: small })));
    }
    const ahead = isPlaying ? AHEAD : moving ? 0 : 3;
    const by = isPlaying ? stride() : 1;
    for (let n = 1, next = frame + by; n <= ahead; n++, next += by) {
      if (isPlaying && store.state.loops && next >= video.frames) next = (round + 1) % by;
      list.push({ frame: next, height: small });
    }
    if (!moving) list.push({ frame: frame - 1, height: small });
    // Once the picture stands still, and only then, it is fetched as sharp as it can be seen.
    if (!moving && full > small) list.splice(1, 0, { frame, height: full });
    app.frames.want(list);
  }

  function go(frame, { byPlayer = false } = {}) {
    const { video } = store.state;
    if (!video) return;
    const to = Math.min(video.frames - 1, Math.max(0, Math.round(frame)));
    const patch = { frame: to, hover: null };
    if (!byPlayer && store.state.candidates && store.state.candidates.frame !== to) patch.candidates = null;
    if (app.frames.has(to)) patch.showing = to;
    store.set(patch);
  }

  /** Show what was tracked, frame by frame as pictures come: one that is overtaken would never be seen. */
  function follow() {
    const { follow: wanted, run } = store.state;
    if (!wanted || run?.state !== "running") trail = [];
    // What is on its way is kept: giving it up for something newer, again and again, would show nothing.
    if (trail.length > BEHIND) trail = trail.filter((_, place) => place < COMING || (trail.length - place) % 2);
    if (!trail.length || stepping) return;
    if (!app.frames.has(trail[0])) return wish();
    go(trail.shift(), { byPlayer: true });
    stepping = true;
    // On with it when this one has been drawn.
    requestAnimationFrame(() =>
      setTimeout(() => {
        stepping = false;
        if (app.frames) follow();
      }),
    );
  }

  /** Going somewhere by hand ends following the tracking. */
  function goByHand(frame) {
    pause();
    store.set({ follow: false });
    go(frame);
  }

  function pause() {
    if (!store.state.playing) return;
    cancelAnimationFrame(clock.request);
    sound?.pause();
    clock = null;
    store.set({ playing: false });
  }

  function play() {
    const { video, frame } = store.state;
    if (!video || video.frames < 2 || app.act.isGoing()) return;
    const start = frame >= video.frames - 1 ? 0 : frame;
    go(start, { byPlayer: true });
    store.set({ playing: true, follow: false, hover: null, candidates: null });
    clock = { seconds: time(start), at: performance.now(), fresh: performance.now(), request: requestAnimationFrame(tick) };
    startSound();
  }

  function tick(now) {
    if (!store.state.playing) return;
    const { frame, video } = store.state;
    const by = stride();
    const lacks = !Array.from({ length: by }, (_, n) => Math.min(frame + 1 + n, video.frames - 1)).some(app.frames.has);
    if (!lacks || now - clock.fresh <= PATIENCE) clock.seconds += ((now - clock.at) / 1000) * (store.state.speed ?? 1);
    clock.at = now;
    const target = frameAt(clock.seconds);
    let best = frame;
    for (let n = frame; n <= target; n++) if (app.frames.has(n)) best = n;
    if (best !== frame) {
      clock.fresh = now;
      go(best, { byPlayer: true });
    }
    const end = clock.seconds >= time(video.frames - 1) + 1 / (video.rate || 25);
    if (end && best + by > video.frames - 1) {
      if (!store.state.loops) return pause();
      round = (round + 1) % by;
      go(round, { byPlayer: true });
      clock.seconds = time(round);
    }
    if (target - best > 8 * by) clock.seconds = time(best + 8 * by);
    if (sound && !sound.paused && Math.abs(sound.currentTime - clock.seconds) > 0.25) sound.currentTime = clock.seconds;
    clock.request = requestAnimationFrame(tick);
  }

  function startSound() {
    const { video, habits } = store.state;
    if (!video.sound || habits.mute) return;
    if (sound?.dataset.id !== video.id) {
      sound = document.createElement("video");
      sound.dataset.id = video.id;
      sound.src = videoFile(video.id);
    }
    sound.currentTime = clock.seconds;
    sound.play().catch(() => (sound = null)); // A sound this browser cannot play: silence is no failure.
  }

  // Pictures pass by when playing and when tracking is followed: not while it is paused.
  store.watch(["playing", "follow", "run"], ({ playing: isPlaying, follow: wanted, run }) => {
    store.set({ moving: isPlaying || (wanted && run?.state === "running") });
  });
  store.watch(["frame", "view", "video", "moving"], wish);
  store.watch(["frame", "session", "playing"], () => app.sync?.ensure());

  return {
    go: goByHand,
    /** A frame was tracked; null: a picture came. */
    follow(frame = null) {
      if (frame !== null) {
        way = frame < (trail.at(-1) ?? store.state.frame) ? -1 : 1;
        trail.push(frame);
      }
      follow();
    },
    step: (by) => goByHand(store.state.frame + by),
    pausePlay: pause,
    togglePlay: () => (store.state.playing ? pause() : play()),
    timeOf: time,
    jumpPrompt(by) {
      const { session, frame, selected } = store.state;
      const frames = [...new Set((session?.prompts ?? []).filter((one) => selected === null || one.object === selected).map((one) => one.frame))].sort((a, b) => a - b);
      const next = by > 0 ? frames.find((one) => one > frame) : frames.findLast((one) => one < frame);
      if (next !== undefined) goByHand(next);
    },
    markRange(end) {
      const { mark, frame } = store.state;
      const next = { ...mark, [end]: mark[end] === frame ? null : frame };
      if (next.start !== null && next.stop !== null && next.start > next.stop) next[end === "start" ? "stop" : "start"] = null;
      store.set({ mark: next });
    },
  };
}
