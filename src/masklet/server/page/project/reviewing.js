// The way of a review: claim, look, judge, next. The task is held while somebody is at work on it.

import * as api from "../net/api.js";
import { count } from "../core/words.js";
import { createAttention } from "./attention.js";

const SIGN = 60_000; // milliseconds between signs of life
const AWAY = 900; // seconds without a key or a move after which nobody is at work
const AGAIN = 1500;

export function reviewing(app, desk) {
  const { store } = desk;
  const attention = createAttention();
  let sign = 0;
  let turn = 0; // what was asked for in an earlier turn comes too late

  const who = () => ({ key: app.store.state.project.key, person: app.store.state.person });
  const fresh = { choosing: null, reasons: [], words: "", message: null };

  /** Claim the next task, or a certain one, and put it on the desk. */
  async function next(masklet = null) {
    const { key, person } = who();
    const mine = ++turn;
    store.set({ state: "claiming", message: null });
    try {
      const { task, waiting } = await api.claimTask(key, { person, second: store.state.second, masklet });
      if (mine !== turn) return task && api.releaseTask(key, task.masklet.id, person).catch(() => {});
      if (!task) return finished(key);
      desk.open(key, task);
      attention.begin();
      store.set({ ...fresh, state: "open", waiting });
      const about = `${task.masklet.category}, object ${task.masklet.number} of ${task.masklet.video}`;
      app.act.announce(`Reviewing ${about}`);
    } catch (error) {
      if (mine !== turn) return;
      if (error.code === "token") return app.store.set({ phase: "gate" });
      store.set({ state: error.offline ? "offline" : "refused", message: error.message });
      if (error.offline) setTimeout(() => mine === turn && next(masklet), AGAIN);
    }
  }

  function finished(key) {
    const { judged, second } = store.state;
    const none = second ? "No second opinion is wanted now." : judged ? "Nothing else waits." : "Nothing waits for you to review.";
    app.act.openProject(key, judged ? `${none} You judged ${count(judged, "masklet")}.` : none);
  }

  /** Let go of the task: somebody else may have it. */
  function giveBack() {
    const { task, state } = store.state;
    if (!task || state === "sending" || state === "lost") return;
    const { key, person } = who();
    api.releaseTask(key, task.masklet.id, person).catch(() => {}); // Then it is given back when its lease runs out.
  }

  async function stillMine() {
    const { task, state } = store.state;
    if (!task || state !== "open" || attention.idle() > AWAY) return;
    const { key, person } = who();
    const mine = turn;
    try {
      await api.renewTask(key, task.masklet.id, person);
    } catch (error) {
      if (mine === turn && error.code === "project" && !(await takenUp(task))) lost(error.message);
    }
  }

  /** Whether a task that is not held any more could be claimed again. */
  async function takenUp(task) {
    const { key, person } = who();
    try {
      const again = await api.claimTask(key, { person, second: store.state.second, masklet: task.masklet.id });
      return again.task !== null && again.task.masklet.rounds === task.masklet.rounds;
    } catch {
      return false;
    }
  }

  function lost(message) {
    desk.act.pausePlay();
    store.set({ state: "lost", message });
  }

  async function judge(verdict) {
    const { task, state, showing, reasons, words } = store.state;
    if (state !== "open" || showing === null) return; // nobody judges what they have not seen
    const { key, person } = who();
    const given = verdict === "satisfactory" ? [] : reasons;
    const body = { person, verdict, reasons: given, words: verdict === "satisfactory" ? "" : words, seconds: Math.round(10 * attention.seconds()) / 10 };
    const mine = turn;
    store.set({ state: "sending", message: null });
    // Without an answer it waits in the outbox and is sent again; the server counts it once.
    const send = () => api.judge(key, task.masklet.id, body).catch((error) => (error.code === "project" ? { refused: error.message } : Promise.reject(error)));
    let answer = await app.outbox.add(send, { what: "verdict" });
    if (answer?.refused && (await takenUp(task))) answer = await app.outbox.add(send, { what: "verdict" });
    if (mine !== turn) return;
    if (!answer) return store.set({ state: "open" }); // it was told why
    if (answer.refused) return lost(answer.refused);
    store.set({ judged: store.state.judged + 1 });
    app.act.announce(verdict);
    next();
  }

  for (const kind of ["keydown", "pointerdown", "pointermove", "wheel"]) {
    addEventListener(kind, () => store.state.task && attention.note(), { passive: true, capture: true });
  }
  addEventListener("pagehide", giveBack);
  addEventListener("pageshow", (event) => event.persisted && store.state.task && next(store.state.task.masklet.id));

  return {
    begin(second = false) {
      clearInterval(sign);
      sign = setInterval(stillMine, SIGN);
      store.set({ ...fresh, judged: 0, second });
      next();
    },
    leave() {
      if (store.state.state === "idle") return;
      turn++;
      clearInterval(sign);
      giveBack();
      desk.close();
      store.set({ ...fresh, state: "idle" });
    },
    next: () => next(),
    backToProject: () => app.act.openProject(who().key, store.state.judged ? `You judged ${count(store.state.judged, "masklet")}.` : null),
    judge,
    /** Begin to say why, or with null leave it. */
    choose(verdict) {
      if (store.state.state !== "open") return;
      store.set({ choosing: verdict === store.state.choosing ? null : verdict, message: null });
    },
    reason(place) {
      const name = Object.keys(app.store.state.project.reasons)[place];
      if (!name) return;
      const { reasons } = store.state;
      store.set({ reasons: reasons.includes(name) ? reasons.filter((one) => one !== name) : [...reasons, name], message: null });
    },
    send() {
      const { choosing, reasons } = store.state;
      if (!reasons.length) return store.set({ message: "Choose at least one reason." });
      judge(choosing);
    },
    toggleSecond() {
      if (store.state.state === "sending") return;
      giveBack();
      store.set({ second: !store.state.second, task: null });
      app.act.announce(store.state.second ? "Second opinions" : "First verdicts");
      next();
    },
  };
}
