// Undo and redo of everything: the server keeps the steps of the work, the page those of its effects.
// A page's step remembers how many steps the server had then, and so which of the two came last.

export const noHistory = { past: [], future: [] };

/** Note a step of the page; steps that belong together (one drag) share a `group`. */
export function recorded(history, step) {
  const last = history.past.at(-1);
  if (last && step.group && last.group === step.group && last.at === step.at) {
    return { past: [...history.past.slice(0, -1), { ...last, after: step.after }], future: [] };
  }
  return { past: [...history.past, step].slice(-200), future: [] };
}

/** Who undoes next: "page", "server" or null. */
export function undoer(history, serverUndo) {
  const last = history.past.at(-1);
  if (last && last.at >= serverUndo) return "page";
  return serverUndo > 0 ? "server" : last ? "page" : null;
}

export function redoer(history, serverUndo, serverRedo) {
  const next = history.future.at(-1);
  if (next && next.at <= serverUndo) return "page";
  return serverRedo > 0 ? "server" : next ? "page" : null;
}

export function undone(history) {
  const step = history.past.at(-1);
  return [{ past: history.past.slice(0, -1), future: [...history.future, step] }, step.before];
}

export function redone(history) {
  const step = history.future.at(-1);
  return [{ past: [...history.past, step], future: history.future.slice(0, -1) }, step.after];
}
