// @ts-check
// What every widget is made of. Text from readers and addresses only ever becomes text nodes.
import { style } from "./book.js";
import { unpack } from "./tensors.js";

/** @typedef {import("./tensors.js").Tensors} Tensors */
/** @typedef {{ get(key: string): any }} Store the weights of a page as mechbook/widgets/base.py sends them */
/**
 * anywidget's model of a widget: its traits by name, and the manager that knows its store.
 * @typedef {{ get(key: string): any, widget_manager: { get_model(id: string): Promise<Store> } }} Model
 */
/** @typedef {(place: { model: Model, el: HTMLElement }) => Promise<() => void>} Widget draws itself into el; returns what stops it */
/** @typedef {string | number | boolean | null | undefined} Attribute */
/** @typedef {{ element: HTMLElement, say(words: string | null): void }} Line a line of text that changes */

const SVG = "http://www.w3.org/2000/svg";
let count = 0;

/**
 * An id that no other element of the page has.
 * @param {string} name
 */
export const fresh = (name) => `mb-${name}-${++count}`;

/**
 * An element with attributes (functions are listeners) and children (strings are text).
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, Attribute | ((event: Event) => void)>} attributes
 * @param {(Node | string | null | undefined)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/**
 * The same for a drawing.
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number>} attributes
 * @param {(Node | string)[]} children
 * @returns {SVGElementTagNameMap[K]}
 */
export function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

// ---- numbers and characters in words -------------------------------------------------------------------------------

/**
 * A decimal with a minus sign that is one.
 * @param {number} value
 * @param {number} digits
 */
export const decimal = (value, digits) => value.toFixed(digits).replace(/^-(?=[0.]*$)/, "").replace("-", "−");

/**
 * A number as readouts show it; the whole of it is in data-value.
 * @param {number} value
 */
export const format = (value) => decimal(value, Math.abs(value) >= 100 ? 0 : 2);

/**
 * A share of 1 in percent: whole ones, with a decimal below 10 and above 99. Only 0 is 0%, and only 1 is 100%.
 * @param {number} part
 */
export function percent(part) {
  if (part > 0 && part < 0.0005) return "<0.1%";
  if (part > 0.9995 && part < 1) return ">99.9%";
  return (part > 0 && part < 0.0995) || (part > 0.99 && part < 1) ? `${(100 * part).toFixed(1)}%` : `${Math.round(100 * part)}%`;
}

/**
 * A number to so many digits that count, however small it is.
 * @param {number} value
 */
export const short = (value, digits = 3) =>
  (value === 0 ? "0" : value < 0.001 ? value.toExponential(1) : String(Number(value.toPrecision(digits))));

/**
 * Put a text into an element that has nothing else. A text that is there is changed, not replaced: with another child the
 * page would look anew for what its rules with :has() hold of, which takes milliseconds on a long page.
 * @param {HTMLElement} element
 * @param {string} text
 */
export function write(element, text) {
  const { firstChild } = element;
  if (!(firstChild instanceof Text) || firstChild.nextSibling) element.textContent = text;
  else if (firstChild.data !== text) firstChild.data = text;
}

/**
 * Show a value on an element.
 * @param {HTMLElement} element
 * @param {any} value
 * @param {string} text
 */
export function show(element, value, text = format(value)) {
  element.dataset.value = String(value);
  write(element, text);
}

/** @type {Record<string, string>} */
const GLYPHS = { "\n": "↵", " ": "␣" };
/** @type {Record<string, string>} */
const NAMES = { "\n": "a line break", " ": "a space" };

/**
 * A character as figures show it.
 * @param {string} character
 */
export const glyph = (character) => GLYPHS[character] ?? character;

/**
 * A text that a reader typed, as a sentence may quote it: what would turn the sentence around, or is not seen, by its
 * code point.
 * @param {string} text
 */
export const legible = (text) => text.replace(/[\p{Cc}\p{Cf}]/gu, (character) => `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`);

/**
 * A character in a sentence.
 * @param {string} character
 */
export const spoken = (character) => NAMES[character] ?? `“${character}”`;

/**
 * 0, 1, ..., n - 1.
 * @param {number} n
 */
export const range = (n) => Array.from({ length: n }, (_, i) => i);

// ---- the frame -----------------------------------------------------------------------------------------------------

function addStyle() {
  const known = document.getElementById("mechbook-style");
  if (known) known.remove();
  const sheet = h("style", { id: "mechbook-style" });
  sheet.textContent = style;
  document.head.append(sheet);
}

/**
 * The widget's own box in `el`, with its title, and its static picture hidden.
 * @param {HTMLElement} el
 * @param {{ name: string, title: string }} words
 */
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

/**
 * Run `draw` once before the next repaint, however often it is asked for.
 * @param {() => void} draw
 */
export function scheduler(draw) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; draw(); });
  };
}

/**
 * Call `draw` when the theme changes; returns what stops it.
 * @param {() => void} draw
 */
export function onTheme(draw) {
  const watcher = new MutationObserver(draw);
  for (const element of [document.documentElement, document.body]) {
    watcher.observe(element, { attributes: true, attributeFilter: ["data-theme", "data-jp-theme-light"] });
  }
  return () => watcher.disconnect();
}

/**
 * A line for what a widget has to tell beside its sentence.
 * @returns {Line}
 */
export function notice() {
  const element = h("p", { class: "mb-notice", role: "status" });
  return { element, say: (words) => { element.textContent = words ?? ""; } };
}

/**
 * The sentence that says what one sees.
 * @returns {Line}
 */
export function sentence() {
  const element = h("p", { class: "mb-says", role: "status", "aria-live": "polite" });
  return { element, say: (words) => { if (element.textContent !== words) element.textContent = words; } };
}

/**
 * The longest of some texts.
 * @param {string[]} texts
 */
export const longestOf = (texts) => texts.reduce((x, y) => (y.length > x.length ? y : x));

/**
 * What a picture leaves to be said.
 * @param {string} words
 */
export const remark = (words) => h("p", { class: "mb-axes" }, words);

/**
 * Pictures beside each other, as far as the width reaches.
 * @param {{ element: HTMLElement }[]} pictures
 */
export const panels = (...pictures) => h("div", { class: "mb-panels" }, ...pictures.map((picture) => picture.element));

/**
 * Put values where the tests and the console find them.
 * @param {HTMLElement} root
 * @param {Record<string, unknown>} values
 */
export function expose(root, values) {
  for (const [key, value] of Object.entries(values)) root.dataset[key] = String(value);
}

// ---- weights -------------------------------------------------------------------------------------------------------

/** @type {WeakMap<Store, Promise<Tensors>>} */
const unpacked = new WeakMap();

/**
 * The tensors of a widget's store, unpacked once for all widgets of the page.
 * @param {Model} model
 * @returns {Promise<Tensors>}
 */
export async function weightsOf(model) {
  const store = await model.widget_manager.get_model(model.get("store").replace("IPY_MODEL_", ""));
  let tensors = unpacked.get(store);
  if (!tensors) {
    const view = store.get("data");
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    tensors = unpack(store.get("description"), bytes);
    unpacked.set(store, tensors);
  }
  return tensors;
}
