// @ts-check
// The models of the book in the page, on the tensors of tensors.js.
import { apply, product } from "./tensors.js";

export * from "./tensors.js";

/** @typedef {import("./tensors.js").Floats} Floats */
/** @typedef {import("./tensors.js").Tensor} Tensor */
/** @typedef {import("./tensors.js").Tensors} Tensors */
/**
 * What a forward pass leaves: attention maps (T, T), a layer each; streams (T, d), before each layer and at the end;
 * logits (T, N).
 * @typedef {{ T: number, N: number, attention: Floats[], streams: Floats[], logits: Float32Array<ArrayBuffer> }} Trace
 */
/** @typedef {{ N: number, d: number, length: number, forward(tokens: number[]): Trace }} Transformer */

// ---- weights as bytes ----------------------------------------------------------------------------------------------

/**
 * The columns of one head, all there are where none are named, and whether it looks at earlier tokens only.
 * @typedef {{ from?: number, width?: number, causal?: boolean }} Head
 */

/**
 * The (T, T) map of a head's attention, from queries and keys (T, d).
 * @param {Floats} queries
 * @param {Floats} keys
 * @param {number} T
 * @param {number} d
 * @param {Head} head
 */
export function attend(queries, keys, T, d, { from = 0, width = d, causal = true } = {}) {
  const map = new Float32Array(T * T), scores = new Float64Array(T), scale = 1 / Math.sqrt(width);
  for (let q = 0; q < T; q++) {
    const seen = causal ? q + 1 : T;
    let most = -Infinity, sum = 0;
    for (let s = 0; s < seen; s++) {
      let score = 0;
      for (let p = from; p < from + width; p++) score += queries[q * d + p] * keys[s * d + p];
      scores[s] = score *= scale;
      if (score > most) most = score;
    }
    for (let s = 0; s < seen; s++) sum += scores[s] = Math.exp(scores[s] - most);
    for (let s = 0; s < seen; s++) map[q * T + s] = scores[s] / sum;
  }
  return map;
}

/**
 * Mix the values (T, d) with an attention map, into the head's columns of out.
 * @param {Floats} map
 * @param {Floats} values
 * @param {number} T
 * @param {number} d
 * @param {Head} head
 */
export function mix(map, values, T, d, { from = 0, width = d, causal = true } = {}, out = new Float32Array(T * d)) {
  const row = new Float64Array(width);
  for (let q = 0; q < T; q++) {
    row.fill(0);
    const seen = causal ? q + 1 : T;
    for (let s = 0; s < seen; s++) {
      const weight = map[q * T + s];
      if (weight === 0) continue;
      for (let p = 0; p < width; p++) row[p] += weight * values[s * d + from + p];
    }
    out.set(row, q * d + from);
  }
  return out;
}

/**
 * The rows W_E[z_t] + P[t]; RangeError where the tokens do not fit.
 * @param {number[]} tokens
 * @param {Tensor} W_E
 * @param {Tensor} P
 */
export function embed(tokens, W_E, P) {
  const [N, d] = W_E.shape, T = tokens.length;
  if (T < 1 || T > P.shape[0]) throw new RangeError(`The sequence has ${T} tokens; it must have 1 to ${P.shape[0]}.`);
  const x = new Float32Array(T * d);
  for (let t = 0; t < T; t++) {
    const z = tokens[t];
    if (!(Number.isInteger(z) && z >= 0 && z < N)) throw new RangeError(`${z} is no token; tokens are 0 to ${N - 1}.`);
    for (let p = 0; p < d; p++) x[t * d + p] = W_E.data[z * d + p] + P.data[t * d + p];
  }
  return x;
}

/**
 * Products of frozen matrices, by the one that comes last, so that checkpoints share them.
 * @type {WeakMap<Floats, { of: Floats, value: Tensor }>}
 */
const products = new WeakMap();

/**
 * @param {Tensor} W_O
 * @param {Tensor} W_V
 */
function frozenProduct(W_O, W_V) {
  const known = products.get(W_O.data);
  if (known && known.of === W_V.data) return known.value;
  const value = product(W_O, W_V);
  products.set(W_O.data, { of: W_V.data, value });
  return value;
}

/**
 * The simplified transformer of mechbook/shared/simplified.py; `feedForward` as its feed_forward.
 * @param {Tensors} w
 * @param {{ feedForward?: string }} options
 * @returns {Transformer}
 */
export function simplified(w, { feedForward = "none" } = {}) {
  const [N, d] = w.W_E.shape;
  const layers = w.W_K2 ? 2 : 1;
  const first = frozenProduct(w.W_O1, w.W_V1);
  return {
    N, d, length: w.P.shape[0],
    forward(tokens) {
      const T = tokens.length, x = embed(tokens, w.W_E, w.P), initial = x.slice();
      const /** @type {Floats[]} */ attention = [], streams = [x.slice()];
      for (let l = 1; l <= layers; l++) {
        const map = attend(x, apply(x, T, d, w[`W_K${l}`].data, d), T, d);
        const mixed = mix(map, x, T, d);
        // What is trained is applied as it is: a product of its own for each checkpoint would cost more.
        if (l === 1) apply(mixed, T, d, first.data, d, x, true);
        else apply(apply(mixed, T, d, w.W_V2.data, d), T, d, w.W_O2.data, d, x, true);
        attention.push(map);
        streams.push(x.slice());
      }
      if (feedForward !== "none") {
        apply(feedForward === "before_attention" ? initial : x.slice(), T, d, w.W_F.data, d, x, true);
        streams.push(x.slice());
      }
      return { T, N, attention, streams, logits: apply(x, T, d, w.W_U.data, N) };
    },
  };
}

/**
 * LayerNorm of the rows of x (T, d).
 * @param {Floats} x
 * @param {number} T
 * @param {number} d
 * @param {{ weight: Tensor, bias: Tensor }} norm
 */
export function normalize(x, T, d, { weight, bias }, epsilon = 1e-5) {
  const out = new Float32Array(T * d);
  for (let t = 0; t < T; t++) {
    let mean = 0, square = 0;
    for (let p = 0; p < d; p++) mean += x[t * d + p] / d;
    for (let p = 0; p < d; p++) square += (x[t * d + p] - mean) ** 2 / d;
    const scale = 1 / Math.sqrt(square + epsilon);
    for (let p = 0; p < d; p++) out[t * d + p] = (x[t * d + p] - mean) * scale * weight.data[p] + bias.data[p];
  }
  return out;
}
