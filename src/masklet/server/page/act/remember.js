// What this browser remembers of a person, and the server does not: habits, theme, their name in a project, how long
// they drew. Whatever belongs to the work is the server's.

const HABITS = "masklet.habits";

function read(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null; // No storage, or not ours: start afresh.
  }
}

function write(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // A full or forbidden storage costs only the memory of it.
  }
}

function drop(key) {
  try {
    localStorage.removeItem(key);
  } catch {
    // It could not be kept either.
  }
}

/** hover: a preview under the pointer; mute: no sound. */
export const loadHabits = () => ({ hover: true, mute: false, ...read(HABITS) });
export const loadPerson = (project) => read(`masklet.person.${project}`);
export const savePerson = (project, name) => write(`masklet.person.${project}`, name);
/** Seconds that somebody has worked on a session, for when its page is opened again. */
export const loadSpent = (sid) => read(`masklet.spent.${sid}`) ?? 0;
export const saveSpent = (sid, seconds) => write(`masklet.spent.${sid}`, seconds);
export const dropSpent = (sid) => drop(`masklet.spent.${sid}`);
export const loadTheme = () => read("masklet.theme");
export const saveTheme = (theme) => write("masklet.theme", theme);

export function rememberHabits(store) {
  store.watch(["habits"], ({ habits }) => write(HABITS, habits));
}
