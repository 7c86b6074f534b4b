// @ts-check
// What the residual stream says on its way: the logit lens, and what each head and MLP adds to a difference of logits.
import { probable } from "./read_out.js";
import { Refused } from "./refused.js";

/** @typedef {import("./model.js").Model} Model */
/** @typedef {import("./model.js").Change} Change */
/** @typedef {import("./model.js").Seen} Seen */

/**
 * What the model would answer if it ended before each block, and after the last: the stream there through the last norm
 * and the output matrix.
 * @param {Model} model
 * @param {Seen} seen as the changed model has read it
 * @param {number} position from 0; the last one where it is negative
 * @param {number} top
 * @param {number[]} watch
 */
export function lens(model, seen, position, top, watch) {
  const { d } = model.shape, n = seen.ids.length, t = position < 0 ? n - 1 : position;
  if (!(Number.isInteger(t) && t < n)) {
    throw new Refused(`There is no position ${position}: the prompt has positions 0 to ${n - 1}.`);
  }
  const rows = new Float32Array(seen.entering.length * d);
  seen.entering.forEach((stream, layer) => rows.set(stream.subarray(t * d, (t + 1) * d), layer * d));
  return model.each(rows, (logits) => probable(logits, top, watch));
}

/**
 * Direct logit attribution at the last position: the logit of token a less that of b, as a sum of what the embedding,
 * each head (blocks, heads) and each MLP wrote, the last norm's division taken as it was.
 * @param {Model} model
 * @param {Seen} seen as the changed model has read it
 * @param {[number, number]} tokens a and b
 * @param {Change} change
 */
export function attribution(model, seen, tokens, change) {
  const { shape } = model, { d, heads, size, blocks, epsilon, N } = shape, end = blocks.length;
  for (const token of tokens) if (!(Number.isInteger(token) && token >= 0 && token < N)) {
    throw new Refused(`A token lies outside of the ${N} that there are.`);
  }
  const last = (/** @type {number} */ layer) => seen.entering[layer].subarray(-d);
  const [a, b] = tokens.map((token) => row(shape.out, token)), weights = row(shape.norm, 0);
  const scale = Math.sqrt(last(end).reduce((sum, x) => sum + x * x, 0) / d + epsilon);
  const direction = weights.map((weight, i) => ((a[i] - b[i]) * weight) / scale);
  const along = (/** @type {Float32Array} */ x) => x.reduce((sum, value, i) => sum + value * direction[i], 0);

  /** @param {import("./gguf.js").Tensor} W @param {number} r */
  function row(W, r) {
    return model.unpacked(W.kind, W.offset + (r * W.bytes) / W.rows, W.width);
  }

  const byHead = new Float32Array(end * heads), byMLP = new Float32Array(end);
  for (let layer = 0; layer < end; layer++) {
    const apart = new Float32Array(heads * heads * size);
    for (let head = 0; head < heads; head++) {
      const from = head * size;
      apart.set(seen.values[layer].subarray(from, from + size), head * heads * size + from);
    }
    const written = model.written(layer, apart, change);
    let all = 0;
    for (let head = 0; head < heads; head++) {
      all += byHead[layer * heads + head] = along(written.subarray(head * d, (head + 1) * d));
    }
    byMLP[layer] = along(last(layer + 1)) - along(last(layer)) - all;
  }
  return { heads: byHead, mlps: byMLP, embedding: along(last(0)), difference: along(last(end)) };
}
