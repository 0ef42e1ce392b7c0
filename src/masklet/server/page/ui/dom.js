// Making elements: enough for a page without a framework.

/** h("button", { class: "x", onclick: f, data: { tip: "…" } }, children…). false and null leave things out. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || (value === false && !name.startsWith("aria-"))) continue;
    if (name === "data") Object.assign(element.dataset, value);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else if (name === "style") element.style.cssText = value;
    else element.setAttribute(name, value === true && !name.startsWith("aria-") ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A part of a drawing: s("rect", { x: 0 }, children…). */
export function s(tag, props = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(props)) element.setAttribute(name, value);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const icon = (name) => s("svg", { class: "icon", "aria-hidden": "true" }, s("use", { href: `icons.svg#${name}` }));

export function setIcon(button, name) {
  button.querySelector("use")?.setAttribute("href", `icons.svg#${name}`);
}

/** A slider that shows how far it is. */
export function slider({ label, min, max, step, value, oninput, text = (number) => number }) {
  const output = h("output", {}, text(value));
  const input = h("input", { type: "range", min, max, step, "aria-label": label, value });
  const show = (number) => {
    input.style.setProperty("--at", ((number - min) / (max - min)) * 100);
    input.setAttribute("aria-valuetext", text(number));
    output.textContent = text(number);
  };
  input.addEventListener("input", () => {
    show(Number(input.value));
    oninput(Number(input.value));
  });
  show(value);
  const row = h("div", { class: "row" }, h("span", { class: "label" }, label), input, output);
  row.set = (number) => {
    if (document.activeElement !== input) input.value = number;
    show(number);
  };
  return row;
}

let serial = 0;
export function toggle({ label, value, onchange }) {
  const id = `toggle-${++serial}`;
  const input = h("input", { type: "checkbox", class: "switch", role: "switch", id, onchange: () => onchange(input.checked) });
  input.checked = value;
  const row = h("div", { class: "row" }, h("label", { for: id }, label), input);
  row.set = (on) => (input.checked = on);
  return row;
}

export function colourField({ label, value, oninput }) {
  const input = h("input", { type: "color", "aria-label": label, value, oninput: () => oninput(input.value) });
  const field = h("span", { class: "swatch" }, input);
  field.set = (colour) => (input.value = colour);
  return field;
}
