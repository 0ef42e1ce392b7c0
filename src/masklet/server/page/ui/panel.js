// The right-hand panel: two tabs, objects and effects.

import { h, slider, toggle } from "./dom.js";
import { objectList } from "./object_list.js";
import { effectsTab } from "./effects.js";

export function mountPanel(app) {
  const { store } = app;
  const panel = document.getElementById("panel");
  const tabs = [["objects", "Objects", objectList(app)], ["effects", "Effects", effectsTab(app)]].map(([name, text, body]) => ({
    name,
    body: h("div", { class: "tab", role: "tabpanel", id: `tab-${name}`, "aria-label": text }, body),
    button: h("button", { type: "button", class: "button", role: "tab", "aria-controls": `tab-${name}`, onclick: () => store.set({ tab: name }) }, text),
  }));
  const row = h("div", { class: "segments", role: "tablist", "aria-label": "Panel" }, tabs.map((tab) => tab.button));
  row.addEventListener("keydown", (event) => {
    if (!["ArrowLeft", "ArrowRight"].includes(event.key)) return;
    const other = tabs.find((tab) => tab.name !== store.state.tab);
    store.set({ tab: other.name });
    other.button.focus();
    event.preventDefault();
  });
  const foot = look(app);
  panel.append(h("div", { class: "tabs" }, row), ...tabs.map((tab) => tab.body), foot);
  store.watch(["tab"], ({ tab }) => {
    foot.hidden = tab !== "objects";
    for (const { name, body, button } of tabs) {
      body.hidden = name !== tab;
      button.setAttribute("aria-selected", name === tab);
      button.tabIndex = name === tab ? 0 : -1;
    }
  });
}

function look(app) {
  const { store } = app;
  const change = app.act.setLook;
  const { look: now, habits } = store.state;
  const opacity = slider({ label: "Mask opacity", min: 0, max: 1, step: 0.05, value: now.opacity, text: (n) => `${Math.round(n * 100)}%`, oninput: (value) => change({ opacity: value }) });
  const outline = toggle({ label: "Outlines", value: now.outline, onchange: (on) => change({ outline: on }) });
  const hover = toggle({ label: "Preview under the pointer", value: habits.hover, onchange: (on) => store.set({ habits: { ...store.state.habits, hover: on } }) });
  store.watch(["look"], ({ look: news }) => {
    opacity.set(news.opacity);
    outline.set(news.outline);
  });
  store.watch(["habits"], ({ habits: news }) => hover.set(news.hover));
  return h("div", { class: "panel-foot", role: "group", "aria-label": "Look of the masks" }, opacity, outline, hover);
}
