// The reviewer's desk: a masklet with its video, played and painted by the studio's own parts.
// It has a state of its own, in the studio's words, so that these parts serve both.

import { playing } from "../act/playing.js";
import { doubtsOf, nextDoubt } from "../core/doubt.js";
import { createMaskBook } from "../core/masks.js";
import { createStore } from "../core/store.js";
import { times } from "../net/api.js";
import { createFrames } from "../stage/frames.js";
import { makeReviewCommands } from "./commands.js";
import { createMasks } from "./masks.js";
import { reviewing } from "./reviewing.js";

export const MASK = "#ff3f9e"; // a colour that few things have
const NO_EFFECT = { kind: "none", strength: 0.5 };

/** How the mask is shown; the object as it is, all else dark, shows best what a tint would hide. */
export const LOOKS = {
  tint: { label: "Tint", opacity: 0.42, outline: true },
  spot: { label: "Cut out", result: true },
  line: { label: "Outline", opacity: 0, outline: true },
  none: { label: "Picture", hidden: true },
};

export const nothingOpen = {
  video: null, session: null, times: null, frame: 0, showing: null, frameProblem: null, playing: false, moving: false,
  doubts: new Map(), candidates: null, selected: null,
};

export function createDesk(app) {
  const store = createStore({
    ...nothingOpen, view: null, speed: 2, loops: true, follow: false, run: null, result: false, hover: null, cross: null, box: null,
    pending: [], dragged: null, mark: { start: null, stop: null }, look: { opacity: 0.42, outline: true }, habits: { mute: true },
    effects: { object: NO_EFFECT, background: { kind: "spotlight", strength: 0.75 }, objects: {} },
    // Of the review itself.
    state: "idle", task: null, waiting: 0, judged: 0, message: null, shows: "tint", second: false, choosing: null, reasons: [], words: "",
  });
  const desk = { store, act: { isGoing: () => false }, book: null, frames: null, masks: null, redraw() {}, redrawLanes() {} };
  desk.sync = { ensure: () => desk.masks?.ensure(store.state.frame) };
  Object.assign(desk.act, playing(desk), reviewing(app, desk));

  /** Put a claimed task on the desk, and play it. */
  desk.open = (key, task) => {
    desk.close();
    const { masklet, video } = task;
    const own = { id: masklet.number, name: masklet.category, colour: MASK, hidden: LOOKS[store.state.shows].hidden ?? false };
    desk.book = createMaskBook(video);
    desk.book.on(() => {
      const lane = desk.book.lanes.get(own.id);
      const prompted = lane ? [...lane.prompted.keys()].filter((frame) => lane.prompted[frame]) : [];
      const { session } = store.state;
      store.set({
        session: { ...session, prompts: prompted.map((frame) => ({ object: own.id, frame, clicks: [], box: null })) },
        doubts: new Map(lane ? [[own.id, doubtsOf(lane)]] : []),
      });
    });
    desk.frames = createFrames(video, {
      onFrame(frame) {
        store.set(frame === store.state.frame ? { showing: frame, frameProblem: null } : { frameProblem: null });
        if (frame === store.state.frame) desk.redraw();
      },
      onLost: (error) => store.set({ frameProblem: error.code ? error.message : "The server does not answer; pictures come when it does." }),
    });
    desk.masks = createMasks(key, masklet.id, { book: desk.book, video }, app.act.complain);
    store.set({ ...nothingOpen, task, video, session: { objects: [own], prompts: [], outdated: [] }, selected: own.id });
    desk.masks.scores();
    desk.masks.ensure(0);
    desk.fit?.();
    // A folder of pictures has no times of its own.
    times(video.id).then(({ times: seconds }) => store.state.video === video && seconds.at(-1) > 0 && store.set({ times: seconds }), () => {});
    desk.act.togglePlay();
  };

  desk.close = () => {
    desk.act.pausePlay();
    desk.masks?.close();
    desk.frames?.close();
    desk.book = desk.frames = desk.masks = null;
    store.set({ ...nothingOpen, task: null });
  };

  Object.assign(desk.act, {
    show(shows) {
      const { hidden = false, result = false, opacity = 0, outline = false } = LOOKS[shows];
      const { session } = store.state;
      store.set({
        shows, result, look: { opacity, outline },
        session: session && { ...session, objects: session.objects.map((one) => ({ ...one, hidden })) },
      });
    },
    nextLook: () => desk.act.show(Object.keys(LOOKS)[(Object.keys(LOOKS).indexOf(store.state.shows) + 1) % 4]),
    speed: (speed) => store.set({ speed }),
    doubt(backwards = false) {
      const place = nextDoubt(store.state.doubts, store.state.frame, backwards);
      if (!place) return app.act.say("The model doubts no frame of this one.");
      desk.act.go(place.frame);
      app.act.announce(`Frame ${place.frame}: ${place.why}`);
    },
  });
  desk.commands = makeReviewCommands(app, desk);
  return desk;
}
