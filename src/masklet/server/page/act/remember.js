// What this browser remembers: the look, the theme, each work's effects, who somebody is in a project, how long they drew.

const LOOK = "masklet.look";

export const noEffects = {
  object: { kind: "none", strength: 0.5 },
  background: { kind: "none", strength: 0.5 },
  objects: {},
};

export const firstLook = { opacity: 0.45, outline: true, hover: true, mute: false };

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

export const loadLook = () => ({ ...firstLook, ...read(LOOK) });
export const loadEffects = (sid) => read(`masklet.effects.${sid}`);
export const loadPerson = (project) => read(`masklet.person.${project}`);
export const savePerson = (project, name) => write(`masklet.person.${project}`, name);
/** Seconds that somebody has worked on a session, for when its page is opened again. */
export const loadSpent = (sid) => read(`masklet.spent.${sid}`) ?? 0;
export const saveSpent = (sid, seconds) => write(`masklet.spent.${sid}`, seconds);
export const dropSpent = (sid) => drop(`masklet.spent.${sid}`);
export const loadTheme = () => read("masklet.theme");
export const saveTheme = (theme) => write("masklet.theme", theme);

export function rememberAll(store) {
  store.watch(["look"], ({ look }) => write(LOOK, look));
  store.watch(["effects"], ({ effects, session }) => session && write(`masklet.effects.${session.id}`, effects));
}
