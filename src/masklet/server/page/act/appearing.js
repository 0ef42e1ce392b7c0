// Effects and the look of the masks: seen at once; the server keeps them with the work.

import * as api from "../net/api.js";

const SETTLE = 300; // milliseconds a slider rests before its drag is sent, as one step

const NONE = { kind: "none", strength: 0.5 };

/** What a work has that nothing was chosen for, until the server says what it is. */
export const plain = { effects: { object: NONE, background: NONE, objects: {} }, look: { opacity: 0.45, outline: true } };

const SENDS = { effects: api.setEffects, look: (sid, look, keepalive) => api.changeSession(sid, { look }, keepalive) };

export function appearing(app) {
  const { store } = app;
  const drafts = new Map(); // what was chosen and is not on its way yet
  const under = { effects: 0, look: 0 }; // on its way
  let timer = 0;
  let chosen = null; // the look that this person chose last

  function choose(what, value, wait) {
    drafts.set(what, value);
    store.set({ [what]: value });
    clearTimeout(timer);
    if (wait) timer = setTimeout(keep, SETTLE);
    else keep();
  }

  /** Send what was chosen; resolves when the server has it. */
  function keep(keepalive = false) {
    clearTimeout(timer);
    const { session } = store.state;
    const values = [...drafts];
    drafts.clear();
    return Promise.all(session ? values.map(([what, value]) => send(session.id, what, value, keepalive === true)) : []);
  }

  async function send(sid, what, value, keepalive) {
    under[what]++;
    const answer = await app.outbox.add(() => SENDS[what](sid, value, keepalive), { what });
    under[what]--;
    const session = answer ?? (await api.session(sid).catch(() => null)); // refused: what the server has is shown
    if (store.state.session?.id !== sid) return;
    app.sync.adopt(session);
    app.act.showAppearance(store.state.session); // a newer one may be here already
  }

  addEventListener("pagehide", () => keep(true));

  return {
    keepAppearance: keep,
    /** Whether a step is here that the session does not count yet. */
    hasDraft: () => drafts.has("effects") || under.effects > 0,
    /** Show what a session says, except for what was changed here and is not there yet. */
    showAppearance(session) {
      const news = ["effects", "look"].filter((what) => !drafts.has(what) && !under[what] && !same(store.state[what], session[what]));
      store.set(Object.fromEntries(news.map((what) => [what, session[what]])));
    },
    /** Work that nobody has begun is shown as the person who opens it likes it. */
    bringLook(session) {
      if (chosen && session.revision === 0 && !same(chosen, session.look)) choose("look", chosen, false);
    },
    /** Change the effects. `drag`: more of it may come, and all of it is one step. */
    setEffects(effects, { drag = false } = {}) {
      store.set({ result: true });
      choose("effects", effects, drag);
    },
    setLook(patch) {
      chosen = { ...store.state.look, ...patch };
      choose("look", chosen, true);
    },
  };
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
