// An object's name: it lets clicks and keys through until somebody means to change it, by a double click, F2 or Enter.

import { h } from "./dom.js";

export function objectName(app, id) {
  const { act, store } = app;
  const known = () => store.state.session?.objects.find((one) => one.id === id)?.name ?? "";
  const field = h("input", {
    class: "name", maxlength: 80, spellcheck: "false", readonly: true, "aria-label": `Name of object ${id}`, "aria-keyshortcuts": "F2",
    onfocus: () => act.select(id), ondblclick: edit, onblur: leave,
  });

  function edit() {
    if (!field.readOnly || !act.mayChange(id)) return;
    field.blur(); // a phone brings its keyboard for a field that gets the focus, not for one that has it
    field.readOnly = false;
    field.focus();
    field.select();
  }

  function leave() {
    if (field.readOnly) return;
    field.readOnly = true;
    const name = field.value.trim();
    field.value = known();
    if (field.value && name && name !== field.value) act.changeObject(id, { name });
  }

  field.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey) return;
    if (field.readOnly) return event.key === "Enter" && edit();
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.stopPropagation(); // it ends the editing, and nothing else
    if (event.key === "Escape") field.value = known();
    field.blur();
  });

  field.edit = edit;
  field.show = (name) => field.readOnly && (field.value = name);
  return field;
}
