// @ts-check
// What a training run says: the moments that matter, each once, in a line that screen readers read.
import { longestOf } from "../kit.js";

/** @typedef {import("./worker.js").View} View */
/** @typedef {import("./stepping.js").Point} Point */
/** @typedef {{ key: string, level: number, words: string }} Happening a probe that reaches a level, and what that means */

/** Said where there are no vectors. */
export const PLAIN = "This browser has no WebAssembly with vectors: the same numbers come from plain JavaScript, only later.";

/**
 * How far a run is, for a line beside it.
 * @param {Pick<View, "step" | "speed" | "vectors" | "diverged">} view
 * @param {number} steps
 * @param {boolean} playing
 */
export const progress = ({ step, speed, vectors, diverged }, steps, playing) =>
  `Step ${step} of ${steps}${playing && speed ? `, ${Math.round(speed)} steps a second` : ""}${diverged ? ": stopped" : ""}.` +
  (vectors ? "" : ` ${PLAIN}`);

/**
 * What is said of a run that diverged.
 * @param {number} step
 * @param {number} loss
 * @param {number} rate
 * @param {string} [called] what the page calls it
 */
const diverging = (step, loss, rate, called = "learning rate") =>
  `Step ${step}: the loss is ${Number.isFinite(loss) ? loss.toFixed(0) : "no number any more"}. With a ${called} of ${rate} training diverges: each step overshoots. Choose a smaller one and press Reset; until then no step is made.`;
const making = (/** @type {number} */ step, /** @type {number} */ loss) => `Step ${step} is made; its batch had a loss of ${loss.toFixed(2)}.`;
const happened = (/** @type {number} */ step, /** @type {Happening} */ { words }) => `Step ${step}: ${words}.`;
// as long as any step and any share in words
const LATE = 9999, SHARE = 0.0123;

/**
 * A new sentence only when something has happened: `begin` before the first step, `events` as they come, `ended` after
 * the last step. The line keeps room for the longest of them, with `aside`, the longest that is added.
 * @param {{
 *   line: ReturnType<typeof import("../kit.js").sentence>, begin: string, events: Happening[],
 *   ended: (step: number, last: Point) => string, aside?: string, rate?: string,
 * }} how
 */
export function tellerOf({ line, begin, events, ended, aside = "", rate }) {
  const two = events.map((event) => happened(LATE, event)).sort((a, b) => b.length - a.length).slice(0, 2).join(" ");
  const anything = /** @type {Point} */ (new Proxy({}, { get: () => SHARE }));
  line.keep(longestOf([begin, ended(LATE, anything), diverging(LATE, NaN, SHARE, rate), two].map((words) => `${words} ${aside}`)));
  /** @type {Set<Happening>} */
  let told = new Set();
  let seen = 0, moment = "";
  // the step after which the reader did something that is told
  let notedAt = -1, at = 0;
  let over = /** @type {number | null} */ (null);
  const reset = () => { [told, seen, moment, notedAt] = [new Set(), 0, "", -1]; };
  return {
    reset,
    /**
     * Something that the reader did and that is told as an event is.
     * @param {string} words
     */
    note(words) { [moment, notedAt] = [words, at]; },
    /**
     * `lr` is the learning rate, `beside` what is added to whatever is said.
     * @param {Pick<View, "points" | "step" | "done" | "diverged" | "loss">} view
     * @param {Pick<import("./player.js").Player, "playing" | "stepped">} run
     * @param {number} lr
     */
    view({ points, step, done, diverged, loss }, { playing, stepped }, lr, beside = "") {
      if (points.length < seen) reset();
      at = step;
      const /** @type {string[]} */ news = [];
      for (; seen < points.length; seen++) {
        for (const event of events) {
          if (points[seen][event.key] < event.level || told.has(event)) continue;
          // what was there at the start, by chance, is no event
          if (points[seen].step > 0) news.push(happened(points[seen].step, event));
          told.add(event);
        }
      }
      if (news.length) moment = news.slice(-2).join(" ");
      const last = points.at(-1), say = (/** @type {string[]} */ ...words) => line.say([...words, beside].filter(Boolean).join(" "));
      // the rate may be another by now
      over = diverged ? over ?? lr : null;
      if (diverged) {
        line.say(diverging(step, loss, over ?? lr, rate));
      } else if (done && last) say(ended(step, last));
      else if (step === 0 && !playing) say(begin);
      else if (stepped && !playing && notedAt !== step) say(news.length ? moment : making(step, loss));
      else say(moment || (playing ? "Training has begun." : `Paused after step ${step}.`));
    },
  };
}
