// What every widget is made of: mechbook.kit. Text from readers and addresses only ever becomes text nodes.
import { style } from "./book.js";
import { unpack } from "./engine.js";

const LONGEST_FRAGMENT = 2000;
let count = 0;

/** An id that no other element of the page has. */
export const fresh = (name) => `mb-${name}-${++count}`;

/** An element with attributes (functions are listeners) and children (strings are text). */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** A number as readouts show it; the whole of it is in data-value. */
export const format = (value) => decimal(value, Math.abs(value) >= 100 ? 0 : 2);

/** A decimal with a minus sign that is one. */
export const decimal = (value, digits) => value.toFixed(digits).replace("-", "−");

/** A number to so many digits that count, however small it is. */
export const short = (value, digits = 3) =>
  (value === 0 ? "0" : value < 0.001 ? value.toExponential(1) : String(Number(value.toPrecision(digits))));

export function show(element, value, text = format(value)) {
  element.dataset.value = String(value);
  element.textContent = text;
}

/** A character as figures show it. */
export const glyph = (character) => ({ "\n": "↵", " ": "␣" })[character] ?? character;

/** A character in a sentence. */
export const spoken = (character) => ({ "\n": "a line break", " ": "a space" })[character] ?? `“${character}”`;

// ---- the frame -----------------------------------------------------------------------------------------------------

function addStyle() {
  const known = document.getElementById("mechbook-style");
  if (known) known.remove();
  const sheet = h("style", { id: "mechbook-style" });
  sheet.textContent = style;
  document.head.append(sheet);
}

/** The widget's own box in `el`, with its title, and its static picture hidden. */
export function frame(el, { name, title }) {
  if (document.getElementById("mechbook-style")?.textContent !== style) addStyle();
  const heading = h("p", { class: "mb-widget-title", id: fresh("title") }, title);
  const root = h("section", { class: "mb-widget", "aria-labelledby": heading.id, "data-widget": name }, heading);
  // Beside notebook shortcuts: typing here is typing here.
  root.setAttribute("data-lm-suppress-shortcuts", "true");
  el.append(root);
  document.getElementById(name)?.classList.add("mb-live");
  return root;
}

/** Run `draw` once before the next repaint, however often it is asked for. */
export function scheduler(draw) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; draw(); });
  };
}

/** Call `draw` when the theme changes; returns what stops it. */
export function onTheme(draw) {
  const watcher = new MutationObserver(draw);
  for (const element of [document.documentElement, document.body]) {
    watcher.observe(element, { attributes: true, attributeFilter: ["data-theme", "data-jp-theme-light"] });
  }
  return () => watcher.disconnect();
}

// ---- controls ------------------------------------------------------------------------------------------------------

/** A labelled slider over given values, with its value beside it. */
export function slider({ label, values, value, input, words = String }) {
  const id = fresh("slider"), shown = h("output", { class: "mb-readout", for: id });
  const range = h("input", { type: "range", id, min: 0, max: values.length - 1, step: 1 });
  const set = (next) => {
    range.value = values.indexOf(next);
    range.setAttribute("aria-valuetext", words(next));
    show(shown, next, words(next));
  };
  range.addEventListener("input", () => { set(values[range.valueAsNumber]); input(values[range.valueAsNumber]); });
  set(value);
  return { element: h("div", { class: "mb-control" }, h("label", { for: id }, label), range, shown), set };
}

/** A labelled choice; options are [value, words], and `offer` takes others. */
export function select({ label, options, value, change }) {
  const id = fresh("select");
  const box = h("select", { id, change: () => change(box.value) });
  const offer = (next) => box.replaceChildren(...next.map(([key, words]) => h("option", { value: key }, words)));
  offer(options);
  const set = (next) => { box.value = next; };
  set(value);
  return { element: h("div", { class: "mb-control" }, h("label", { for: id }, label), box), set, offer };
}

/** A labelled line of text. `check` gives null, or a sentence that says what is wrong; only checked text is passed on. */
export function textInput({ label, value, check, input, hint }) {
  const id = fresh("text"), said = h("p", { class: "mb-message", id: fresh("message"), role: "status" });
  const box = h("input", {
    type: "text", id, "aria-describedby": said.id, autocomplete: "off", autocapitalize: "off", spellcheck: "false",
  });
  const say = (problem) => {
    box.setAttribute("aria-invalid", problem ? "true" : "false");
    said.textContent = problem ?? hint ?? "";
    said.classList.toggle("mb-problem", Boolean(problem));
  };
  box.addEventListener("input", () => {
    const problem = check(box.value);
    say(problem);
    if (!problem) input(box.value);
  });
  const set = (next) => { if (box.value !== next) box.value = next; say(null); };
  set(value);
  return { element: h("div", { class: "mb-control mb-wide" }, h("label", { for: id }, label), box, said), set, say };
}

/** Buttons for the moments that matter; the one whose state is shown is pressed. */
export function presets({ label, options, press }) {
  const buttons = options.map(([key, words]) =>
    h("button", { type: "button", "data-preset": key, click: () => press(key) }, words));
  const set = (current) => {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.preset === String(current)));
  };
  set(null);
  return { element: h("div", { class: "mb-presets", role: "group", "aria-label": label }, ...buttons), set };
}

/** A button that draws the embeddings anew, with the number of the draw. */
export function again({ label, value, press }) {
  const shown = h("output", { class: "mb-readout" });
  const button = h("button", { type: "button", click: () => press() }, "Draw again");
  const set = (draw) => show(shown, draw, `draw ${draw}`);
  set(value);
  return { element: h("div", { class: "mb-control", role: "group", "aria-label": label }, h("span", { class: "mb-label" }, label), button, shown), set };
}

/** A line for what a widget has to tell beside its sentence. */
export function notice() {
  const element = h("p", { class: "mb-message mb-problem mb-notice", role: "status" });
  return { element, say: (words) => { element.textContent = words ?? ""; } };
}

/** The sentence that says what one sees. */
export function sentence() {
  const element = h("p", { class: "mb-says", role: "status", "aria-live": "polite" });
  return { element, say: (words) => { if (element.textContent !== words) element.textContent = words; } };
}

// ---- a state that a link carries -----------------------------------------------------------------------------------

/** The state in the address, `#name?key=value&...`, as an object of strings; null when it is not for this widget. */
export function stateInAddress(name) {
  const { hash } = window.location;
  if (hash !== `#${name}` && !hash.startsWith(`#${name}?`)) return null;
  if (hash.length > LONGEST_FRAGMENT) return { tooLong: String(hash.length) };
  return Object.fromEntries(new URLSearchParams(hash.slice(name.length + 2)));
}

/** Of an address, the values that are among the allowed ones, {key: [value, ...]}, and words on what is not. */
export function allowedValues(found, allowed) {
  const taken = {}, left = found.tooLong ? ["it is too long"] : [];
  for (const [key, values] of Object.entries(allowed)) {
    if (!Object.hasOwn(found, key)) continue;
    const index = values.map(String).indexOf(found[key]);
    if (index < 0) left.push(`${key} cannot be “${found[key].slice(0, 20)}”`);
    else taken[key] = values[index];
  }
  return { taken, problem: left.length ? `Of the link this was left out: ${left.join("; ")}.` : null };
}

/** A button that puts the state into the address and, where it may, into the clipboard. */
export function linkButton({ name, state }) {
  const said = h("span", { class: "mb-link-said", role: "status" });
  const button = h("button", { type: "button", class: "mb-link-button" }, "Link to this view");
  button.addEventListener("click", async () => {
    const fragment = `#${name}?${new URLSearchParams(state())}`;
    window.history.replaceState(window.history.state, "", fragment);
    try {
      await navigator.clipboard.writeText(window.location.href);
      said.textContent = "Copied; the address shows it too.";
    } catch (error) {
      // Pages from files, and readers who refuse, have no clipboard.
      said.textContent = "The address now shows it.";
    }
  });
  return { element: h("div", { class: "mb-link" }, button, said) };
}

/** Take the state in the address, now and whenever it changes; returns what stops it. */
export function followAddress(name, root, take) {
  const read = () => {
    const state = stateInAddress(name);
    if (state === null) return;
    take(state);
    root.scrollIntoView({ block: "start" });
  };
  window.addEventListener("hashchange", read);
  read();
  return () => window.removeEventListener("hashchange", read);
}

// ---- weights -------------------------------------------------------------------------------------------------------

const unpacked = new WeakMap();

/** The tensors of a widget's store, unpacked once for all widgets of the page. */
export async function weightsOf(model) {
  const store = await model.widget_manager.get_model(model.get("store").replace("IPY_MODEL_", ""));
  if (!unpacked.has(store)) {
    const view = store.get("data");
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    unpacked.set(store, unpack(store.get("description"), bytes));
  }
  return unpacked.get(store);
}
