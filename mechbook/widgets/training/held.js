// @ts-check
// The sentence of a trainer: each stays long enough to be read, and a screen reader is not flooded.
import { h, write } from "../kit.js";

/** How long a sentence stays at least, unless the reader does something. */
export const HOLD_MS = 2000;
/** The same where a run is not watched but raced. */
export const RACED_MS = 500;

/**
 * A line that shows what happened, and tells a screen reader all of it. While `patient` each sentence is shown in its
 * turn, and a run waits for them; else the newest is. `longest` are the longest texts to come: they are laid out unseen
 * in the line's own place, which so has the height that it needs at this width.
 * @param {string[]} longest
 * @param {{ patient: () => boolean, hold?: () => number }} how
 */
export function heldSentence(longest, { patient, hold = () => HOLD_MS }) {
  const seen = h("p", { class: "mb-says" });
  const heard = h("p", { class: "mb-heard", role: "status", "aria-live": "polite" });
  const spare = longest.map((words) => h("p", { class: "mb-spare", "aria-hidden": "true" }, words));
  /** @type {string[]} */
  let waiting = [];
  let since = -Infinity, timer = 0, newest = "";
  /** Show what waits: only so many of it. */
  function put(count = Infinity) {
    clearTimeout(timer);
    timer = 0;
    const told = waiting.splice(0, count);
    if (!told.length) return;
    since = performance.now();
    write(seen, told[told.length - 1]);
    write(heard, told.join(" "));
    if (waiting.length) timer = window.setTimeout(next, hold());
  }
  const next = () => put(patient() ? 1 : Infinity);
  const rest = () => Math.max(0, hold() - (performance.now() - since));
  return {
    element: h("div", { class: "mb-telling" }, seen, ...spare, heard),
    /**
     * What has happened by itself, in the order in which it did: shown and heard as soon as what is there was read.
     * @param {string[]} news
     */
    happened(news) {
      if (!news.length) return;
      waiting.push(...news);
      newest = news[news.length - 1];
      if (rest() <= 0) next();
      else timer ||= window.setTimeout(next, rest());
    },
    /** The milliseconds after which all of it will have been there long enough; 0 where nobody is to wait for that. */
    left: () => (patient() ? waiting.length * hold() + rest() : 0),
    /**
     * What the reader asked for: shown and heard at once, after what was waiting.
     * @param {string} words
     */
    say(words) {
      if (words !== newest) waiting.push(words);
      newest = words;
      put();
    },

    /** Of what was waiting nothing is told any more. */
    clear() {
      clearTimeout(timer);
      [waiting, timer] = [[], 0];
    },
  };
}
