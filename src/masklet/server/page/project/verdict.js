// What is judged, and the verdict: three buttons with their keys, and reasons for all but the first.

import { caps } from "../ui/commands.js";
import { h, icon, toggle } from "../ui/dom.js";

const MADE = { automatic: "found by the model", manual: "drawn by a person", imported: "imported" };

export function verdictPanel(app) {
  const { store, act, commands } = app.desk;
  const about = h("div", { class: "about-task" });
  const why = h("fieldset", { class: "reasons", hidden: true });
  const list = h("div", { class: "reason-list" });
  const title = h("legend", {});
  const words = h("input", {
    class: "field", id: "review-words", maxlength: 2000, placeholder: "Words to the annotator (W)", "aria-label": "Words to the annotator",
    oninput: () => store.set({ words: words.value }), onkeydown: (event) => event.key === "Enter" && act.send(),
  });
  const send = h("button", { type: "button", class: "button primary", onclick: act.send });
  const said = h("p", { class: "said", role: "alert" });
  const second = toggle({ label: "Second opinions", value: false, onchange: () => (act.toggleSecond(), second.set(store.state.second)) });
  second.firstChild.append(" ", cap("t"));
  const foot = h("p", { class: "tally", role: "status" });
  act.focusWords = () => !why.hidden && words.focus();

  const buttons = [
    ["satisfactory", "Satisfactory", "good", () => act.judge("satisfactory")],
    ["unsatisfactory", "Unsatisfactory", "warn", () => act.choose("unsatisfactory")],
    ["rejected", "Reject", "bad", () => act.choose("rejected")],
  ].map(([name, label, tone, run]) => {
    const key = commands.get(name).keys[0];
    return h("button", { type: "button", class: `verdict ${tone}`, data: { verdict: name }, "aria-keyshortcuts": key.toUpperCase(), onclick: run }, icon(commands.get(name).icon), h("span", {}, label), cap(key));
  });

  const panel = h("aside", { class: "review-panel", "aria-label": "Verdict" }, about, h("div", { class: "verdicts", role: "group", "aria-label": "Verdict" }, buttons), why, said, h("div", { class: "review-foot" }, second, foot));

  why.append(title, list, words, h("div", { class: "send-row" }, send, h("button", { type: "button", class: "button quiet", onclick: () => act.choose(null) }, "Cancel", cap("Escape"))));

  store.watch(["task"], ({ task }) => about.replaceChildren(...(task ? aboutTask(task) : [])));
  app.store.watch(["project"], ({ project }) => {
    const known = Object.entries(project?.reasons ?? {});
    list.replaceChildren(...known.map(([name, meaning], place) => reason(name, meaning, place, act)));
  });
  store.watch(["choosing", "reasons", "state"], ({ choosing, reasons, state }) => {
    const busy = state !== "open";
    buttons.forEach((button) => {
      button.disabled = busy;
      const name = button.dataset.verdict;
      if (name !== "satisfactory") button.setAttribute("aria-expanded", String(choosing === name));
    });
    why.hidden = choosing === null;
    panel.classList.toggle("choosing", choosing !== null);
    title.textContent = choosing === "rejected" ? "Why reject it?" : "What is wrong?";
    list.querySelectorAll("input").forEach((box) => (box.checked = reasons.includes(box.value)));
    send.replaceChildren(h("span", {}, state === "sending" ? "Sending" : choosing === "rejected" ? "Reject" : "Send back"), cap("Enter"));
    send.disabled = busy;
  });
  store.watch(["words"], ({ words: text }) => document.activeElement !== words && (words.value = text));
  store.watch(["message", "state"], ({ message, state }) => (said.textContent = state === "open" && message ? message : ""));
  store.watch(["second"], ({ second: on }) => second.set(on));
  store.watch(["judged", "waiting", "second"], ({ judged, waiting, second: on }) => {
    foot.textContent = `${judged} judged${on ? "" : ` · ${waiting} waiting`}`;
  });
  return panel;
}

function aboutTask({ masklet, reasons }) {
  const doubt = Math.round(masklet.doubt * 100);
  return [
    h("h1", {}, masklet.category === "object" ? `Object ${masklet.number}` : masklet.category),
    h("p", {}, `${masklet.category === "object" ? "Of" : `Object ${masklet.number} of`} ${masklet.video}, ${MADE[masklet.origin] ?? masklet.origin}`),
    h("div", { class: "doubt-row" }, h("span", {}, "The model's doubt"), h("div", { class: "meter", role: "meter", "aria-label": "The model's doubt", "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": doubt }, h("i", { style: `width: ${doubt}%` })), h("b", {}, `${doubt} %`)),
    masklet.rounds > 1 && h("p", { class: "round" }, icon("undo"), `Round ${masklet.rounds}. It came back${reasons.length ? `: ${reasons.join(", ")}` : ""}`),
  ].filter(Boolean);
}

function reason(name, meaning, place, act) {
  const box = h("input", { type: "checkbox", id: `reason-${name}`, value: name, onchange: () => act.reason(place) });
  return h("label", { for: `reason-${name}`, class: "reason" }, box, h("span", {}, h("b", {}, name.replaceAll("-", " ")), h("small", {}, meaning)), cap(String(place + 1)));
}

/** A key's cap; what it does is told by what it stands on. */
const cap = (key) => h("kbd", { "aria-hidden": "true" }, key === "Enter" ? "↵" : caps(key).join(""));
