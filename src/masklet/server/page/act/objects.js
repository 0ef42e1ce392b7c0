// Objects: selecting, naming, colouring, hiding, locking, deleting; undo and redo of everything, which the server keeps.

import * as api from "../net/api.js";

const ALONE = "This task is one object; another one is a task of its own, made on the project's page.";

export function objects(app) {
  const { store } = app;
  const sid = () => store.state.session.id;

  async function change(object, patch) {
    const { session } = store.state;
    // The page shows it at once; the server's answer is the truth.
    store.set({ session: { ...session, objects: session.objects.map((one) => (one.id === object ? { ...one, ...patch } : one)) } });
    const id = sid();
    const answer = await app.outbox.add(() => api.changeObject(id, object, patch), { what: "object" });
    if (answer) app.sync.adopt(answer);
    else app.sync.adopt(await api.session(id).catch(() => null));
  }

  const chosen = () => store.state.session?.objects.find((object) => object.id === store.state.selected);

  async function step(verb) {
    const id = sid();
    store.set({ candidates: null });
    app.act.keepAppearance(); // it comes first, and is the step that is meant
    const answer = await app.outbox.add(() => api[verb](id), { what: verb });
    app.act.takeAnswer(answer, id);
  }

  return {
    select(object) {
      store.set({ selected: object, candidates: store.state.candidates?.object === object ? store.state.candidates : null });
    },
    newObject() {
      if (store.state.session?.sitting) return app.act.say(ALONE);
      store.set({ selected: null, candidates: null, tool: store.state.tool === "box" ? "box" : "add" });
      app.act.announce("New object: click it on the picture");
    },
    nextObject(by) {
      const list = store.state.session?.objects ?? [];
      const place = list.findIndex((object) => object.id === store.state.selected);
      if (list.length) app.act.select(list[(place + by + list.length + (place < 0 && by < 0)) % list.length].id);
    },
    changeObject: change,
    hideSelected: () => chosen() && change(chosen().id, { hidden: !chosen().hidden }),
    lockSelected: () => chosen() && change(chosen().id, { locked: !chosen().locked }),
    async removeObject(object = store.state.selected) {
      if (object === null || !app.act.mayChange(object)) return;
      if (store.state.session.sitting) return app.act.say(ALONE);
      app.act.keepAppearance(); // it may speak of this object
      const name = store.state.session.objects.find((one) => one.id === object)?.name;
      const id = sid();
      const answer = await app.outbox.add(() => api.deleteObject(id, object), {
        what: "object",
        done: async () => {
          const session = await api.session(id);
          return session.objects.some((one) => one.id === object) ? null : session;
        },
      });
      if (!answer) return;
      app.sync.adopt(answer);
      // Undo takes back what came last: it is offered while that is the deletion, and no other step is on its way.
      const holds = ({ session, waiting }) => session?.id === id && session.revision === answer.revision && !waiting;
      app.act.say(`${name} is deleted.`, "", { label: "Undo", run: () => app.act.undo(), holds });
    },
    undo() {
      if (store.state.session?.undo || app.act.hasDraft()) return step("undo");
    },
    redo() {
      if (store.state.session?.redo) return step("redo");
    },
  };
}
