// @ts-check
// The parts of a widget's state that several widgets have: a slider, a choice, a draw of random numbers, a sequence.
import { button, labelled, select, slider as slide, textInput, ticks as boxes } from "./controls.js";
import { h, legible, show } from "./kit.js";

/** @typedef {import("./controls.js").Value} Value */
/** @typedef {import("./state.js").Values} Values */
/** @typedef {import("./state.js").Declared} Declared */
/**
 * What a part may be given: the same always, or what the other parts make of it.
 * @template T
 * @typedef {T | ((values: any) => T)} Given
 */

/**
 * @template T
 * @param {Given<T>} given
 * @param {Values} values
 * @returns {T}
 */
const resolve = (given, values) => (given instanceof Function ? given(values) : given);

/**
 * The value nearest to a wanted one; of two as near the first.
 * @param {readonly number[]} values
 * @param {number} wanted
 */
export const nearest = (values, wanted) => values.reduce((a, b) => (Math.abs(b - wanted) < Math.abs(a - wanted) ? b : a));

/**
 * Take the key's value out of an address where it is among the allowed ones.
 * @param {string} key
 * @param {Given<readonly Value[]>} allowed
 * @returns {(found: Record<string, string>, values: Values) => string[]}
 */
const oneOf = (key, allowed) => (found, values) => {
  if (!Object.hasOwn(found, key)) return [];
  const all = resolve(allowed, values), index = all.map(String).indexOf(found[key]);
  if (index < 0) return [`${key} cannot be “${legible(found[key].slice(0, 20))}”`];
  values[key] = all[index];
  return [];
};

/**
 * The same, where the nearest allowed number will do.
 * @param {string} key
 * @param {Given<readonly number[]>} allowed
 * @returns {(found: Record<string, string>, values: Values) => string[]}
 */
const nearOne = (key, allowed) => (found, values) => {
  if (!Object.hasOwn(found, key)) return [];
  if (!/^\d{1,7}$/.test(found[key])) return [`its ${key} is not a number`];
  const wanted = Number(found[key]);
  values[key] = nearest(resolve(allowed, values), wanted);
  return values[key] === wanted ? [] : [`${key} ${wanted} is not kept, the nearest is ${values[key]}`];
};

/**
 * A number on a slider. With `near` an address may name any number, and gets the nearest.
 * @param {{ label: string, values: Given<readonly number[]>, words?: (value: number) => string, near?: boolean, wide?: boolean }} how
 * @returns {Declared}
 */
export const slider = ({ label, values: allowed, near = false, ...how }) => (key, change) => {
  const control = slide({ label, ...how, input: (value) => change({ [key]: value }) });
  return {
    elements: [control.element],
    show: (values) => control.set(resolve(allowed, values), values[key]),
    take: (near ? nearOne : oneOf)(key, allowed),
    carry: (values) => ({ [key]: String(values[key]) }),
  };
};

/**
 * One of several options, each a value and its words.
 * @param {{ label: string, options: Given<import("./controls.js").Options>, wide?: boolean }} how
 * @returns {Declared}
 */
export const choice = ({ label, options, wide }) => (key, change) => {
  const control = select({ label, wide, change: (value) => change({ [key]: value }) });
  return {
    elements: [control.element],
    show: (values) => control.set(resolve(options, values), values[key]),
    take: oneOf(key, (values) => resolve(options, values).map(([value]) => value)),
    carry: (values) => ({ [key]: String(values[key]) }),
  };
};

/**
 * Some of several options, none to all.
 * @param {{ label: string, options: [value: string, words: string][] }} how
 * @returns {Declared}
 */
export const ticks = ({ label, options }) => (key, change) => {
  const control = boxes({ label, options, change: (ticked) => change({ [key]: ticked }) });
  return {
    elements: [control.element],
    show: (values) => control.set(values[key]),
    take(found, values) {
      if (!Object.hasOwn(found, key)) return [];
      const named = found[key] ? found[key].split(",") : [], strange = named.find((name) => !options.some(([value]) => value === name));
      if (strange !== undefined) return [`${key} cannot be “${legible(strange.slice(0, 20))}”`];
      values[key] = options.map(([value]) => value).filter((value) => named.includes(value));
      return [];
    },
    carry: (values) => ({ [key]: values[key].join(",") }),
  };
};

const DRAWS = Array.from({ length: 999 }, (_, i) => i + 1);

/**
 * The number of a random draw, with a button for the next one.
 * @param {{ label: string }} how
 * @returns {Declared}
 */
export const draws = ({ label }) => (key, change) => {
  const beside = h("output", { class: "mb-readout" });
  let now = 1;
  const press = () => change({ [key]: (now % DRAWS.length) + 1 });
  return {
    elements: [button({ label, words: "Draw again", press, beside })],
    show(values) {
      now = values[key];
      show(beside, now, `draw ${now}`);
    },
    take: oneOf(key, DRAWS),
    carry: (values) => ({ [key]: String(values[key]) }),
  };
};

/**
 * What a model reads: a choice among named texts, unless `offers` is empty, and a line of the reader's own. `toLine` and
 * `fromLine` lead to what a line can show and back; `insert` has a button that writes its character where the reader writes,
 * up to `most` characters in all.
 * @param {{
 *   offers: [name: string, text: string][], hint: Given<string>, check: (line: string) => string | null,
 *   toLine: (text: string) => string, fromLine: (line: string) => string, insert?: { label: string, text: string, most: number },
 * }} how
 * @returns {Declared}
 */
export const sequence = ({ offers, hint, check, toLine, fromLine, insert }) => (key, change) => {
  /** @type {import("./controls.js").Options} */
  const options = [...offers.map(([name], i) => /** @type {[number, string]} */ ([i, name])), ["own", "your own"]];
  /** @type {string | null} */
  let shown = null;
  let said = typeof hint === "string" ? hint : "";
  /** @param {string} text */
  const put = (text) => { shown = text; line.set(toLine(text), said); room(); };
  const named = select({
    label: "Sequence", wide: true,
    change: (index) => {
      if (index === "own") return;
      put(offers[index][1]);
      change({ [key]: offers[index][1] });
    },
  });
  const line = textInput({
    label: "The model reads", hint: said, check,
    input: (typed) => { shown = fromLine(typed); change({ [key]: shown }); },
  });
  const add = insert && h("button", { type: "button", click: () => write(insert.text) }, `Insert ${insert.text}`);
  const room = () => {
    if (insert && add) add.disabled = [...line.box.value].length >= insert.most;
  };
  let touched = false;
  line.box.addEventListener("focus", () => { touched = true; });
  line.box.addEventListener("input", room);
  /** @param {string} text */
  const write = (text) => {
    // where nobody has written yet: before the last one, which is the one that is asked about
    const all = [...line.box.value], before = all.slice(0, -1).join("").length;
    if (!touched) line.box.setSelectionRange(before, before);
    line.box.setRangeText(text, line.box.selectionStart ?? 0, line.box.selectionEnd ?? 0, "end");
    line.box.dispatchEvent(new Event("input"));
    line.box.focus();
  };
  return {
    elements: [
      ...(offers.length ? [named.element] : []),
      ...(insert && add ? [labelled(insert.label, add)] : []),
      line.element,
    ],
    show(values, anew) {
      const text = values[key], index = offers.findIndex(([, known]) => known === text);
      named.set(options, index < 0 ? "own" : index);
      said = resolve(hint, values);
      // What a reader is typing, right or wrong, stays as it is.
      if (anew || text !== shown) put(text);
    },
    take(found, values) {
      if (!Object.hasOwn(found, key)) return [];
      const problem = check(found[key]);
      if (problem) return [problem];
      values[key] = fromLine(found[key]);
      return [];
    },
    carry: (values) => ({ [key]: values[key] }),
    say: line.say,
  };
};

/**
 * A line of the reader's own. `ready` gets what tells of a problem that is found later than `check`, and takes it back.
 * @param {{
 *   label: string, hint: string, check: (text: string) => string | null, ready?: (say: (problem: string | null) => void) => void,
 * }} how
 * @returns {Declared}
 */
export const line = ({ label, hint, check, ready = () => {} }) => (key, change) => {
  /** @type {string | null} */
  let shown = null;
  const control = textInput({ label, hint, check, input: (typed) => { shown = typed; change({ [key]: typed }); } });
  ready(control.say);
  return {
    elements: [control.element],
    show(values, anew) {
      // what a reader is typing, right or wrong, stays as it is
      if (!anew && values[key] === shown) return;
      shown = values[key];
      control.set(values[key]);
    },
    take(found, values) {
      if (!Object.hasOwn(found, key)) return [];
      const problem = check(found[key]);
      if (problem) return [problem];
      values[key] = found[key];
      return [];
    },
    carry: (values) => ({ [key]: values[key] }),
    say: control.say,
  };
};
