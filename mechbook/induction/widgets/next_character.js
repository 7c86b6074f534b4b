// @ts-check
// What a model in training takes for the next character.
import { bars } from "../../widgets/charts.js";
import { glyph } from "../../widgets/kit.js";
import { softmax } from "../../widgets/tensors.js";

/**
 * Bars of the `count` likeliest characters; those that came after the last one before are marked.
 * @param {string} title
 * @param {number} count
 */
export function nextCharacter(title, count) {
  const chart = bars({ title });
  return {
    element: chart.element,
    /**
     * @param {string[]} characters of the vocabulary
     * @param {number[]} z the sequence
     * @param {import("../../widgets/tensors.js").Floats} logits (T, N), row by row
     */
    update(characters, z, logits) {
      const N = characters.length, last = z.length - 1, p = softmax(logits, last * N, N);
      const followed = new Set(z.flatMap((token, s) => (s > 0 && z[s - 1] === z[last] ? [token] : [])));
      const order = [...p.keys()].sort((a, b) => p[b] - p[a]).slice(0, count);
      chart.update(order.map((token) => ({
        label: glyph(characters[token]), value: p[token], role: followed.has(token) ? "correct" : "predicted",
        mark: followed.has(token) ? "seen after it" : "",
      })));
    },
  };
}
