// The list of objects: thumbnail, name, colour, hide, lock, delete.

import { count } from "../core/words.js";
import { h, icon, setIcon } from "./dom.js";
import { objectName } from "./object_name.js";
import { paintThumbnail } from "./thumbnails.js";

export function objectList(app) {
  const { store, act } = app;
  const list = h("ul", { class: "objects", "aria-label": "Objects" });
  const rows = new Map();
  const fresh = h(
    "button",
    { type: "button", class: "button new-object", data: { command: "new-object", tip: "The next click begins a new object", key: "n" }, onclick: act.newObject },
    icon("plus"),
    h("span", {}, "New object"),
  );
  const empty = h("div", { class: "empty" }, icon("add"), "Click an object on the picture. One click is often enough; more clicks refine it.");

  store.watch(["session", "selected", "doubts"], ({ session, selected, doubts }) => {
    const objects = session?.objects ?? [];
    for (const [id, row] of rows) {
      if (!objects.some((object) => object.id === id)) {
        row.remove();
        rows.delete(id);
      }
    }
    let place = list.firstChild; // a row that stands where it should is not moved: it would lose the focus
    for (const object of objects) {
      if (!rows.has(object.id)) rows.set(object.id, makeRow(app, object.id));
      const row = rows.get(object.id);
      if (row === place) place = place.nextSibling;
      else list.insertBefore(row, place);
      row.show(object, selected === object.id, session, doubts.get(object.id)?.length ?? 0);
    }
    empty.hidden = objects.length > 0;
    fresh.hidden = objects.length === 0 || Boolean(session.sitting);
    fresh.setAttribute("aria-pressed", selected === null);
    fresh.lastChild.textContent = selected === null ? "New object: click it on the picture" : "New object";
  });

  let timer = 0;
  store.watch(["showing", "session"], drawThumbnails);
  app.redrawThumbnails = drawThumbnails;
  function drawThumbnails() {
    timer ||= setTimeout(() => {
      timer = 0;
      rows.forEach((row, id) => paintThumbnail(app, row.canvas, id));
    }, 60);
  }

  act.focusName = () => {
    store.set({ tab: "objects" });
    setTimeout(() => rows.get(store.state.selected)?.rename());
  };
  return [list, fresh, empty];
}

function makeRow(app, id) {
  const { act } = app;
  const object = () => app.store.state.session.objects.find((one) => one.id === id);
  const canvas = h("canvas", { width: 88, height: 88, "aria-hidden": "true" });
  const thumb = h("button", { type: "button", class: "thumb", onclick: () => act.select(id) }, canvas);
  const name = objectName(app, id);
  const colour = h("input", { type: "color", onchange: () => act.changeObject(id, { colour: colour.value }) });
  const about = h("span", {});
  const button = (sign, run) => h("button", { type: "button", class: "button small only quiet", onclick: (event) => (event.stopPropagation(), run()) }, icon(sign));
  const eye = button("eye", () => act.changeObject(id, { hidden: !object().hidden }));
  const lock = button("unlock", () => act.changeObject(id, { locked: !object().locked }));
  const bin = button("bin", () => act.removeObject(id));
  const row = h(
    "li",
    { class: "object", data: { object: id }, onclick: () => act.select(id) },
    thumb,
    h("div", {}, name, h("div", { class: "about" }, h("span", { class: "swatch" }, colour), about)),
    h("div", { class: "tools" }, eye, lock, bin),
  );
  const label = (element, text) => {
    element.setAttribute("aria-label", text);
    if (element.matches("button.only")) element.dataset.tip = text.split(":")[0];
  };
  row.canvas = canvas;
  row.rename = name.edit;
  row.show = (now, selected, session, doubts) => {
    row.style.setProperty("--own", now.colour);
    row.setAttribute("aria-current", selected);
    row.classList.toggle("hidden", now.hidden);
    row.classList.toggle("locked", now.locked);
    name.show(now.name);
    colour.value = now.colour;
    bin.disabled = now.locked;
    bin.hidden = Boolean(session.sitting);
    setIcon(eye, now.hidden ? "eye-off" : "eye");
    setIcon(lock, now.locked ? "lock" : "unlock");
    eye.classList.toggle("kept", now.hidden);
    lock.classList.toggle("kept", now.locked);
    label(thumb, `Select ${now.name}`);
    label(colour, `Colour of ${now.name}`);
    label(eye, `${now.hidden ? "Show" : "Hide"}: ${now.name}`);
    label(lock, `${now.locked ? "Unlock" : "Lock"}: ${now.name}`);
    label(bin, `Delete: ${now.name}`);
    const frames = session.prompts.filter((prompt) => prompt.object === id);
    const clicks = frames.reduce((sum, prompt) => sum + prompt.clicks.length, 0);
    const video = session.video.frames > 1;
    const unsure = doubts > 0 && video;
    about.className = unsure ? "warn" : "";
    about.textContent = unsure
      ? `${doubts} doubtful`
      : video && frames.length > 1
        ? count(frames.length, "prompt")
        : clicks
          ? count(clicks, "click")
          : frames.length
            ? frames[0].box ? "box" : "mask"
            : "no prompt yet";
  };
  return row;
}
