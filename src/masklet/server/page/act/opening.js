// Opening: a file, something of the gallery, earlier work; and leaving it.

import * as api from "../net/api.js";
import { createFrames } from "../stage/frames.js";
import { createMaskBook } from "../core/masks.js";
import { openStream } from "../net/stream.js";
import { plain } from "./appearing.js";

export function opening(app) {
  const { store } = app;
  let closeStream = null;
  let stop = null;

  /** What goes wrong is told under the name of what was to be opened. */
  async function guarded(name, work) {
    stop = new AbortController();
    store.set({ phase: "home", opening: { what: `Opening ${name}`, progress: null }, problem: null });
    try {
      await work(stop.signal);
    } catch (error) {
      if (error.name !== "AbortError") store.set({ problem: error.message.includes(name) ? error.message : `${name}: ${error.message}` });
    } finally {
      store.set({ opening: null });
    }
  }

  const start = async (video) => enter((await api.createSession(video.id, video.name)).id);

  async function enter(sid) {
    const session = await api.session(sid);
    leave();
    app.act.leaveProject();
    const { video } = session;
    app.frames = createFrames(video, {
      onFrame(frame) {
        if (frame === store.state.frame) store.set({ showing: frame });
        store.set({ frameProblem: null });
        app.act.follow();
        if (frame === store.state.frame) app.redraw();
      },
      onLost: (error) => store.set({ frameProblem: error.code ? error.message : null }),
    });
    app.book = createMaskBook(video);
    app.book.on((frame) => {
      app.sync.findDoubts();
      app.redrawLanes?.();
      app.redrawThumbnails?.();
      // Masks of a frame that is not on the stage change nothing there; each drawing costs a slow machine dearly.
      if (frame === null || frame === store.state.frame || frame === store.state.showing) app.redraw();
    });
    const first = Math.min(...session.prompts.map((prompt) => prompt.frame), Infinity);
    store.set({
      phase: "open", video, session: null, times: null, frame: Number.isFinite(first) ? first : 0, showing: null, selected: null,
      candidates: null, hover: null, pending: [], run: null, doubts: new Map(), mark: { start: null, stop: null },
      ...plain, result: false, tool: "add", follow: false, cross: null, exports: [],
      connected: true, frameProblem: null,
    });
    location.hash = `s/${sid}`;
    document.title = `${session.name} – masklet`;
    app.sync.adopt(session);
    app.act.bringLook(session);
    if (session.objects.length) store.set({ selected: session.objects[0].id });
    app.act.arriveAtSitting(session);
    requestAnimationFrame(() => app.view.fit());
    api.times(video.id).then(({ times }) => store.state.video?.id === video.id && store.set({ times }), () => {});
    api.exports(sid).then(({ exports }) => store.state.session?.id === sid && store.set({ exports }), () => {});
    closeStream = openStream(sid, events(sid));
  }

  function events(sid) {
    let first = true;
    return {
      state: (connected) => store.set({ connected }),
      session(session, hello) {
        // After a lost connection everything may have changed: take it all anew.
        if (hello) app.sync.adopt(session, { all: !first });
        else app.sync.news(session);
        if (hello) {
          first = false;
          app.outbox.retry();
        }
      },
      masks(message) {
        app.book.put(message);
        const { follow, run } = store.state;
        if (follow && run?.state === "running") app.act.follow(message.frame);
      },
      run: (run) => app.act.onRun(run),
      export(job) {
        const others = store.state.exports.filter((one) => one.id !== job.id);
        const here = job.state === "cancelled" ? [] : [job]; // whoever cancels it wants to see no more of it
        store.set({ exports: [...here, ...others].sort((a, b) => Number(b.id) - Number(a.id) || 0) });
      },
      gone(reason) {
        if (app.act.isHandedIn(sid)) return; // what comes next is on its way
        if (reason === "token") return store.set({ phase: "gate" });
        home();
        store.set({ problem: reason });
      },
    };
  }

  function leave() {
    app.act.keepAppearance();
    app.act.leaveSitting?.();
    closeStream?.();
    closeStream = null;
    app.act.pausePlay?.();
    app.frames?.close();
    app.frames = null;
    app.book = null;
    store.set({ video: null, session: null, view: null });
  }

  async function home() {
    leave();
    app.act.leaveProject();
    history.replaceState(null, "", location.pathname);
    document.title = "masklet";
    document.getElementById("home").scrollTop = 0;
    store.set({ phase: "home", problem: null });
    try {
      const [{ sessions }, { videos }, { items }, { projects }] = await Promise.all([api.sessions(), api.videos(), api.gallery(), api.projects()]);
      const known = new Map(videos.map((video) => [video.id, video]));
      store.set({ sessions: sessions.map((one) => ({ ...one, video: known.get(one.video) })).filter((one) => one.video), gallery: items, projects });
    } catch (error) {
      failed(error);
    }
  }

  function failed(error) {
    if (error.code === "token") store.set({ phase: "gate" });
    else store.set({ phase: "home", problem: error.message });
  }

  // Links within the page ("skip to the picture") change the address too, and lead nowhere else.
  addEventListener("hashchange", () => store.state.info && /^(#[sp]\/.*)?$/.test(location.hash) && arrive());

  return {
    home,
    leaveWork: leave,
    enter: (sid) => guarded("your work", () => enter(sid)),
    /** The same for a page that is somewhere already: what goes wrong is for the caller to tell. */
    enterFromHere: enter,
    openGallery: (key, name) => guarded(name, async () => start(await api.openGallery(key))),
    cancelOpening: () => stop?.abort(),
    async openFile(file) {
      if (/\.masklet$/i.test(file.name)) return restore(file);
      await guarded(file.name, async (signal) => {
        const video = await api.upload(file, (progress) => store.set({ opening: { what: `Opening ${file.name}`, progress } }), signal);
        await start(video);
      });
    },
    async forget(sid) {
      try {
        await api.deleteSession(sid);
        store.set({ sessions: store.state.sessions.filter((one) => one.id !== sid) });
      } catch (error) {
        app.act.complain(error);
      }
    },
    async rename(name) {
      const { session } = store.state;
      const wanted = name.trim();
      if (!wanted || wanted === session.name) return;
      const answer = await app.outbox.add(() => api.changeSession(session.id, { name: wanted }), { what: "name" });
      if (answer) app.sync.adopt(answer);
    },
    /** The first screen: the work named in the address, or the start. */
    async begin() {
      try {
        store.set({ info: await api.info() });
      } catch (error) {
        if (error.offline) {
          store.set({ phase: "home", problem: "The server does not answer yet; this page tries again." });
          return setTimeout(app.act.begin, 1500);
        }
        return failed(error);
      }
      learnModel();
      await arrive();
    },
  };

  /** The model may still be opened when the page is. */
  async function learnModel() {
    if (store.state.info.model) return;
    const info = await api.info().catch(() => null);
    if (info?.model) store.set({ info });
    else setTimeout(learnModel, 2000);
  }

  /** Go where the address says. */
  async function arrive() {
    if (await app.act.arriveAtProject(location.hash)) return;
    const sid = location.hash.match(/^#s\/([\w-]+)$/)?.[1];
    if (!sid) return home();
    if (sid === store.state.session?.id) return;
    await guarded("your work", () => enter(sid));
    if (store.state.phase !== "open") {
      const { problem } = store.state;
      await home();
      store.set({ problem });
    }
  }

  async function restore(file) {
    const { video } = store.state;
    if (!video) return store.set({ problem: `${file.name} is saved work: open its video first, then drop this file on it.` });
    await guarded(file.name, async () => enter((await api.restore(video.id, file, file.name.replace(/\.masklet$/i, ""))).id));
  }
}
