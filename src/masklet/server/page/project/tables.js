// A project's videos, people and ways of working, as lists and tables.

import { projectPicture } from "../net/api.js";
import { count } from "../core/words.js";
import { h, icon } from "../ui/dom.js";
import { statusBar } from "./charts.js";
import { duration, share, total } from "./statuses.js";

/** `onnew` makes a new masklet on a video, for those who may. */
export function videoList({ key, name, videos }, onnew = null) {
  if (!videos.length) return nothing("No videos yet.", `masklet annotate ${name} import VIDEO …`);
  const rows = videos.map((video) => {
    const all = total(video.statuses);
    const done = (video.statuses.satisfactory ?? 0) + (video.statuses.rejected ?? 0);
    return h(
      "li",
      { class: `video-row ${onnew ? "for-annotators" : ""}` },
      h("img", { src: projectPicture(key, video.id), alt: "", loading: "lazy" }),
      h("div", { class: "what" }, h("b", {}, video.name), h("span", {}, `${count(video.frames, "frame")} · ${video.width} × ${video.height}${video.held_out ? " · held out" : ""}`)),
      h("div", { class: "how" }, statusBar(video.statuses, { small: true }), h("span", {}, all ? `${done} of ${all} done` : "no masklets yet")),
      onnew && h("button", { type: "button", id: `new-on-${video.id}`, class: "button small", "aria-label": `New object on ${video.name}`, onclick: () => onnew(video.id) }, icon("plus"), "New object"),
    );
  });
  return h("ul", { class: "video-list" }, rows);
}

export function peopleTable({ name, people }, me) {
  if (!people.length) return nothing("No people yet.", `masklet annotate ${name} person NAME`);
  const rows = people.map((one) => [
    h("span", {}, h("b", {}, one.name), one.name === me && h("em", { class: "me" }, "you")),
    one.role,
    number(one.submitted),
    number(one.verified),
    one.seconds ? duration(one.seconds) : "–",
    share(one.satisfactory),
  ]);
  return table("people", ["Person", "Role", "Handed in", "Verified", "Time", "Found satisfactory"], rows);
}

export function wayTable({ phases }) {
  const ways = Object.entries(phases);
  if (!ways.length) return nothing("Nobody has drawn a masklet yet.");
  const rows = ways.map(([phase, one]) => [
    `${phase}: ${one.way}`,
    number(one.masklets),
    one.seconds === null ? "–" : `${one.seconds.toFixed(2)} s`,
    share(one.edited, 1),
    one.clicks === null ? "–" : one.clicks.toFixed(2),
  ]);
  return table("ways", ["Way", "Masklets", "Time a frame", "Frames edited", "Clicks a frame"], rows);
}

const number = (value) => (value ? String(value) : "–");

function table(name, heads, rows) {
  return h(
    "div",
    { class: "table-frame" },
    h(
      "table",
      { class: `figures ${name}` },
      h("thead", {}, h("tr", {}, heads.map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, rows.map(([first, ...rest]) => h("tr", {}, h("th", { scope: "row" }, first), rest.map((cell) => h("td", {}, cell))))),
    ),
  );
}

/** An empty part of the page says what fills it. */
export const nothing = (text, command = null) => h("p", { class: "nothing" }, text, command && h("code", {}, command));
