// The effects: what happens to the objects and to the background, seen at once.

import { KINDS, USES } from "../stage/result.js";
import { colourField, h, slider } from "./dom.js";

const NAMES = {
  none: "None", erase: "Erase", blur: "Blur", pixelate: "Pixelate", grey: "Grey", colour: "Colour",
  gradient: "Gradient", spotlight: "Spotlight", cutout: "Cut-out", outline: "Outline",
};
const SIGNS = {
  none: "linear-gradient(135deg, #4a7bb7, #e0a458)",
  erase: "#05070a",
  blur: "radial-gradient(circle at 50% 55%, #e8bd83 0, #9c9a8f 45%, #54779c)",
  pixelate: "conic-gradient(#e0a458 25%, #4a7bb7 0 50%, #c98f55 0 75%, #6d8fb5 0) 0 0 / 12px 12px",
  grey: "linear-gradient(135deg, #6b6b6b, #c9c9c9)",
  colour: "#3d8bfd",
  gradient: "linear-gradient(#7b5cff, #ff8f6b)",
  spotlight: "radial-gradient(circle at 50% 50%, #fff3d6 0 30%, #14171d 62%)",
  cutout: "repeating-conic-gradient(#f4f6f8 0 25%, #b7bec9 0 50%) 0 0 / 10px 10px",
  outline: "radial-gradient(circle at 50% 50%, #4a7bb7 0 33%, #fff 36% 48%, #4a7bb7 51%)",
};
const FIRST = {
  object: { colour: "#3d8bfd", colour2: "#ff8f6b", outline: "#ffffff" },
  background: { erase: "#000000", colour: "#10243f", colour2: "#0b0d11", gradient: "#7b5cff", cutout: "#00ff00", outline: "#ffffff" },
};

export function effectsTab(app) {
  return [
    group(app, "Background", (effects) => effects.background, (effects, effect) => ({ ...effects, background: effect }), KINDS, "background"),
    group(app, "All objects", (effects) => effects.object, (effects, effect) => ({ ...effects, object: effect }), KINDS.filter((kind) => kind !== "cutout"), "object"),
    own(app),
  ];
}

/** One object's own effect, instead of that of all. */
function own(app) {
  const { store, act } = app;
  const part = h("div", {});
  store.watch(["selected", "session"], ({ selected, session }) => {
    const object = session?.objects.find((one) => one.id === selected);
    const key = object ? `${object.id}:${object.name}` : "";
    if (part.dataset.key === key) return;
    part.dataset.key = key;
    part.firstChild?.end();
    if (!object || session.objects.length < 2) return part.replaceChildren();
    const id = object.id;
    const set = (effects, effect) => ({ ...effects, objects: { ...effects.objects, [id]: effect } });
    const made = group(app, `Only ${object.name}`, (effects) => effects.objects[id] ?? null, set, KINDS.filter((kind) => kind !== "cutout"), "object", () => {
      const { [id]: _, ...others } = store.state.effects.objects;
      act.setEffects({ ...store.state.effects, objects: others });
    });
    part.replaceChildren(made);
  });
  return part;
}

function group(app, title, get, set, kinds, side, onReset = null) {
  const { store, act } = app;
  const now = () => get(store.state.effects) ?? { kind: null, strength: 0.5 };
  const put = (patch, drag = false) => {
    const kind = patch.kind ?? now().kind ?? "none";
    act.setEffects(set(store.state.effects, { ...now(), kind, ...patch }), { drag });
  };
  const choose = (kind) => {
    const { colour, colour2, ...rest } = now();
    const uses = USES[kind];
    put({ ...rest, kind, colour: undefined, colour2: uses.includes("colour2") ? FIRST[side].colour2 : undefined });
  };
  const buttons = kinds.map((kind) =>
    h("button", { type: "button", class: "kind", role: "radio", data: { kind }, onclick: () => choose(kind) }, h("i", { style: `background: ${SIGNS[kind]}` }), NAMES[kind]),
  );
  const radios = h("div", { class: "kinds", role: "radiogroup", "aria-label": title }, buttons);
  radios.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by) return;
    const next = buttons[(buttons.indexOf(document.activeElement) + by + buttons.length) % buttons.length];
    next.focus();
    next.click();
    event.preventDefault();
  });
  const strength = slider({ label: "Strength", min: 0, max: 1, step: 0.05, value: 0.5, text: (n) => `${Math.round(n * 100)}%`, oninput: (value) => put({ strength: value }, true) });
  const colour = colourField({ label: `${title}: colour`, value: "#000000", oninput: (value) => put({ colour: value }, true) });
  const colour2 = colourField({ label: `${title}: lower colour`, value: "#000000", oninput: (value) => put({ colour2: value }, true) });
  const colours = h("div", { class: "row" }, h("span", { class: "label" }, "Colour"), colour, colour2);
  const reset = onReset && h("button", { type: "button", class: "button small quiet", onclick: onReset }, "As all");
  const body = h("section", { class: "effect-group", "aria-label": title }, h("h2", {}, h("span", { class: "grow" }, title), reset), radios, strength, colours);
  body.end = store.watch(["effects", "session"], () => {
    const effect = now();
    const uses = USES[effect.kind ?? "none"];
    buttons.forEach((button) => {
      const on = button.dataset.kind === effect.kind;
      button.setAttribute("aria-checked", on);
      button.tabIndex = on || (!effect.kind && button === buttons[0]) ? 0 : -1;
    });
    strength.hidden = !uses.includes("strength");
    strength.set(effect.strength);
    colours.hidden = !uses.includes("colour");
    colour2.hidden = !uses.includes("colour2");
    colour.set(effect.colour ?? FIRST[side][effect.kind] ?? FIRST[side].colour);
    colour2.set(effect.colour2 ?? FIRST[side].colour2);
    if (reset) reset.hidden = !effect.kind;
  });
  return body;
}
