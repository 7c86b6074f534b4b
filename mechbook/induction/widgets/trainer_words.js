// @ts-check
// What the trainers say: the moments that matter, each once.
import { percent } from "../../widgets/kit.js";
import { tellerOf } from "../../widgets/training/teller.js";

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
    "W_O2 has stored nine tenths of its memories: what is attended to is copied, wherever the model looks",
  ],
  W_K2: [
    "W_K2 has stored half of its memories: layer 2 begins to look for the mark of the current character",
    "W_K2 has stored nine tenths of its memories: layer 2 looks for what came after the current character",
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
const EVENTS = LINES.flatMap(({ key }) => LEVELS.map((level, i) => ({ key, level, words: MEANING[/** @type {Key} */ (key)][i] })));

/**
 * Tells what happens to the memories; `begin` is said before the first step. What is said beside a view is how the run was
 * held and changed.
 * @param {string} begin
 * @param {() => boolean} patient
 */
export const teller = (begin, patient) => tellerOf({
  begin, events: EVENTS, aside: " with W_O2, W_K2, W_K1 frozen", patient,
  ended: (step, last, how) => (how
    ? `Trained for ${step} steps${how}: accuracy ${percent(last.accuracy)}. ${how.includes("frozen") ? "Untick and play again" : "Play again"}: both are drawn.`
    : `Trained for ${step} steps: accuracy ${percent(last.accuracy)}. Of their memories W_O2 recalls ${percent(last.W_O2)}, W_K2 ${percent(last.W_K2)}, W_K1 ${percent(last.W_K1)}.`),
});
