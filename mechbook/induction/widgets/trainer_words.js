// @ts-check
// What the trainers say: the moments that matter, each once.
import { percent } from "../../widgets/kit.js";

/** @typedef {import("../../widgets/training/worker.js").View} View */
/** @typedef {import("../../widgets/training/stepping.js").Point} Point */
/** @typedef {"W_O2" | "W_K2" | "W_K1" | "accuracy"} Key */

/** @type {import("../../widgets/curves.js").Line[]} */
export const LINES = [
  { key: "W_O2", name: "W_O2", role: "W_O2" },
  { key: "W_K2", name: "W_K2, by trigger", role: "W_K2" },
  { key: "W_K1", name: "W_K1", role: "W_K1" },
  { key: "accuracy", name: "accuracy", role: "correct" },
];

/**
 * What it means that a number has passed a level.
 * @type {Record<Key, [half: string, most: string]>}
 */
const MEANING = {
  W_O2: [
    "W_O2 has stored half of its memories: what is attended to begins to raise its own logit",
    "W_O2 has stored nine tenths of its memories: whatever is attended to is copied. Which character that should be, the model does not know yet",
  ],
  W_K2: [
    "W_K2 has stored half of its memories: layer 2 begins to look for the mark of the current character",
    "W_K2 has stored nine tenths of its memories: layer 2 looks for the place after an earlier copy of the current character",
  ],
  W_K1: [
    "W_K1 has stored half of its memories: more and more positions look at the one before them",
    "W_K1 has stored nine tenths of its memories: layer 1 is a previous-token head",
  ],
  accuracy: [
    "half of the predictions that the context decides are right",
    "nine tenths of the predictions that the context decides are right: the induction head works",
  ],
};
const LEVELS = [0.5, 0.9];

/**
 * Tells what happens in a line that screen readers read: a new sentence only when something has happened. `begin` is
 * said before the first step, `end` after the last one.
 * @param {import("../../widgets/kit.js").Line} line
 * @param {string} begin
 */
export function teller(line, begin, end = "") {
  /** @type {Set<string>} */
  let told = new Set();
  let seen = 0, moment = "";
  return {
    reset() { [told, seen, moment] = [new Set(), 0, ""]; },
    /**
     * @param {Pick<View, "points" | "step" | "done" | "diverged" | "loss">} view
     * @param {{ playing: boolean, lr: number, frozen: string[] }} state
     */
    view({ points, step, done, diverged, loss }, { playing, lr, frozen }) {
      if (points.length < seen) [told, seen, moment] = [new Set(), 0, ""];
      const /** @type {string[]} */ news = [];
      for (; seen < points.length; seen++) {
        for (const { key } of LINES) {
          LEVELS.forEach((level, i) => {
            const what = `${key} ${level}`, known = /** @type {Key} */ (key);
            if (points[seen][known] < level || told.has(what)) return;
            // what was there at the start, by chance, is no event
            if (points[seen].step > 0) news.push(`Step ${points[seen].step}: ${MEANING[known][i]}.`);
            told.add(what);
          });
        }
      }
      if (news.length) moment = news.slice(-2).join(" ");
      const last = points.at(-1), cold = frozen.length ? ` Frozen: ${frozen.join(", ")}.` : "";
      if (diverged) {
        line.say(`Step ${step}: the loss is ${Number.isFinite(loss) ? loss.toFixed(0) : "no number any more"}. With a learning rate of ${lr} training diverges: each step overshoots, and the next has to make up for more. Choose a smaller one and press Reset.`);
      } else if (done && last) {
        line.say(`Trained for ${step} steps: ${percent(last.accuracy)} of the predictions that the context decides are right; W_O2 recalls ${percent(last.W_O2)}, W_K2 ${percent(last.W_K2)}, W_K1 ${percent(last.W_K1)} of its memories.${cold}${end}`);
      } else if (step === 0 && !playing) {
        line.say(begin + cold);
      } else if (moment) line.say(moment + cold);
      else line.say(playing ? `Training has begun. Nothing is stored yet.${cold}` : `Paused.${cold}`);
    },
  };
}
