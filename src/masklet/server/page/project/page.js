// The page of a project: where it stands, who works on it, and the way to the next task.

import { h, icon } from "../ui/dom.js";
import { dayChart, statusBar, statusLegend, VERDICTS } from "./charts.js";
import { share, total } from "./statuses.js";
import { nothing, peopleTable, videoList, wayTable } from "./tables.js";

export function mountProject(app) {
  const { store } = app;
  const place = document.getElementById("project");
  const crumbs = document.getElementById("crumbs");
  store.watch(["phase", "project", "person", "notice"], (state) => {
    const { phase, project } = state;
    crumbs.hidden = !["project", "review"].includes(phase) || !project;
    if (!crumbs.hidden) crumbs.replaceChildren(...trail(app, state));
    place.hidden = phase !== "project";
    if (place.hidden) return;
    const focused = document.activeElement?.id;
    const above = place.scrollTop;
    place.replaceChildren(project ? whole(app, state) : h("p", { class: "waiting", role: "status" }, h("span", { class: "spinner" }), "Reading the project"));
    place.scrollTop = above;
    if (focused) document.getElementById(focused)?.focus();
  });
}

function trail({ act }, { phase, project }) {
  const here = (text) => h("b", { "aria-current": "page" }, text);
  const link = (text, run) => h("button", { type: "button", class: "crumb", onclick: run }, text);
  const arrow = () => h("span", { "aria-hidden": "true" }, "›");
  const first = [link("Projects", act.home), arrow()];
  return phase === "project" ? [...first, here(project.name)] : [...first, link(project.name, () => act.openProject(project.key)), arrow(), here("Review")];
}

function whole(app, state) {
  const { project, person, notice } = state;
  return h(
    "div",
    { class: "project-inner" },
    head(app, state),
    notice && h("p", { class: "notice" }, icon("check"), notice),
    panel(
      "Progress",
      total(project.statuses) ? [statusBar(project.statuses), statusLegend(project.statuses)] : nothing("No masklets yet. The model finds some on its own:", `masklet annotate ${project.name} auto`),
      { wide: true },
    ),
    panel("Work by day", hasWork(project.days) ? [dayChart(project.days), dayLegend()] : nothing(`Nothing was handed in or judged in the last ${project.days.length} days.`)),
    panel("Quality", quality(project)),
    panel("Videos", videoList(project, may(project, person, "annotate") ? app.act.annotateNew : null), { wide: true }),
    panel("People", peopleTable(project, person), { wide: true }),
    panel("Ways of annotating", wayTable(project), { wide: true }),
  );
}

const panel = (title, content, { wide = false } = {}) => h("section", { class: `sheet ${wide ? "wide" : ""}` }, h("h2", {}, title), content);

const hasWork = (days) => days.some((day) => day.submitted || Object.keys(day.verdicts).length);

const dayLegend = () => h("p", { class: "day-legend", "aria-hidden": "true" }, h("i", { class: "is-submitted" }), "handed in", h("span", {}, "Verdicts:"), VERDICTS.flatMap(({ name, label }) => [h("i", { class: `is-${name}` }), label.toLowerCase()]));

const may = (project, person, duty) => project.people.find((one) => one.name === person)?.duties.includes(duty) ?? false;

function head({ act }, { project, person }) {
  const who = h(
    "select",
    { id: "who", class: "field", "aria-label": "Who are you", onchange: () => act.choosePerson(who.value || null) },
    h("option", { value: "" }, "Who are you?"),
    project.people.map((one) => h("option", { value: one.name }, `${one.name} (${one.role})`)),
  );
  who.value = person ?? "";
  const me = project.people.find((one) => one.name === person);
  const [draws, verifies] = ["annotate", "verify"].map((duty) => may(project, person, duty));
  const waiting = project.statuses.submitted ?? 0;
  const undrawn = (project.statuses.unsatisfactory ?? 0) + (project.statuses.open ?? 0);
  const badge = (number) => number > 0 && h("span", { class: "badge" }, String(number));
  const draw = draws && h("button", { type: "button", id: "annotate-next", class: "button primary", disabled: !undrawn, "aria-describedby": "review-why", onclick: () => act.annotate() }, icon("brush"), "Annotate next", badge(undrawn));
  const go = h(
    "button",
    { type: "button", id: "review-next", class: `button ${draws && !verifies ? "" : "primary"}`, disabled: !verifies, "aria-describedby": "review-why", onclick: () => act.review() },
    icon("play"),
    "Review next",
    badge(waiting),
  );
  const second = h("button", { type: "button", id: "review-second", class: "button", disabled: !verifies || !project.statuses.satisfactory, "aria-describedby": "review-why", onclick: () => act.review({ second: true }) }, "Second opinion");
  const why = !project.people.length
    ? `Nobody is in this project yet: masklet annotate ${project.name} person NAME`
    : !me
      ? "Choose who you are, then annotate or review."
      : verifies
        ? waiting
          ? "What the model doubts most comes first. Nobody gets their own work."
          : "Nothing is waiting now; a second opinion may be given."
        : `${undrawn ? "What came back comes first." : "Nothing waits to be annotated; a new object may be."} ${me.name} is ${me.role}; reviewing takes a reviewer or an admin.`;
  return h(
    "div",
    { class: "project-head" },
    h("div", { class: "grow" }, h("h1", {}, project.name), h("p", { id: "made-with", class: "lead" }, madeWith(project))),
    h("div", { class: "start" }, h("div", { class: "start-row" }, who, draw, second, go), h("p", { id: "review-why", class: "why" }, why)),
  );
}

function madeWith({ model, drawn_with: here }) {
  const code = (name) => h("code", {}, name);
  if (!here || here === model) return ["Masklets are made with ", code(model)];
  return ["Masklets are drawn here with ", code(here), "; the project's own model is ", code(model)];
}

function quality({ agreement, statuses, held, people }) {
  const judged = (statuses.satisfactory ?? 0) + (statuses.unsatisfactory ?? 0) + (statuses.rejected ?? 0);
  const holders = Object.values(held).map((one) => one.person);
  const busy = [...new Set(holders)].map((name) => `${name} (${holders.filter((one) => one === name).length})`);
  const figure = (value, label, more) => h("div", { class: "figure" }, h("b", {}, value), h("span", {}, label), h("small", {}, more));
  return h(
    "div",
    { class: "quality" },
    figure(judged ? share((statuses.satisfactory ?? 0) / judged) : "–", "of verdicts that stand are satisfactory", judged ? `${judged} judged` : "nothing judged yet"),
    figure(
      share(agreement.same),
      "of second opinions agree",
      agreement.pairs ? `${agreement.pairs} compared, kappa ${agreement.kappa === null ? "–" : agreement.kappa.toFixed(2)}` : "nobody has given a second opinion",
    ),
    figure(String(holders.length), holders.length === 1 ? "task in hand" : "tasks in hand", busy.join(", ") || (people.length ? "nobody is at work" : "no people yet")),
  );
}
