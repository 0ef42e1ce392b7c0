// Going to a project and to its review, by buttons and by the address; who somebody is there.

import * as api from "../net/api.js";
import { loadPerson, savePerson } from "../act/remember.js";

const AGAIN = 20_000; // milliseconds after which figures are asked for anew, while somebody looks

export function projects(app) {
  const { store } = app;
  let timer = 0;
  let heading = null; // key of the project that one is in, or on the way to

  async function read(key) {
    const project = await api.project(key);
    if (heading !== key || JSON.stringify(project) === JSON.stringify(store.state.project)) return;
    const kept = store.state.project?.key === key ? store.state.person : loadPerson(key);
    store.set({ project, person: project.people.some((one) => one.name === kept) ? kept : null });
  }

  async function refresh() {
    const { phase, project } = store.state;
    const choosing = document.activeElement?.id === "who"; // an open list would be closed under their hand
    if (phase === "project" && project && !document.hidden && !choosing) await read(project.key).catch(() => {}); // Asked again soon.
  }

  function leaveProject() {
    clearInterval(timer);
    heading = null;
    app.desk.act.leave();
    if (store.state.project) store.set({ project: null, person: null, notice: null });
  }

  /** Come to a project's page; `notice`: one line on what was just done. */
  async function openProject(key, notice = null) {
    app.act.leaveWork();
    app.desk.act.leave();
    heading = key;
    if (store.state.project?.key !== key) store.set({ project: null, person: null });
    store.set({ phase: "project", notice });
    if (notice) app.act.announce(notice);
    location.hash = `p/${key}`;
    clearInterval(timer);
    timer = setInterval(refresh, AGAIN);
    try {
      await read(key);
      if (heading === key) document.title = `${store.state.project.name} – masklet`;
    } catch (error) {
      if (error.code === "token") return store.set({ phase: "gate" });
      await app.act.home();
      store.set({ problem: error.message });
    }
  }

  async function review({ key = store.state.project.key, second = false } = {}) {
    if (store.state.project?.key !== key) await openProject(key);
    const { project, person } = store.state;
    if (!project) return;
    if (!person) return store.set({ notice: "Choose who you are first." });
    location.hash = `p/${key}/review`;
    document.title = `Review · ${project.name} – masklet`;
    store.set({ phase: "review", notice: null });
    app.desk.act.begin(second);
  }

  return {
    openProject,
    leaveProject,
    review,
    choosePerson(person) {
      savePerson(store.state.project.key, person);
      store.set({ person, notice: null });
    },
    /** Whether the address named a place in a project; then that is where the page is now. */
    async arriveAtProject(hash) {
      const [, key, inReview] = hash.match(/^#p\/([\w-]+)(\/review)?$/) ?? [];
      if (!key) return false;
      const there = heading === key && store.state.phase === (inReview ? "review" : "project");
      if (!there) await (inReview ? review({ key }) : openProject(key));
      return true;
    },
  };
}
