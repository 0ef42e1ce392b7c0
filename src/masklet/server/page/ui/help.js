// The sheet of all keys, made from the commands.

import { modelOf } from "../core/words.js";
import { caps } from "./commands.js";
import { dialog } from "./dialog.js";
import { h } from "./dom.js";

const BY_HAND = [
  ["Add to the object", "click"],
  ["Take away", "right click, ⇧ click, long press"],
  ["Move a click; remove it", "drag; Alt click"],
  ["Zoom; pan", "wheel or pinch; Space drag"],
];
const ON_THE_PICTURE = [
  ["Show the cross-hair; click", "Enter"],
  ["Click what is not the object", "⇧ Enter"],
  ["Move the cross-hair", "← ↑ → ↓"],
];

export function mountHelp(app) {
  app.act.openHelp = () => {
    const { info } = app.store.state;
    const review = app.store.state.phase === "review";
    const groups = new Map();
    for (const command of (review ? app.desk.commands : app.commands).values()) {
      if (!groups.has(command.group)) groups.set(command.group, []);
      groups.get(command.group).push(command);
    }
    const byHand = (title, rows) => h("section", {}, h("h3", {}, title), h("dl", {}, rows.flatMap(([what, how]) => [h("dt", {}, what), h("dd", {}, how)])));
    const sections = [...groups].map(([title, commands]) =>
      h(
        "section",
        {},
        h("h3", {}, title),
        h("dl", {}, commands.filter((command) => command.label).flatMap((command) => [h("dt", {}, command.label), h("dd", {}, keysOf(app, command))])),
      ),
    );
    const more = review ? [byHand("While a reason is chosen", [["Reasons", "1 … 8"]])] : [byHand("Mouse, pen and fingers", BY_HAND), byHand("When the picture has the focus", ON_THE_PICTURE)];
    dialog("Keys", [h("div", { class: "keys" }, more, sections), info && h("p", { class: "answering" }, modelOf(info))], { wide: 760 });
  };
}

function keysOf(app, command) {
  const keys = command.name === "candidate-1" ? ["1", "2", "3"] : command.keys;
  return keys.flatMap((key, place) => [place ? " " : "", ...caps(key).map((cap) => h("kbd", {}, cap))]).filter(Boolean);
}
