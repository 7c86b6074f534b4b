// @ts-check
// What a training run says: the moments that matter, each once.
import { heldSentence } from "./held.js";

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
  `Step ${step}: the loss is ${Number.isFinite(loss) ? loss.toFixed(0) : "no number any more"}. With a ${called} of ${rate} training diverges: choose a smaller one and press Reset.`;
const making = (/** @type {number} */ step, /** @type {number} */ loss) => `Step ${step} is made; its batch had a loss of ${loss.toFixed(2)} before.`;
const happened = (/** @type {number} */ step, /** @type {Happening} */ { words }) => `Step ${step}: ${words}.`;
// as long as any step and any share in words
const LATE = 9999, SHARE = 0.0123;

/**
 * A new sentence only when something has happened: `begin` before the first step, `events` as they come, `ended` after
 * the last step, which is told what `view` is given `beside`; the longest of that is `aside`. `rate` is what the page
 * calls the learning rate, `made` what is said of one step. While `patient` a run is to wait for its reader.
 * @param {{
 *   begin: string, events: Happening[], ended: (step: number, last: Point, beside: string) => string, aside?: string, rate?: string,
 *   made?: (step: number, last: Point) => string, patient: () => boolean,
 * }} how
 */
export function tellerOf({ begin, events, ended, aside = "", rate, made, patient }) {
  const anything = /** @type {Point} */ (new Proxy({}, { get: () => SHARE }));
  const line = heldSentence([
    begin, ended(LATE, anything, ""), ended(LATE, anything, aside), diverging(LATE, NaN, SHARE, rate), ...events.map((event) => happened(LATE, event)),
  ], { patient });
  /** @type {Set<Happening>} */
  let told = new Set();
  let first = true, seen = 0, moment = "", end = "";
  // the step after which the reader did something that is told
  let notedAt = -1, at = 0;
  let over = /** @type {number | null} */ (null);
  const reset = () => {
    [told, seen, moment, end, notedAt] = [new Set(), 0, "", "", -1];
    line.clear();
  };
  return {
    element: line.element,
    reset,
    /**
     * Something that the reader did: told at once, also while a run plays.
     * @param {string} words
     */
    note(words) {
      [moment, notedAt] = [words, at];
      line.say(words);
    },
    /**
     * `lr` is the learning rate. Returns for how many milliseconds a run that plays is to wait.
     * @param {Pick<View, "points" | "latest" | "step" | "done" | "diverged" | "loss">} view
     * @param {Pick<import("./player.js").Player, "playing" | "stepped">} run
     * @param {number} lr
     */
    view({ points, latest, step, done, diverged, loss }, { playing, stepped }, lr, beside = "") {
      if (points.length < seen) reset();
      at = step;
      const /** @type {string[]} */ news = [];
      for (const point of latest?.due ? [...points.slice(seen), latest] : points.slice(seen)) {
        for (const event of events) {
          if (point[event.key] < event.level || told.has(event)) continue;
          // what was there at the start, by chance, is no event
          if (point.step > 0) news.push(happened(point.step, event));
          told.add(event);
        }
      }
      seen = points.length;
      if (news.length) moment = news[news.length - 1];
      const last = latest ?? points.at(-1);
      // the rate may be another by now
      over = diverged ? over ?? lr : null;
      const ends = diverged ? diverging(step, loss, over ?? lr, rate) : done && last ? ended(step, last, beside) : "";
      const words = ends && ends !== end ? [...news, ends] : news, came = first && step > 0;
      [first, end] = [false, ends];
      // a run that was left and is there again has nothing new
      if (came) line.say(ends || moment || `Paused after step ${step}.`);
      else if (words.length && !stepped && !diverged) line.happened(words);
      else if (ends) line.say(ends);
      else if (step === 0 && !playing) line.say(begin);
      else if (stepped && !playing && notedAt !== step) line.say(made && last ? made(step, last) : news.length ? moment : making(step, loss));
      // while it plays, what waits goes on waiting
      else if (!(playing && moment)) line.say(moment || (playing ? "Training has begun. What happens in it is told here." : `Paused after step ${step}.`));
      return news.length ? line.left() : 0;
    },
  };
}
