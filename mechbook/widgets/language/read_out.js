// @ts-check
// Logits as probabilities: the most probable tokens, and tokens that somebody watches.
import { Refused } from "./refused.js";

/** @typedef {{ top: [number, number][], watched: number[] }} Probable */

/**
 * The `top` most probable tokens as [token, probability], the most probable first, and the probabilities of `watch`.
 * Throws Refused for logits that are no numbers.
 * @param {Float32Array} logits
 * @param {number} top
 * @param {number[]} watch
 * @returns {Probable}
 */
export function probable(logits, top, watch) {
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  let total = 0;
  for (let i = 0; i < logits.length; i++) total += Math.exp(logits[i] - most);
  if (!Number.isFinite(total)) {
    throw new Refused("The model's answer has numbers that are none: its weights are damaged.");
  }
  const p = (/** @type {number} */ id) => Math.exp(logits[id] - most) / total;
  /** @type {number[]} */
  const best = [];
  for (let i = 0; i < logits.length; i++) {
    if (best.length === top && !(logits[i] > logits[best[top - 1]])) continue;
    let at = Math.min(best.length, top - 1);
    for (; at > 0 && logits[best[at - 1]] < logits[i]; at--) best[at] = best[at - 1];
    best[at] = i;
  }
  return { top: best.map((id) => [id, p(id)]), watched: watch.map(p) };
}
