// The hop transformer in the page (mechbook/hops/model.py), and paths of hops: mechbook.hops.
import * as engine from "../../widgets/engine.js";

/** Attention of one head over all tokens, or over those up to the query: columns from .. from + width - 1. */
function attend(queries, keys, T, d, from, width, causal) {
  const map = new Float32Array(T * T), scale = 1 / Math.sqrt(width), scores = new Float64Array(T);
  for (let q = 0; q < T; q++) {
    const seen = causal ? q + 1 : T;
    for (let s = 0; s < seen; s++) {
      let score = 0;
      for (let p = from; p < from + width; p++) score += queries[q * d + p] * keys[s * d + p];
      scores[s] = score * scale;
    }
    engine.softmax(scores, 0, seen, map, q * T);
  }
  return map;
}

/** Mix the values with an attention map, into the head's columns of out. */
function mix(map, values, T, d, out, from, width) {
  for (let q = 0; q < T; q++) {
    for (let p = from; p < from + width; p++) {
      let sum = 0;
      for (let s = 0; s < T; s++) sum += map[q * T + s] * values[s * d + p];
      out[q * d + p] = sum;
    }
  }
}

/**
 * A model from its state dict's own names. forward(tokens) gives logits (T, hops, N_out) in a row, attention[layer][head]
 * as (T, T) maps.
 */
export function model(w, { n_layers: layers, n_heads: heads, causal = false }) {
  const [T, d] = w.P.shape, N = w.W_E.shape[0], [hops, outputs] = w.W_R.shape, width = d / heads;
  const norm = (x, name) => engine.normalize(x, T, d, { weight: w[`${name}.weight`], bias: w[`${name}.bias`] });
  return {
    T, N, hops, outputs,
    forward(tokens) {
      if (tokens.length !== T) throw new RangeError(`The sequence has ${tokens.length} tokens; this model reads exactly ${T}.`);
      const x = new Float32Array(T * d), attention = [];
      tokens.forEach((z, t) => {
        if (!(Number.isInteger(z) && z >= 0 && z < N)) throw new RangeError(`${z} is no value; values are 0 to ${N - 1}.`);
        for (let p = 0; p < d; p++) x[t * d + p] = w.P.data[t * d + p] + w.W_E.data[z * d + p];
      });
      for (let l = 0; l < layers; l++) {
        const own = (name) => w[`layers.${l}.${name}`].data, y = norm(x, `layers.${l}.norm`);
        const [queries, keys, values] = ["W_Q", "W_K", "W_V"].map((name) => engine.apply(y, T, d, own(name), d));
        const mixed = new Float32Array(T * d), maps = [];
        for (let h = 0; h < heads; h++) {
          const map = attend(queries, keys, T, d, h * width, width, causal);
          mix(map, values, T, d, mixed, h * width, width);
          maps.push(map);
        }
        engine.apply(mixed, T, d, own("W_O"), d, x, true);
        attention.push(maps);
      }
      return { T, hops, outputs, attention, logits: engine.apply(norm(x, "norm"), T, d, w.W_R.data, hops * outputs) };
    },
  };
}

/** The values reached after 0, 1, ..., r hops from value y at position i (both from 0), positions cyclic. */
export function path(pi, sigma, i, y, r) {
  const values = [y];
  for (let hop = 0; hop < r; hop++) {
    const at = (i + hop) % pi.length;
    values.push(sigma[at][pi[at][values[hop]]]);
  }
  return values;
}

/** A permutation of 0..n-1 from digits with anything but letters between them, or null. */
export function permutation(text, n) {
  const digits = text.replace(/[\s,;]/g, "");
  if (!/^\d*$/.test(digits) || digits.length !== n) return null;
  const values = [...digits].map(Number);
  return new Set(values).size === n && values.every((value) => value < n) ? values : null;
}
