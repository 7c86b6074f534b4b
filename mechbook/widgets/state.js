// @ts-check
// The state of a widget, declared once: its controls, its presets, the link that carries it, the address it is read from.
import { presets as buttons } from "./controls.js";
import { h, notice as lineOfNotice, onTheme, scheduler } from "./kit.js";

const LONGEST_FRAGMENT = 2000;

/** @typedef {Record<string, any>} Values */
/**
 * One part of a state, as its controls, an address and a link know it.
 * @typedef {object} Part
 * @property {HTMLElement[]} elements its controls
 * @property {(values: Values, anew: boolean) => void} show puts the state into them; `anew` also over what is being typed
 * @property {(found: Record<string, string>, values: Values) => string[]} take takes its values from an address as far as
 *   they are valid, after the parts before it; returns words on what it left out
 * @property {(values: Values) => Record<string, string>} carry what a link carries of it
 * @property {(words: string) => void} [say] tells the reader something beside its control
 */
/** @typedef {(key: string, change: (next: Values) => void) => Part} Declared a part before it knows its key and its state */
/**
 * What a preset makes of a state.
 * @template {Values} V
 * @typedef {Partial<V> | ((values: V) => Partial<V>)} Goal
 */
/**
 * @template {Values} V
 * @typedef {[words: string, goal: Goal<V>][]} Presets
 */

/**
 * The state `start` of the widget `name` in its frame `root`, with a part for each key of `parts` in the order in which an
 * address is read. `settle` makes a state whole that a change left inconsistent; `draw` shows it, and is told which
 * keys were set since it last did. What an address has that cannot be is left out, and said in a notice under the title,
 * where an address leads, or without one beside the first part that can say it. What the address has now is in `start`
 * already where it was `followed` before.
 * @template {Values} V
 * @param {{
 *   name: string, root: HTMLElement, start: V, parts: Record<string, Declared>,
 *   presets?: { label: string, options: NoInfer<Presets<V>> | ((values: NoInfer<V>) => NoInfer<Presets<V>>) },
 *   settle?: (values: NoInfer<V>) => void, notice?: boolean, followed?: boolean, draw: (values: NoInfer<V>, moved: Set<string>) => void,
 * }} how
 */
export function stateOf({ name, root, start, parts, presets, settle = () => {}, notice = true, followed = false, draw }) {
  const values = { ...start }, moved = new Set(Object.keys(start)), told = lineOfNotice();
  if (notice) root.append(told.element);
  const options = () => (typeof presets?.options === "function" ? presets.options(values) : presets?.options ?? []);
  /** @param {Goal<V>} goal */
  const reach = (goal) => (typeof goal === "function" ? goal(values) : goal);
  const moments = presets && buttons({ label: presets.label, press: (index) => change(reach(options()[index][1])) });
  const all = Object.entries(parts).map(([key, declared]) => /** @type {[string, Part]} */ ([key, declared(key, change)]));

  const show = (anew = false) => {
    for (const [, part] of all) part.show(values, anew);
    moments?.set(options().map(([words, goal]) => [words, holds(reach(goal), values)]));
  };
  const paint = () => {
    const seen = new Set(moved);
    moved.clear();
    draw(values, seen);
  };
  const schedule = scheduler(paint);

  /** @param {Values} next */
  function change(next) {
    Object.assign(values, next);
    settle(values);
    for (const key of Object.keys(next)) moved.add(key);
    show();
    schedule();
  }

  /** Take the state in the address, where there is one for this widget; false where there is none. */
  function read() {
    const found = stateInAddress(name);
    if (found === null) return false;
    const left = found.tooLong ? ["it is too long"] : all.flatMap(([, part]) => part.take(found.values, values));
    settle(values);
    for (const key of Object.keys(values)) moved.add(key);
    show(true);
    const words = left.length ? `Of the link this was left out: ${left.map((one) => one.replace(/\.$/, "")).join("; ")}.` : null;
    if (notice) told.say(words);
    else if (words) all.find(([, part]) => part.say)?.[1].say?.(words);
    root.scrollIntoView({ block: "start" });
    return true;
  }

  show(true);
  return {
    values,
    /** Set some of it, as a control does. */
    set: change,
    presets: moments?.element ?? document.createDocumentFragment(),
    link: linkButton(name, () => Object.assign({}, ...all.map(([, part]) => part.carry(values)))),
    /**
     * The controls of these parts beside each other; without a key, of all.
     * @param {string[]} keys
     */
    controls: (...keys) => h("div", { class: "mb-controls" },
      ...(keys.length ? keys : Object.keys(parts)).flatMap((key) => new Map(all).get(key)?.elements ?? [])),
    /**
     * Draw, follow the address, and draw `maps` anew when the theme changes; returns what stops it all.
     * @param {{ draw(): void, stop(): void }[]} maps
     */
    live(...maps) {
      const follow = () => { if (read()) schedule(); };
      window.addEventListener("hashchange", follow);
      if (!followed) read();
      paint();
      const stopTheme = onTheme(() => maps.forEach((map) => map.draw()));
      return () => {
        window.removeEventListener("hashchange", follow);
        stopTheme();
        maps.forEach((map) => map.stop());
      };
    },
  };
}

/**
 * Whether a state has all that a preset would set.
 * @param {Values} goal
 * @param {Values} values
 */
const holds = (goal, values) => Object.entries(goal).every(([key, value]) => JSON.stringify(value) === JSON.stringify(values[key]));

/**
 * The state in the address, `#name?key=value&...`, or null when it is not for this widget.
 * @param {string} name
 * @returns {{ values: Record<string, string>, tooLong: boolean } | null}
 */
function stateInAddress(name) {
  const { hash } = window.location;
  if (hash !== `#${name}` && !hash.startsWith(`#${name}?`)) return null;
  if (hash.length > LONGEST_FRAGMENT) return { values: {}, tooLong: true };
  return { values: Object.fromEntries(new URLSearchParams(hash.slice(name.length + 2))), tooLong: false };
}

/**
 * A button that puts the state into the address and, where it may, into the clipboard.
 * @param {string} name
 * @param {() => Record<string, string>} state
 */
function linkButton(name, state) {
  const said = h("span", { class: "mb-link-said", role: "status" });
  const button = h("button", { type: "button", class: "mb-link-button" }, "Link to this view");
  button.addEventListener("click", async () => {
    window.history.replaceState(window.history.state, "", `#${name}?${new URLSearchParams(state())}`);
    try {
      await navigator.clipboard.writeText(window.location.href);
      said.textContent = "Copied; the address shows it too.";
    } catch {
      // Pages from files, and readers who refuse, have no clipboard.
      said.textContent = "The address now shows it.";
    }
  });
  return h("div", { class: "mb-link" }, button, said);
}
