// The page's state: one flat value, replaced key by key, and watchers that run once a turn.

export function createStore(initial) {
  let state = { ...initial };
  const watchers = new Set();
  let changed = new Set();
  let planned = false;

  function tell() {
    planned = false;
    const keys = changed;
    changed = new Set();
    for (const watcher of [...watchers]) {
      if (watcher.keys.some((key) => keys.has(key))) watcher.run(state);
    }
  }

  return {
    get state() {
      return state;
    },
    set(patch) {
      const news = Object.keys(patch).filter((key) => !Object.is(state[key], patch[key]));
      if (!news.length) return;
      state = { ...state, ...patch };
      news.forEach((key) => changed.add(key));
      if (!planned) {
        planned = true;
        queueMicrotask(tell);
      }
    },
    /** Run now, and again whenever one of the keys has changed. */
    watch(keys, run) {
      const watcher = { keys, run };
      watchers.add(watcher);
      run(state);
      return () => watchers.delete(watcher);
    },
  };
}
