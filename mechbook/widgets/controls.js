// @ts-check
// Native controls with a label: a range, a choice, a line of text, buttons. Each can be set without telling of it.
import { fresh, h, show } from "./kit.js";

/** @typedef {string | number} Value what a control gives: one of the values it was given */
/** @typedef {[value: Value, words: string][]} Options */

/**
 * A labelled slider over given values, with its value beside it. `set` takes all values and the one that is shown.
 * @param {{ label: string, words?: (value: any) => string, input: (value: any) => void, wide?: boolean }} how
 */
export function slider({ label, words = String, input, wide = false }) {
  const id = fresh("slider"), shown = h("output", { class: "mb-readout", for: id });
  const track = h("input", { type: "range", id, min: 0, max: 0, step: 1 });
  /** @type {readonly Value[]} */
  let known = [];
  /**
   * @param {readonly Value[]} values
   * @param {Value} value
   */
  const set = (values, value) => {
    known = values;
    track.max = String(values.length - 1);
    track.value = String(values.indexOf(value));
    track.setAttribute("aria-valuetext", words(value));
    show(shown, value, words(value));
  };
  track.addEventListener("input", () => input(known[track.valueAsNumber]));
  return { element: h("div", { class: wide ? "mb-control mb-whole" : "mb-control" }, h("label", { for: id }, label), track, shown), set };
}

/**
 * A labelled choice. `set` takes all options and the value that is chosen.
 * @param {{ label: string, change: (value: any) => void, wide?: boolean }} how
 */
export function select({ label, change, wide = false }) {
  const id = fresh("select"), box = h("select", { id });
  /** @type {Options} */
  let known = [];
  let offered = "";
  /**
   * @param {Options} options
   * @param {Value} value
   */
  const set = (options, value) => {
    const offer = JSON.stringify(options);
    if (offer !== offered) box.replaceChildren(...options.map(([key, words]) => h("option", { value: key }, words)));
    [known, offered] = [options, offer];
    box.value = String(value);
  };
  box.addEventListener("change", () => change(known[box.selectedIndex][0]));
  return { element: h("div", { class: wide ? "mb-control mb-whole" : "mb-control" }, h("label", { for: id }, label), box), set };
}

/**
 * A labelled line of text. `check` gives null, or a sentence that says what is wrong; only checked text is passed on.
 * @param {{ label: string, hint: string, check: (text: string) => string | null, input: (text: string) => void }} how
 */
export function textInput({ label, check, input, hint: first }) {
  let hint = first;
  const id = fresh("text"), said = h("p", { class: "mb-message", id: fresh("message"), role: "status" });
  const box = h("input", {
    type: "text", id, "aria-describedby": said.id, autocomplete: "off", autocapitalize: "off", spellcheck: "false",
  });
  /** @param {string | null} problem */
  const say = (problem) => {
    box.setAttribute("aria-invalid", problem ? "true" : "false");
    // what is said already is not said again
    if (said.textContent !== (problem ?? hint)) said.textContent = problem ?? hint;
    said.classList.toggle("mb-problem", Boolean(problem));
  };
  box.addEventListener("input", () => {
    const problem = check(box.value);
    say(problem);
    if (!problem) input(box.value);
  });
  /**
   * @param {string} text
   * @param {string} [now] the hint from here on
   */
  const set = (text, now = hint) => {
    if (box.value !== text) box.value = text;
    hint = now;
    say(null);
  };
  return { element: h("div", { class: "mb-control mb-wide" }, h("label", { for: id }, label), box, said), box, set, say };
}

/**
 * Buttons for the moments that matter. `set` takes the words of each and whether it is pressed.
 * @param {{ label: string, press: (index: number) => void }} how
 */
export function presets({ label, press }) {
  const element = h("div", { class: "mb-presets", role: "group", "aria-label": label });
  /** @type {HTMLButtonElement[]} */
  let buttons = [];
  /** @param {[words: string, pressed: boolean][]} all */
  const set = (all) => {
    // The same buttons stay, and with them the reader's place among them.
    if (all.length !== buttons.length || all.some(([words], i) => buttons[i].textContent !== words)) {
      buttons = all.map(([words], i) => h("button", { type: "button", click: () => press(i) }, words));
      element.replaceChildren(...buttons);
    }
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(all[i][1])));
  };
  return { element, set };
}

/**
 * Boxes to tick, under a name for all of them. `set` takes those that are ticked.
 * @param {{ label: string, options: [value: string, words: string][], change: (ticked: string[]) => void }} how
 */
export function ticks({ label, options, change }) {
  const boxes = options.map(([value]) => h("input", { type: "checkbox", id: fresh("tick"), value }));
  for (const box of boxes) box.addEventListener("change", () => change(boxes.filter((one) => one.checked).map((one) => one.value)));
  const items = options.map(([, words], i) => h("span", { class: "mb-tick" }, boxes[i], h("label", { for: boxes[i].id }, words)));
  /** @param {string[]} ticked */
  const set = (ticked) => boxes.forEach((box) => { box.checked = ticked.includes(box.value); });
  return { element: h("fieldset", { class: "mb-ticks" }, h("legend", {}, label), ...items), set };
}

/**
 * A button under its label.
 * @param {string} label
 * @param {HTMLButtonElement} own
 * @param {HTMLElement} [beside]
 */
export const labelled = (label, own, beside) => h("div", { class: "mb-control", role: "group", "aria-label": label },
  h("span", { class: "mb-label" }, label), own, beside);

/**
 * A labelled button; `beside` stands after it.
 * @param {{ label: string, words: string, press: () => void, beside?: HTMLElement }} how
 */
export function button({ label, words, press, beside }) {
  return labelled(label, h("button", { type: "button", click: press }, words), beside);
}
