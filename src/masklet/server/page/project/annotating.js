// The way of an annotation: claim, draw in the studio, hand in, next. The session is the working copy.

import * as api from "../net/api.js";
import { dropSpent, loadPerson, loadSpent, saveSpent } from "../act/remember.js";
import { count } from "../core/words.js";
import { createAttention } from "./attention.js";

const SIGN = 60_000; // milliseconds between signs of life
const AWAY = 900; // seconds without a key or a move after which nobody is at work
const AGAIN = 1500;
const SURE = 8000; // milliseconds in which asking again means that somebody is sure

export function annotating(app) {
  const { store } = app;
  const attention = createAttention();
  const handedIn = new Set(); // sessions that went because their round is in the project
  let claimed = null; // a task whose session is being opened
  let sign = 0;
  let asked = 0;
  let busy = false;
  let done = 0; // handed in since somebody began

  const change = (patch) => store.state.sitting && store.set({ sitting: { ...store.state.sitting, ...patch } });
  const spent = () => Math.round(10 * attention.seconds()) / 10;

  /** Claim the next task, or take what `claim` gives, and open its session. */
  async function next(key, person, claim = () => api.claimTask(key, { person, duty: "annotate" })) {
    const from = store.state.session?.id;
    busy = true;
    try {
      const { task } = await claim();
      if (!task) return await finished(key);
      await open(task);
    } catch (error) {
      if (error.code === "token") return store.set({ phase: "gate" });
      // What was handed in is safe; the next one comes when the server does.
      if (error.offline && from) return setTimeout(() => store.state.session?.id === from && next(key, person, claim), AGAIN);
      if (store.state.phase !== "project") await app.act.openProject(key);
      app.act.complain(error);
    } finally {
      busy = false;
    }
  }

  function open(task) {
    if (store.state.phase === "project") store.set({ notice: `Opening object ${task.masklet.number} of ${task.masklet.video}` });
    claimed = { task, project: store.state.project?.name ?? store.state.sitting?.project ?? null };
    return app.act.enterFromHere(task.session);
  }

  function finished(key) {
    const drawn = done ? ` You handed in ${count(done, "masklet")}.` : "";
    const none = done ? "Nothing else waits." : "Nothing waits for you to annotate.";
    done = 0;
    return app.act.openProject(key, none + drawn);
  }

  /** A session is open: if it is drawn for a project, take its task up again. */
  async function arrive(session) {
    const { sitting } = session;
    if (!sitting) return store.set({ sitting: null });
    const { project: key, masklet, person } = sitting;
    attention.begin(loadSpent(session.id));
    clearInterval(sign);
    sign = setInterval(stillMine, SIGN);
    asked = 0;
    const { task: known = null, project = null } = claimed?.task.session === session.id ? claimed : {};
    claimed = null;
    store.set({ sitting: { state: known ? "open" : "claiming", key, masklet, person, sid: session.id, task: known, present: null, message: null, project } });
    if (known) app.act.announce(`Annotating ${known.masklet.category}, object ${known.masklet.number} of ${known.masklet.video}`);
    const here = () => store.state.sitting?.sid === session.id;
    if (!project) {
      api.projects().then(({ projects }) => here() && change({ project: projects.find((one) => one.key === key)?.name ?? "A project" }), () => {});
    }
    if (!known) await resume(session.id);
  }

  /** Hold the task of a session that was opened again. */
  async function resume(sid) {
    const { key, masklet, person } = store.state.sitting;
    const here = () => store.state.sitting?.sid === sid;
    const me = loadPerson(key);
    if (me && me !== person) return change({ state: "lost", message: `this is ${person}'s work, and you are ${me}` });
    try {
      const { task } = await api.claimTask(key, { person, duty: "annotate", masklet });
      if (!here()) return;
      if (task.session === sid) change({ state: "open", task, present: null, message: null });
      else change({ state: "lost", present: task, message: `masklet ${masklet} was changed by somebody since this was drawn` });
    } catch (error) {
      if (!here()) return;
      if (error.offline) return setTimeout(() => here() && resume(sid), AGAIN);
      change({ state: "lost", message: error.message });
    }
  }

  async function stillMine() {
    const { sitting } = store.state;
    if (sitting?.state !== "open" || attention.idle() > AWAY) return;
    saveSpent(sitting.sid, spent());
    try {
      await api.renewTask(sitting.key, sitting.masklet, sitting.person, "annotate");
    } catch (error) {
      if (error.code === "project" && store.state.sitting?.state === "open") await resume(sitting.sid);
    }
  }

  /** Leave the session; the task stays held for a while, and what was drawn stays for longer. */
  function leave() {
    clearInterval(sign);
    const { sitting } = store.state;
    if (!sitting) return;
    if (!handedIn.has(sitting.sid)) saveSpent(sitting.sid, spent());
    store.set({ sitting: null });
  }

  /** Why it can't be handed in now; null when it can. */
  function hindrance() {
    const { session, video } = store.state;
    if (app.act.isGoing()) return "Tracking is going on: wait until it is done, or cancel it (Esc).";
    if (!session.covered.length) return "There is no mask yet: click on the object first.";
    if (video.frames > 1 && session.outdated.length && Date.now() - asked > SURE) {
      asked = Date.now();
      return "Masks of other frames are older than your last click: track (T), or submit once more.";
    }
    return null;
  }

  async function submit() {
    const { sitting } = store.state;
    if (sitting?.state !== "open") return;
    const why = app.outbox.length ? null : hindrance();
    if (why) return app.act.say(why);
    const { key, masklet, person, sid } = sitting;
    const body = { person, session: sid, seconds: spent() };
    change({ state: "sending", message: null });
    handedIn.add(sid); // the session goes as soon as the round is in
    // Without an answer it waits in the outbox and is sent again; the server counts it once.
    const send = () => api.submitTask(key, masklet, body).catch((error) => (error.code === "project" ? { refused: error.message } : Promise.reject(error)));
    let answer = await app.outbox.add(send, { what: "submit" });
    if (answer?.refused && (await isStillMine(sitting))) answer = await app.outbox.add(send, { what: "submit" });
    if (!answer || answer.refused) {
      handedIn.delete(sid);
      if (store.state.sitting?.sid === sid) change(answer ? { state: "lost", message: answer.refused } : { state: "open" }); // else it was told why
      return;
    }
    dropSpent(sid);
    done++;
    app.act.announce("Submitted");
    if (store.state.sitting?.sid === sid) next(key, person);
  }

  /** Whether a task that is not held any more could be claimed again, for the same session. */
  async function isStillMine({ key, masklet, person, sid }) {
    try {
      const { task } = await api.claimTask(key, { person, duty: "annotate", masklet });
      return task?.session === sid;
    } catch {
      return false;
    }
  }

  const attend = () => {
    if (store.state.sitting?.state !== "open") return;
    // Waiting for the model is no work of the person.
    if (app.act.isGoing()) attention.skip();
    else attention.note();
  };
  for (const kind of ["keydown", "pointerdown", "pointermove", "wheel"]) addEventListener(kind, attend, { passive: true, capture: true });
  store.watch(["run"], () => attention.skip());
  addEventListener("pagehide", () => store.state.sitting && !handedIn.has(store.state.sitting.sid) && saveSpent(store.state.sitting.sid, spent()));

  return {
    annotate() {
      if (busy) return;
      const { project, person } = store.state;
      done = 0;
      return next(project.key, person);
    },
    /** A new masklet of a video of the project. */
    annotateNew(video) {
      if (busy) return;
      const { project, person } = store.state;
      done = 0;
      return next(project.key, person, () => api.addMasklet(project.key, person, video));
    },
    /** Go to the present state of a masklet that somebody changed. */
    takeUp: () => open(store.state.sitting.present).catch(app.act.complain),
    holdAgain: () => resume(store.state.sitting.sid),
    arriveAtSitting: arrive,
    leaveSitting: leave,
    isHandedIn: (sid) => handedIn.has(sid),
    submit,
    async giveBack() {
      const { sitting } = store.state;
      if (!sitting || sitting.state === "sending") return;
      const { key, masklet, person, sid } = sitting;
      const drawn = store.state.session.revision > 0;
      handedIn.add(sid); // where nothing was drawn the session goes
      await app.outbox.add(() => api.releaseTask(key, masklet, person), { what: "task" });
      if (store.state.sitting?.sid === sid) await app.act.openProject(key, drawn ? "Given back. What you drew waits for you until somebody goes on with it." : "Given back.");
      handedIn.delete(sid);
    },
    backToProject: () => app.act.openProject(store.state.sitting.key),
  };
}
