// The row of the playhead and of tracking.

import { clock } from "../core/words.js";
import { commandButton, openMenu } from "./buttons.js";
import { h, icon, setIcon } from "./dom.js";

export function transport(app) {
  const { store, act } = app;
  const play = commandButton(app, "play", { cls: "quiet" });
  const frame = frameBox(app);
  const time = h("b", {});
  const total = h("span", {});
  const all = h("span", {});
  const mute = h("button", { type: "button", class: "button only quiet", "aria-label": "Sound", data: { tip: "Sound" }, onclick: () => store.set({ habits: { ...store.state.habits, mute: !store.state.habits.mute } }) }, icon("sound"));
  const row = h(
    "div",
    { class: "transport" },
    h("div", { class: "group" }, commandButton(app, "back", { cls: "quiet" }), play, commandButton(app, "next", { cls: "quiet" }), mute),
    h("div", { class: "clock" }, h("span", {}, time, total), h("span", {}, "Frame"), frame, all),
    h("span", { class: "grow" }),
    doubts(app),
    run(app),
  );

  store.watch(["playing"], ({ playing }) => {
    setIcon(play, playing ? "pause" : "play");
    play.setAttribute("aria-label", playing ? "Pause" : "Play");
  });
  store.watch(["frame", "video", "times"], (state) => {
    if (!state.video) return;
    frame.show();
    frame.max = state.video.frames - 1;
    time.textContent = clock(act.timeOf(state.frame));
    total.textContent = ` / ${clock(state.video.duration ?? act.timeOf(state.video.frames - 1))}`;
    all.textContent = `of ${state.video.frames - 1}`;
    mute.hidden = !state.video.sound;
  });
  store.watch(["habits"], ({ habits }) => {
    setIcon(mute, habits.mute ? "mute" : "sound");
    mute.setAttribute("aria-label", habits.mute ? "Sound on" : "Sound off");
    mute.dataset.tip = habits.mute ? "Sound on" : "Sound off";
  });
  return row;
}

/** The number of the frame that is shown; typed in, it is where to go. */
function frameBox({ store, act }) {
  const box = h("input", {
    class: "field", type: "number", min: 0, "aria-label": "Frame",
    onchange: () => box.value && act.go(box.valueAsNumber), // what is no number has no value
    onkeydown: (event) => event.key === "Enter" && box.blur(),
    onblur: () => (box.value = store.state.frame),
  });
  box.show = () => document.activeElement !== box && (box.value = store.state.frame);
  return box;
}

function doubts(app) {
  const button = commandButton(app, "next-doubt", { text: "0", cls: "quiet doubts" });
  app.store.watch(["doubts", "session"], ({ doubts, session }) => {
    const number = [...doubts].filter(([id]) => session?.objects.some((one) => one.id === id)).reduce((sum, [, places]) => sum + places.length, 0);
    button.hidden = number === 0;
    button.lastChild.textContent = `${number} doubtful`;
    button.setAttribute("aria-label", `${number} doubtful: go to the next`);
  });
  return button;
}

/** The track button; while it runs, its progress with pause, go on and cancel. */
function run(app) {
  const { store, act } = app;
  const begin = h("button", { type: "button", class: "button primary", data: { command: "track", tip: "Track through the whole video", key: "t" }, onclick: () => act.track("both") }, icon("both"), h("span", {}, "Track"));
  const more = h("button", { type: "button", class: "button primary", "aria-label": "Ways to track", "aria-haspopup": "menu", "aria-expanded": "false", onclick: () => openMenu(more, ways(app)) }, icon("down"));
  const split = h("div", { class: "split" }, begin, more);
  const bar = h("i", {});
  const progress = h("div", { class: "progress", role: "progressbar", "aria-label": "Tracking", "aria-valuemin": 0, "aria-valuemax": 100 }, bar);
  const text = h("span", { class: "text" });
  const hold = h("button", { type: "button", class: "button only", onclick: act.toggleRun }, icon("pause"));
  const cancel = h("button", { type: "button", class: "button only", "aria-label": "Cancel tracking", data: { tip: "Cancel: what was tracked stays", key: "Escape" }, onclick: act.cancelRun }, icon("stop"));
  const going = h("div", { class: "run" }, text, progress, hold, cancel);

  store.watch(["run", "session"], ({ run: now, session }) => {
    const on = act.isGoing();
    split.hidden = on;
    going.hidden = !on;
    begin.disabled = !session?.prompts.length;
    const outdated = session?.outdated.length && session.covered.some(([a, b]) => b - a > 1);
    begin.lastChild.textContent = outdated ? "Update tracking" : "Track";
    if (!on) return;
    const paused = now.state === "paused";
    const part = now.total ? now.done / now.total : 0;
    bar.style.width = `${part * 100}%`;
    progress.setAttribute("aria-valuenow", Math.round(part * 100));
    text.textContent = { queued: "Waiting for a turn", paused: `Paused at ${now.done} of ${now.total}` }[now.state] ?? `${now.done} of ${now.total}${now.rate ? ` · ${now.rate.toFixed(now.rate < 10 ? 1 : 0)} fps` : ""}`;
    setIcon(hold, paused ? "play" : "pause");
    hold.setAttribute("aria-label", paused ? "Go on tracking" : "Pause tracking");
    Object.assign(hold.dataset, { tip: paused ? "Go on" : "Pause", key: "t" });
  });
  return h("div", { class: "group" }, split, going);
}

function ways(app) {
  const { act, store } = app;
  const { mark } = store.state;
  return [
    { label: "Whole video, both ways", icon: "both", key: "t", run: () => act.track("both") },
    { label: "Forward from here", icon: "forward", key: "shift+t", run: act.trackOn },
    { label: "Backward from here", icon: "backward", key: "shift+r", run: () => app.commands.get("track-backward").run() },
    { label: "Marked range", icon: "range", key: "r", disabled: mark.start === null && mark.stop === null, run: act.trackRange },
    { label: mark.start === store.state.frame ? "Unmark the range's start" : "Range starts here", icon: "next", key: "i", run: () => act.markRange("start") },
    { label: mark.stop === store.state.frame ? "Unmark the range's end" : "Range ends here", icon: "back", key: "o", run: () => act.markRange("stop") },
  ];
}
