// What a person says about an object on a frame. Everything goes through the outbox, so nothing is lost.

import * as api from "../net/api.js";
import { recordOf } from "../core/masks.js";
import { textOfBytes, bytesOf } from "../core/rle.js";

export function prompting(app) {
  const { store } = app;
  const round = (value) => Math.round(value * 100) / 100;
  const sid = () => store.state.session.id;

  /** The object that a new prompt is for: the selected one, or the next free number. */
  function target() {
    const { session, selected, pending } = store.state;
    if (session.sitting) return session.objects[0].id; // a task is one object
    if (selected !== null) return selected;
    return Math.max(0, ...session.objects.map((object) => object.id), ...pending.map((click) => click.object)) + 1;
  }

  function mayChange(id) {
    const object = store.state.session?.objects.find((one) => one.id === id);
    if (object?.locked) app.act.say(`${object.name} is locked: unlock it (L) to change it.`);
    return !object?.locked;
  }

  /** Send a prompt; `arrived` looks in a session for what an unanswered attempt may have done. */
  async function give(body, arrived) {
    const id = sid();
    app.act.hover(null);
    const done = async () => {
      const session = await api.session(id);
      return arrived(session) ? { preview: null, session } : null;
    };
    const answer = await app.outbox.add(() => api.prompt(id, body), { done, what: "prompt" });
    take(answer, id);
    return answer;
  }

  function take(answer, id) {
    if (!answer || store.state.session?.id !== id) return;
    const { preview, session } = answer;
    if (preview) app.book.putPreview(preview);
    app.sync.adopt(session, { known: preview ? [preview.frame] : [] });
    offer(preview);
  }

  function offer(preview) {
    if (!preview || preview.candidates.length < 2) return store.set({ candidates: null });
    const list = preview.candidates
      .map((one, candidate) => ({ candidate, iou: one.iou, record: recordOf(preview, one.mask) }))
      .sort((a, b) => a.record.area - b.record.area);
    const chosen = list.findIndex((one) => one.candidate === preview.chosen);
    store.set({ candidates: { object: preview.object, frame: preview.frame, chosen, list } });
  }

  const promptOf = (session, object, frame) => session.prompts.find((one) => one.object === object && one.frame === frame);
  const same = (a, b) => Math.abs(a[0] - b[0]) < 0.01 && Math.abs(a[1] - b[1]) < 0.01;

  let asked = null;
  let flying = null;

  async function answerHover() {
    if (flying || !asked) return;
    const { body, id } = asked;
    asked = null;
    flying = new AbortController();
    try {
      const preview = await api.preview(id, body, flying.signal);
      if (store.state.wanted) store.set({ hover: { frame: preview.frame, record: recordOf(preview) } });
    } catch {
      // A hover that fails says nothing: the click itself will tell.
    } finally {
      flying = null;
      answerHover();
    }
  }

  return {
    mayChange,
    /** Show what a click here would give; null ends it. */
    hover(point, negative = false) {
      const { session, habits, frame, selected, tool, playing, connected, candidates } = store.state;
      const on = point && session && habits.hover && connected && !playing && !app.outbox.length && !candidates && !app.running();
      const take = negative || tool === "take";
      if (!on || (take && selected === null)) {
        asked = null;
        if (store.state.hover || store.state.wanted) store.set({ hover: null, wanted: false });
        return;
      }
      store.set({ wanted: true });
      asked = { id: session.id, body: { object: target(), frame, clicks: [[round(point[0]), round(point[1]), take ? 0 : 1]] } };
      answerHover();
    },
    async click(point, positive) {
      const { frame, session, selected } = store.state;
      const object = target();
      if (!mayChange(object)) return;
      if (!positive && selected === null) return app.act.say("Select an object first: a negative click takes a part away from it.");
      if (!positive && !promptOf(session, object, frame) && !app.book.at(frame)?.get(object)) {
        return app.act.say("This object has no mask on this frame to take from. Click on the object first.");
      }
      app.act.pausePlay();
      const [x, y] = point.map(round);
      store.set({ pending: [...store.state.pending, { object, frame, x, y, positive }], selected: object, candidates: null });
      const arrived = (now) => promptOf(now, object, frame)?.clicks.some((click) => same(click, [x, y]));
      await give({ object, frame, clicks: [[x, y, positive ? 1 : 0]] }, arrived);
      store.set({ pending: store.state.pending.filter((one) => one.x !== x || one.y !== y || one.frame !== frame) });
    },
    async box(box) {
      const object = target();
      if (!mayChange(object)) return;
      const { frame } = store.state;
      const corners = box.map(round);
      store.set({ selected: object, candidates: null });
      await give({ object, frame, box: corners }, (now) => {
        const given = promptOf(now, object, frame)?.box;
        return given && same(given, corners);
      });
      store.set({ tool: "add" });
    },
    async paintMask(runs) {
      const { frame, video } = store.state;
      const object = target();
      store.set({ selected: object, candidates: null });
      const mask = { size: [video.height, video.width], counts: textOfBytes(bytesOf(runs)) };
      // A mask stands for all it was before: sent twice it says the same.
      await give({ object, frame, mask, replace: true }, () => false);
    },
    moveClick({ object, place, x, y }) {
      changeClicks(object, (clicks) => clicks.map((click, n) => (n === place ? [round(x), round(y), click[2]] : click)));
    },
    removeClick({ object, place }) {
      changeClicks(object, (clicks) => clicks.filter((_, n) => n !== place));
    },
    /** Take the candidate at a place of the choice, whose smallest comes first. */
    async choose(place) {
      const { candidates } = store.state;
      if (!candidates || place >= candidates.list.length) return;
      const { object, frame } = candidates;
      store.set({ candidates: { ...candidates, chosen: place } });
      const { candidate, record } = candidates.list[place];
      app.book.put({ frame, records: [record] }, { whole: false });
      const id = sid();
      const answer = await app.outbox.add(() => api.choose(id, { object, frame, candidate }), { what: "choice" });
      if (answer) app.sync.adopt(answer.session, { known: [frame] });
    },
    settle: () => store.set({ candidates: null }),
    pin: () => onSelected((object, frame, id) => api.pin(id, { object, frame }), "Select an object to fix its mask here."),
    clearHere: () => onSelected((object, frame, id) => api.clear(id, { object, frame }), "Select an object to clear its prompts here."),
    /** Say that the object is not to be seen on this frame. */
    absent: () =>
      onSelected((object, frame, id) => {
        const { video } = store.state;
        const mask = { size: [video.height, video.width], counts: textOfBytes(bytesOf([video.width * video.height])) };
        return api.prompt(id, { object, frame, mask, replace: true });
      }, "Select the object that is not to be seen here."),
    async importMasks(file, object = null) {
      const id = sid();
      const { frame } = store.state;
      const answer = await app.outbox.add(() => api.importMasks(id, frame, object, file), { what: "import" });
      take(answer, id);
      if (answer) app.act.say(`Masks of ${file.name} are on frame ${frame}.`, "good");
    },
    takeAnswer: take,
  };

  async function changeClicks(object, change) {
    const { session, frame } = store.state;
    const given = promptOf(session, object, frame);
    if (!given || !mayChange(object)) return;
    const clicks = change(given.clicks);
    const id = sid();
    if (!clicks.length && !given.box) {
      take(await app.outbox.add(() => api.clear(id, { object, frame }), { what: "prompt" }), id);
    } else {
      await give({ object, frame, clicks, box: given.box, replace: true }, () => false);
    }
  }

  async function onSelected(send, otherwise) {
    const { selected, frame } = store.state;
    if (selected === null) return app.act.say(otherwise);
    if (!mayChange(selected)) return;
    const id = sid();
    take(await app.outbox.add(() => send(selected, frame, id), { what: "prompt" }), id);
  }
}
