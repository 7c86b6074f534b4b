// @ts-check
// The sentence of a trainer: each stays long enough to be read, and a screen reader is not flooded.
import { h, write } from "../kit.js";

/** How long a sentence stays at least, unless the reader does something. */
export const HOLD_MS = 2000;

/**
 * A line that shows the newest of what happened, and tells a screen reader all of it. `longest` are the longest texts
 * to come: they are laid out unseen in the line's own place, which so has the height that it needs at this width.
 * @param {string[]} longest
 */
export function heldSentence(longest) {
  const seen = h("p", { class: "mb-says" });
  const heard = h("p", { class: "mb-heard", role: "status", "aria-live": "polite" });
  const spare = longest.map((words) => h("p", { class: "mb-spare", "aria-hidden": "true" }, words));
  /** @type {string[]} */
  let waiting = [];
  let since = -Infinity, timer = 0, newest = "";
  function put() {
    clearTimeout(timer);
    timer = 0;
    if (!waiting.length) return;
    since = performance.now();
    write(seen, newest);
    write(heard, waiting.join(" "));
    waiting = [];
  }
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
      const rest = HOLD_MS - (performance.now() - since);
      if (rest <= 0) put();
      else timer ||= window.setTimeout(put, rest);
    },
    /**
     * What the reader asked for: shown and heard at once, after what was waiting.
     * @param {string} words
     */
    say(words) {
      if (words === newest) return;
      waiting.push(words);
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
