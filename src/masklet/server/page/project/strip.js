// The slim bar over the stage while a project's masklet is drawn: what it is, why it came back, and the end.

import { commandButton } from "../ui/buttons.js";
import { h, icon } from "../ui/dom.js";

export function mountStrip(app) {
  const { store, act } = app;
  const place = document.getElementById("strip");
  const submit = commandButton(app, "submit", { text: "Submit", cls: "primary" });
  submit.append(h("kbd", { "aria-hidden": "true" }, "Ctrl ↵"));
  const button = (text, run) => h("button", { type: "button", class: "button", onclick: run }, text);
  const back = button("Give back", act.giveBack);
  const leave = button("Back to the project", act.backToProject);
  const again = button("Try again", act.holdAgain);
  const present = button("Open it as it is now", act.takeUp);

  store.watch(["sitting", "session"], ({ sitting, session }) => {
    place.hidden = !sitting;
    if (!sitting) return;
    const { state, task, message, project } = sitting;
    const lost = state === "lost";
    place.classList.toggle("lost", lost);
    const name = session?.objects[0]?.name ?? "";
    submit.disabled = back.disabled = state !== "open";
    submit.querySelector("span").textContent = state === "sending" ? "Sending" : "Submit";
    place.replaceChildren(
      h("button", { type: "button", class: "crumb", onclick: act.backToProject }, project ?? "Project"),
      h("span", { "aria-hidden": "true" }, "›"),
      h("b", {}, task ? `${name} of ${task.masklet.video}` : name),
      h("span", { class: "said-back", role: "status" }, ...(lost ? [icon("lock"), `${sentence(message)} Your work stays here.`] : state === "open" && task ? cameBack(task) : [])),
      ...(lost ? [sitting.present ? present : again, leave] : [back, submit]),
    );
  });
}

/** Why a masklet came back, in the reviewer's words. */
function cameBack({ reasons, words }) {
  if (!reasons.length && !words) return [];
  const why = reasons.map((one) => one.replaceAll("-", " ")).join(", ");
  return [icon("undo"), h("span", {}, "It came back", why && ": ", why && h("em", {}, why), words && ` “${words}”`)];
}

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;
