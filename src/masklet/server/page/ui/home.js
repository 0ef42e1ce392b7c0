// The start: open something new, pick from the gallery, or come back to earlier work.

import { frameAddress, galleryPicture } from "../net/api.js";
import { ago, bytes, count, modelOf } from "../core/words.js";
import { projectCards } from "../project/cards.js";
import { confirmed } from "./dialog.js";
import { h, icon } from "./dom.js";

export function mountHome(app) {
  const { store, act } = app;
  const home = document.getElementById("home");
  store.watch(["phase", "sessions", "gallery", "projects", "opening", "problem", "info"], (state) => {
    home.hidden = !["home", "gate"].includes(state.phase);
    document.getElementById("studio").hidden = state.phase !== "open";
    document.body.dataset.phase = state.phase;
    if (home.hidden) return;
    home.replaceChildren(state.phase === "gate" ? gate() : h("div", { class: "home-inner" }, welcome(), opener(app, state), projectCards(app, state), work(app, state), gallery(app, state), answering(state)));
  });
  act.pickFile ??= () => {};
}

const welcome = () =>
  h("div", {}, h("h1", {}, "Cut out and follow anything"), h("p", { class: "lead" }, "Click an object in a photo or a video, correct where needed, and take the masks with you. Everything stays on this server."));

function opener({ act }, { opening, problem, info }) {
  if (opening) {
    const part = opening.progress;
    const text = part === null || part >= 1 ? `${opening.what} …` : `${opening.what} · ${Math.round(part * 100)}%`;
    return h(
      "div",
      { class: "opener", role: "status" },
      h("span", { class: "spinner" }),
      h("div", { class: "opening" }, h("strong", {}, text), part !== null && h("div", { class: "progress" }, h("i", { style: `width: ${part * 100}%` }))),
      h("button", { type: "button", class: "button", onclick: act.cancelOpening }, "Cancel"),
    );
  }
  const limits = info?.limits?.upload_bytes ? `Up to ${bytes(info.limits.upload_bytes)}. ` : "";
  return h(
    "div",
    { class: "opener" },
    icon("upload"),
    h("strong", {}, "Drop a video or a photo here"),
    h("button", { type: "button", class: "button primary", id: "choose-file", onclick: () => act.pickFile() }, icon("folder"), "Choose a file"),
    h("small", {}, `${limits}It goes to the masklet server and nowhere else.`),
    problem && h("p", { class: "problem", role: "alert" }, problem),
  );
}

const answering = ({ info }) => info && h("p", { class: "answering", role: "status" }, modelOf(info));

function work({ act }, { sessions }) {
  if (!sessions?.length) return null;
  const forget = async (one) => {
    const last = one.video.uploaded && sessions.filter((other) => other.video.id === one.video.id).length === 1;
    const text = `Its objects and masks are deleted${last ? `, and with them the uploaded ${one.video.kind}` : ""}. This cannot be undone.`;
    if (await confirmed(`Delete “${one.name}”?`, text, "Delete")) act.forget(one.id);
  };
  const cards = sessions.slice(0, 24).map((one) => {
    const { video } = one;
    const part = Math.round((one.frames_covered / video.frames) * 100);
    const share = video.frames > 1 && part ? ` · ${part}% tracked` : "";
    return h(
      "li",
      { class: "card" },
      h(
        "button",
        { type: "button", class: "open", onclick: () => act.enter(one.id) },
        h("img", { src: frameAddress(video.id, 0, 180), alt: "", loading: "lazy" }),
        h("div", { class: "text" }, h("b", {}, one.name), h("span", {}, `${count(one.objects, "object")}${share} · ${ago(one.used)}`)),
      ),
      h("button", { type: "button", class: "button small only quiet forget", "aria-label": `Delete ${one.name}`, data: { tip: "Delete this work" }, onclick: () => forget(one) }, icon("bin")),
    );
  });
  return h("section", {}, h("h2", {}, "Your work"), h("ul", { class: "cards", style: "list-style: none; margin: 0; padding: 0" }, cards));
}

function gallery({ act }, { gallery: items }) {
  if (!items?.length) return null;
  const cards = items.map((item) =>
    h(
      "li",
      { class: "card" },
      h("button", { type: "button", class: "open", onclick: () => act.openGallery(item.key, item.name) }, h("img", { src: galleryPicture(item.key), alt: "", loading: "lazy" }), h("div", { class: "text" }, h("b", {}, item.name), h("span", {}, item.kind))),
    ),
  );
  return h("section", {}, h("h2", {}, "Gallery"), h("ul", { class: "cards", style: "list-style: none; margin: 0; padding: 0" }, cards));
}

function gate() {
  const field = h("input", { class: "field", type: "password", "aria-label": "Token", autocomplete: "current-password" });
  const go = () => field.value && location.assign(`/?token=${encodeURIComponent(field.value)}${location.hash}`);
  field.addEventListener("keydown", (event) => event.key === "Enter" && go());
  return h(
    "div",
    { class: "gate" },
    h("h1", { style: "font-size: 18px" }, "This server asks for a token"),
    h("p", { class: "lead", style: "font-size: 13px" }, "It was printed when the server was started."),
    field,
    h("button", { type: "button", class: "button primary", onclick: go }, "Open"),
  );
}
