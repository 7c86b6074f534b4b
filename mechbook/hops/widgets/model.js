// @ts-check
// The hop transformer in the page (mechbook/hops/model.py), and paths of hops.
import { attend, mix, normalize } from "../../widgets/engine.js";
import { apply } from "../../widgets/tensors.js";

/** @typedef {import("../../widgets/tensors.js").Floats} Floats */
/** @typedef {number[][]} Permutations one for each position, the hidden ones (pi) or those in context (sigma) */

/**
 * A model from its state dict's own names. forward(tokens) gives logits (T, hops, N_out) in a row, attention[layer][head]
 * as (T, T) maps.
 * @param {import("../../widgets/tensors.js").Tensors} w
 * @param {{ n_layers: number, n_heads: number, causal?: boolean }} settings
 */
export function model(w, { n_layers: layers, n_heads: heads, causal = false }) {
  const [T, d] = w.P.shape, N = w.W_E.shape[0], [hops, outputs] = w.W_R.shape, width = d / heads;
  const norm = (/** @type {Floats} */ x, /** @type {string} */ name) => normalize(x, T, d, { weight: w[`${name}.weight`], bias: w[`${name}.bias`] });
  return {
    T, N, hops, outputs,
    /** @param {number[]} tokens */
    forward(tokens) {
      if (tokens.length !== T) throw new RangeError(`The sequence has ${tokens.length} tokens; this model reads exactly ${T}.`);
      const x = new Float32Array(T * d), /** @type {Floats[][]} */ attention = [];
      tokens.forEach((z, t) => {
        if (!(Number.isInteger(z) && z >= 0 && z < N)) throw new RangeError(`${z} is no value; values are 0 to ${N - 1}.`);
        for (let p = 0; p < d; p++) x[t * d + p] = w.P.data[t * d + p] + w.W_E.data[z * d + p];
      });
      for (let l = 0; l < layers; l++) {
        const own = (/** @type {string} */ name) => w[`layers.${l}.${name}`].data, y = norm(x, `layers.${l}.norm`);
        const [queries, keys, values] = ["W_Q", "W_K", "W_V"].map((name) => apply(y, T, d, own(name), d));
        const mixed = new Float32Array(T * d), maps = [];
        for (let head = 0; head < heads; head++) {
          const columns = { from: head * width, width, causal }, map = attend(queries, keys, T, d, columns);
          mix(map, values, T, d, columns, mixed);
          maps.push(map);
        }
        apply(mixed, T, d, own("W_O"), d, x, true);
        attention.push(maps);
      }
      return { T, hops, outputs, attention, logits: apply(norm(x, "norm"), T, d, w.W_R.data, hops * outputs) };
    },
  };
}

/**
 * The values reached after 0, 1, ..., r hops from value y at position i (both from 0), positions cyclic.
 * @param {Permutations} pi
 * @param {Permutations} sigma
 * @param {number} i
 * @param {number} y
 * @param {number} r
 */
export function path(pi, sigma, i, y, r) {
  const values = [y];
  for (let hop = 0; hop < r; hop++) {
    const at = (i + hop) % pi.length;
    values.push(sigma[at][pi[at][values[hop]]]);
  }
  return values;
}

/**
 * A permutation of 0..n-1 from digits with anything but letters between them, or null.
 * @param {string} text
 * @param {number} n
 */
export function permutation(text, n) {
  const digits = text.replace(/[\s,;]/g, "");
  if (!/^\d*$/.test(digits) || digits.length !== n) return null;
  const values = [...digits].map(Number);
  return new Set(values).size === n && values.every((value) => value < n) ? values : null;
}
