// Progress as a bar, work by day as columns: drawn in the page's own colours, and told in words too.

import { count } from "../core/words.js";
import { h, s } from "../ui/dom.js";
import { STATUSES, total } from "./statuses.js";

export const VERDICTS = STATUSES.filter(({ name }) => ["satisfactory", "unsatisfactory", "rejected"].includes(name));

/** Masklets by status, one beside the other; `small` for lists. */
export function statusBar(statuses, { small = false } = {}) {
  const all = total(statuses);
  const parts = STATUSES.filter(({ name }) => statuses[name]);
  const words = all ? parts.map(({ name, label }) => `${statuses[name]} ${label.toLowerCase()}`).join(", ") : "no masklets yet";
  return h(
    "div",
    { class: `status-bar ${small ? "small" : ""}`, role: "img", "aria-label": words, title: words },
    parts.map(({ name }) => h("i", { class: `is-${name}`, style: `flex-grow: ${statuses[name]}` })),
  );
}

export const statusLegend = (statuses) =>
  h(
    "ul",
    { class: "status-legend" },
    STATUSES.map(({ name, label, about }) =>
      h("li", { "data-status": name }, h("i", { class: `is-${name}`, "aria-hidden": "true" }), h("b", {}, String(statuses[name] ?? 0)), h("span", {}, label), h("small", {}, about)),
    ),
  );

const HIGH = 132;
const STEP = 44;
const LEFT = 30;
const FOOT = 22;
const WIDE = 14;

/** Handed in beside judged, day by day. */
export function dayChart(days) {
  const judged = (day) => Object.values(day.verdicts).reduce((sum, many) => sum + many, 0);
  const top = niceTop(Math.max(1, ...days.map((day) => Math.max(day.submitted, judged(day)))));
  const width = LEFT + days.length * STEP;
  const y = (value) => 8 + (1 - value / top) * (HIGH - 8);
  const lines = [0, top / 2, top].map((value) => [
    s("line", { x1: LEFT, x2: width, y1: y(value), y2: y(value), class: "grid" }),
    s("text", { x: LEFT - 8, y: y(value) + 4, class: "number" }, String(value)),
  ]);
  const column = (place, value) => (value ? s("rect", { x: LEFT + place * STEP + 7, y: y(value), width: WIDE, height: HIGH - y(value), rx: 2, class: "in-submitted" }) : null);
  const columns = days.map((day, place) =>
    s(
      "g",
      {},
      s("title", {}, `${longDay(day.day)}: ${count(day.submitted, "masklet")} handed in, ${count(judged(day), "verdict")}`),
      s("rect", { x: LEFT + place * STEP, y: 0, width: STEP, height: HIGH, class: "ground" }),
      column(place, day.submitted),
      verdictColumn(day, LEFT + place * STEP + 23, y),
      place % 2 === (days.length - 1) % 2 ? s("text", { x: LEFT + place * STEP + STEP / 2, y: HIGH + 17, class: "day" }, shortDay(day.day)) : null,
    ),
  );
  const handed = days.reduce((sum, day) => sum + day.submitted, 0);
  const verdicts = days.reduce((sum, day) => sum + judged(day), 0);
  const words = `In the last ${days.length} days ${count(handed, "masklet")} handed in and ${count(verdicts, "verdict")} given`;
  return s("svg", { viewBox: `0 0 ${width} ${HIGH + FOOT}`, class: "day-chart", role: "img", "aria-label": words }, lines.flat(), columns);
}

/** The verdicts of a day, one kind on the other. */
function verdictColumn(day, x, y) {
  let below = 0;
  return VERDICTS.filter(({ name }) => day.verdicts[name]).map(({ name }) => {
    const [from, to] = [y(below), y((below += day.verdicts[name]))];
    return s("rect", { x, y: to, width: WIDE, height: Math.max(1, from - to - 1), rx: 2, class: `in-${name}` });
  });
}

/** An even number at or above, so that its half is whole. */
function niceTop(value) {
  const steps = [2, 4, 6, 8, 10];
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(value / 10)) + 1);
  return (steps.find((step) => step * unit >= value) ?? 20) * unit;
}

// A date without a time is a day here, wherever that is.
const at = (day) => new Date(`${day}T12:00:00`);
const shortDay = (day) => at(day).toLocaleDateString(undefined, { day: "numeric", month: "short" });
const longDay = (day) => at(day).toLocaleDateString(undefined, { weekday: "long", day: "numeric", month: "long" });
