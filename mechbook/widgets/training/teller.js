// @ts-check
// What a training run says: the moments that matter, each once, in a line that screen readers read.

/** @typedef {import("./worker.js").View} View */
/** @typedef {import("./stepping.js").Point} Point */
/** @typedef {{ key: string, level: number, words: string }} Happening a probe that reaches a level, and what that means */

/** Said where there are no vectors. */
export const PLAIN = "This browser has no WebAssembly with vectors: the same numbers come from plain JavaScript, only later.";

/**
 * How far a run is, for a line beside it.
 * @param {Pick<View, "step" | "speed" | "vectors">} view
 * @param {number} steps
 * @param {boolean} playing
 */
export const progress = ({ step, speed, vectors }, steps, playing) =>
  `Step ${step} of ${steps}${playing && speed ? `, ${Math.round(speed)} steps a second` : ""}.` +
  (vectors ? "" : ` ${PLAIN}`);

/**
 * A new sentence only when something has happened: `begin` before the first step, `events` as they come, `ended` after
 * the last step.
 * @param {{ line: import("../kit.js").Line, begin: string, events: Happening[], ended: (step: number, last: Point) => string }} how
 */
export function tellerOf({ line, begin, events, ended }) {
  /** @type {Set<Happening>} */
  let told = new Set();
  let seen = 0, moment = "";
  const reset = () => { [told, seen, moment] = [new Set(), 0, ""]; };
  return {
    reset,
    /**
     * `cold` names what is frozen.
     * @param {Pick<View, "points" | "step" | "done" | "diverged" | "loss">} view
     * @param {{ playing: boolean, lr: number, cold?: string[] }} state
     */
    view({ points, step, done, diverged, loss }, { playing, lr, cold = [] }) {
      if (points.length < seen) reset();
      const /** @type {string[]} */ news = [];
      for (; seen < points.length; seen++) {
        for (const event of events) {
          if (points[seen][event.key] < event.level || told.has(event)) continue;
          // what was there at the start, by chance, is no event
          if (points[seen].step > 0) news.push(`Step ${points[seen].step}: ${event.words}.`);
          told.add(event);
        }
      }
      if (news.length) moment = news.slice(-2).join(" ");
      const last = points.at(-1), frozen = cold.length ? ` Frozen: ${cold.join(", ")}.` : "";
      if (diverged) {
        line.say(`Step ${step}: the loss is ${Number.isFinite(loss) ? loss.toFixed(0) : "no number any more"}. With a learning rate of ${lr} training diverges: each step overshoots, and the next has to make up for more. Choose a smaller one and press Reset.`);
      } else if (done && last) line.say(ended(step, last) + frozen);
      else if (step === 0 && !playing) line.say(begin + frozen);
      else if (moment) line.say(moment + frozen);
      else line.say(playing ? `Training has begun.${frozen}` : `Paused.${frozen}`);
    },
  };
}
