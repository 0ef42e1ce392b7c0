// The projects on the start page: a card each, with how far it is.

import { count } from "../core/words.js";
import { h, icon } from "../ui/dom.js";
import { statusBar } from "./charts.js";
import { total } from "./statuses.js";

export function projectCards({ act }, { projects }) {
  if (!projects?.length) return null;
  const cards = projects.map((one) =>
    h(
      "li",
      { class: "card project-card" },
      h(
        "button",
        { type: "button", class: "open", onclick: () => act.openProject(one.key) },
        h(
          "div",
          { class: "text" },
          h("b", {}, icon("film"), one.name),
          h("span", {}, one.problem ?? `${count(one.videos, "video")} · ${count(total(one.statuses), "masklet")} · ${count(one.people, "person", "people")}`),
          !one.problem && statusBar(one.statuses, { small: true }),
          one.statuses.submitted ? h("span", { class: "wait" }, `${one.statuses.submitted} to review`) : null,
        ),
      ),
    ),
  );
  return h("section", {}, h("h2", {}, "Projects"), h("ul", { class: "cards" }, cards));
}
