// Tracking: starting it in a direction or range, pausing, going on, cancelling, and following it by eye.

import * as api from "../net/api.js";
import { nextDoubt } from "../core/doubt.js";

const GOING = new Set(["queued", "running", "paused"]);

/** A short run's end may arrive by the socket before the answer that says it has begun: an end is final. */
export const isNews = (before, run) =>
  !before || !run || run.id > before.id || (run.id === before.id && (GOING.has(before.state) || !GOING.has(run.state)));

export function tracking(app) {
  const { store } = app;

  async function steer(verb) {
    const { session } = store.state;
    try {
      app.act.onRun(await api.steer(session.id, verb));
    } catch (error) {
      app.act.complain(error);
    }
  }

  return {
    isGoing: () => GOING.has(store.state.run?.state),
    async track(direction, range = {}) {
      const { session, frame, video } = store.state;
      if (!video || video.frames < 2) return;
      if (!session?.prompts.length) return app.act.say("Select something first: click an object on the picture.");
      if (app.act.isGoing()) return app.act.say("Tracking is going on; cancel it first (Esc).");
      app.act.pausePlay();
      store.set({ follow: true, candidates: null, hover: null, trackedFrom: frame });
      try {
        app.act.announce("Tracking has begun");
        app.act.onRun(await api.track(session.id, { direction, ...range }));
      } catch (error) {
        app.act.complain(error);
      }
    },
    /** Recompute from here on, after a correction. */
    trackOn: () => app.act.track("forward", { start: store.state.frame }),
    trackRange() {
      const { mark } = store.state;
      if (mark.start === null && mark.stop === null) return app.act.say("Mark a range first: I where it starts, O where it ends.");
      app.act.track("both", { start: mark.start ?? undefined, stop: mark.stop === null ? undefined : mark.stop + 1 });
    },
    pauseRun: () => steer("pause"),
    resumeRun: () => steer("resume"),
    cancelRun: () => app.act.isGoing() && steer("cancel"),
    toggleRun() {
      const state = store.state.run?.state;
      if (state === "paused") steer("resume");
      else if (state === "running" || state === "queued") steer("pause");
      else app.act.track("both");
    },
    onRun(run) {
      const before = store.state.run;
      if (!isNews(before, run)) return;
      store.set({ run });
      if (!GOING.has(before?.state) || GOING.has(run?.state)) return;
      if (run?.state === "done") {
        app.act.announce(`Tracking is done: ${run.done} frames`);
        // Back to where tracking was started, which is where the person was at work.
        if (store.state.follow && store.state.trackedFrom !== null) app.act.go(store.state.trackedFrom);
      } else if (run?.state === "failed") app.act.say(run.message ?? "Tracking failed.", "bad");
      else if (run?.state === "stopped" && run.message) app.act.say(run.message);
      store.set({ follow: false, trackedFrom: null });
    },
    doubt(backwards) {
      const { doubts, frame, session } = store.state;
      const shown = [...doubts].filter(([object]) => session?.objects.some((one) => one.id === object && !one.hidden));
      const place = nextDoubt(shown, frame, backwards);
      if (!place) return app.act.say("No frame is doubtful: scores and areas run smoothly.", "good");
      const object = session.objects.find((one) => one.id === place.object);
      app.act.select(place.object);
      app.act.go(place.frame);
      app.act.say(`Frame ${place.frame}: ${place.why} of ${object.name}.`.replace("dips of", "dips for"));
    },
  };
}
