// Export: what to download, of which objects and frames, and how far the server is with it.

import * as api from "../net/api.js";
import { bytes } from "../core/words.js";
import { dialog } from "./dialog.js";
import { h, icon, toggle } from "./dom.js";

const FORMATS = [
  ["video", "Video with effects", "MP4 with its sound; without effects, the masks"],
  ["cutout", "Cut-out", "objects alone, with transparency"],
  ["coco", "COCO / YouTube-VIS", "one JSON of all masks"],
  ["png", "PNG masks", "one indexed picture a frame, as DAVIS"],
  ["sav", "SA-V", "JSON as the SA-V data set"],
  ["yolo", "YOLO-seg", "outlines as text, with data.yaml"],
];

export function mountExport(app) {
  const { store, act } = app;
  const choice = { format: "video", cutout: "png", objects: "all", range: "all", sound: true };

  act.openExport = () => {
    const { session, video, info } = store.state;
    if (!session) return;
    const offered = FORMATS.filter(([name]) => !info?.exports || info.exports.includes(name));
    const photo = video.frames < 2;
    const cards = offered.map(([name, title, about]) => {
      const [shown, told] = photo ? [title.replace("Video", "Picture"), about.replace("MP4 with its sound", "PNG")] : [title, about];
      return h("button", { type: "button", class: "format", role: "radio", data: { format: name }, onclick: () => pick(name) }, h("strong", {}, shown), h("span", {}, told));
    });
    const select = (label, key, options) => {
      const field = h("select", { class: "field", "aria-label": label, onchange: () => (choice[key] = field.value) }, options.map(([value, text]) => h("option", { value }, text)));
      field.value = choice[key];
      if (!field.value) field.value = choice[key] = options[0][0];
      return h("div", { class: "row" }, h("span", { class: "label" }, label), field);
    };
    const kind = select("Kind of cut-out", "cutout", [["png", "PNG pictures (zip)"], ["webm", "WebM with alpha"], ["mov", "MOV, ProRes 4444"]]);
    const whose = select("Objects", "objects", [["all", "All objects"], ["shown", "Only those shown"], ["selected", "Only the selected one"]]);
    const range = select("Frames", "range", [["all", "All frames"], ["mark", "The marked range"]]);
    const sound = toggle({ label: "Sound", value: choice.sound, onchange: (on) => (choice.sound = on) });
    const jobs = h("ul", { class: "jobs", "aria-label": "Exports" });
    const begin = h("button", { type: "button", class: "button primary", onclick: () => send(app, choice) }, icon("export"), "Export");
    const work = h("a", { class: "button", href: api.workFile(session.id), download: `${session.name}.masklet` }, icon("folder"), "Save the work as a file");
    const box = dialog(
      "Export",
      [h("div", { class: "formats", role: "radiogroup", "aria-label": "Format" }, cards), h("div", { class: "options" }, kind, whose, range, sound), jobs],
      { foot: [work, h("span", { class: "grow" }), begin] },
    );
    function pick(name) {
      choice.format = name;
      cards.forEach((card) => card.setAttribute("aria-checked", card.dataset.format === name));
      kind.hidden = name !== "cutout" || photo;
      sound.hidden = name !== "video" || !video.sound;
      range.hidden = photo || (store.state.mark.start === null && store.state.mark.stop === null);
      begin.disabled = !session.covered.length && name !== "video";
    }
    pick(choice.format);
    const end = store.watch(["exports"], ({ exports }) => jobs.replaceChildren(...exports.slice(0, 6).map((job) => jobRow(app, job))));
    box.addEventListener("close", end);
  };
}

async function send(app, { format, cutout, objects, range, sound }) {
  const { session, selected, effects, mark, exports, look } = app.store.state;
  const shown = session.objects.filter((object) => !object.hidden).map((object) => object.id);
  const job = { format, sound, objects: objects === "all" ? null : objects === "shown" ? shown : [selected ?? shown[0]] };
  if (format === "cutout") job.cutout = cutout;
  // Without effects a video would show nothing of the work: the masks lie over it then. Else the work's own are taken.
  if (format === "video" && plain(effects)) job.effects = { ...effects, object: { kind: "colour", strength: look.opacity } };
  if (range === "mark" && mark.start !== null) job.start = mark.start;
  if (range === "mark" && mark.stop !== null) job.stop = mark.stop + 1;
  try {
    await app.act.keepAppearance();
    const made = await api.createExport(session.id, job);
    if (!app.store.state.exports.some((one) => one.id === made.id)) app.store.set({ exports: [made, ...exports] });
  } catch (error) {
    app.act.complain(error);
  }
}

const plain = ({ object, background, objects }) => [object, background, ...Object.values(objects)].every((effect) => effect.kind === "none");

function jobRow(app, job) {
  const title = job.name ?? FORMATS.find(([format]) => format === job.format)[1];
  const drop = () => api.dropExport(job.id).then(() => app.store.set({ exports: app.store.state.exports.filter((one) => one.id !== job.id) }), app.act.complain);
  const remove = h("button", { type: "button", class: "button small only quiet", "aria-label": `Remove ${title}`, onclick: drop }, icon("close"));
  const name = h("span", { class: "what" }, title);
  if (job.state === "done") {
    const link = h("a", { class: "button small", href: api.exportFile(job.id), download: job.name }, icon("import"), `Download${job.bytes ? ` · ${bytes(job.bytes)}` : ""}`);
    return h("li", { class: "job", data: { state: job.state } }, name, link, remove);
  }
  if (job.state === "failed") return h("li", { class: "job", data: { state: job.state } }, h("span", { class: "what bad" }, job.message ?? "It failed."), remove);
  const part = Math.round(job.total ? (job.done / job.total) * 100 : 0);
  const progress = h("div", { class: "progress", role: "progressbar", "aria-label": title, "aria-valuenow": part }, h("i", { style: `width: ${part}%` }));
  return h("li", { class: "job", data: { state: job.state } }, name, progress, h("span", { class: "part" }, job.state === "queued" ? "Waiting" : `${part}%`), remove);
}
