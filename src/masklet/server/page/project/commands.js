// Everything a reviewer can do by a key or a button.

import { commandMap } from "../ui/commands.js";

export function makeReviewCommands(app, desk) {
  const { act, store } = desk;
  const choosing = () => store.state.choosing !== null;
  // While a reason is chosen, numbers are reasons.
  const number = (place, speed) => () => (choosing() ? act.reason(place) : speed && act.speed(speed));
  return commandMap([
    // A key that is held down must not judge what comes next.
    ["Verdict", "satisfactory", "Satisfactory", ["s"], (event) => !event.repeat && act.judge("satisfactory"), "check"],
    ["Verdict", "unsatisfactory", "Unsatisfactory, with reasons", ["u"], () => act.choose("unsatisfactory"), "undo"],
    ["Verdict", "rejected", "Reject, with reasons", ["r"], () => act.choose("rejected"), "close"],
    ["Verdict", "send", "Send the verdict", ["Enter"], (event) => !event.repeat && choosing() && act.send(), "check"],
    ["Verdict", "words", "Words to the annotator", ["w"], () => act.focusWords()],
    ["Verdict", "second", "Second opinions", ["t"], (event) => !event.repeat && act.toggleSecond()],

    ["Playing", "play", "Play or pause", [" ", "k"], () => act.togglePlay(), "play"],
    ["Playing", "slow", "Speed 1×", ["1"], number(0, 1)],
    ["Playing", "fast", "Speed 2×", ["2"], number(1, 2)],
    ["Playing", "reason-3", null, ["3"], number(2)],
    ["Playing", "fastest", "Speed 4×", ["4"], number(3, 4)],
    ...[4, 5, 6, 7].map((place) => ["Playing", `reason-${place + 1}`, null, [`${place + 1}`], number(place)]),
    ["Playing", "back", "One frame back", ["ArrowLeft", ","], () => act.step(-1), "back"],
    ["Playing", "next", "One frame on", ["ArrowRight", "."], () => act.step(1), "next"],
    ["Playing", "back-ten", "Ten frames back", ["shift+ArrowLeft"], () => act.step(-10)],
    ["Playing", "next-ten", "Ten frames on", ["shift+ArrowRight"], () => act.step(10)],
    ["Playing", "first", "First frame", ["Home"], () => act.go(0)],
    ["Playing", "last", "Last frame", ["End"], () => act.go(Infinity)],
    ["Playing", "next-doubt", "Next frame the model doubts", ["d"], () => act.doubt(), "doubt"],
    ["Playing", "previous-doubt", "Doubted frame before", ["shift+d"], () => act.doubt(true)],

    ["View", "look", "Tint, cut out, outline, picture", ["m"], () => act.nextLook(), "eye"],
    ["View", "theme", "Light or dark", ["shift+l"], () => app.act.toggleTheme(), "sun"],
    ["View", "help", "All keys", ["?"], () => app.act.openHelp(), "help"],
    ["View", "escape", "Choose again; back to the project", ["Escape"], () => (choosing() ? act.choose(null) : act.backToProject())],
  ]);
}
