// @ts-check
// A training run of noisy recall: two layers of attention, F_2 an MLP, no F_1, W_V1 frozen (mechbook/noisy/model.py).
import { noisySampler } from "./bigrams.js";
import { noisyOut } from "./noisy_out.js";
import { normals, uniforms } from "./random.js";
import { stepping } from "./stepping.js";
import { attentionLayers } from "./two_layers.js";

/** @typedef {import("./two_layers.js").Weights} Weights */
/**
 * N letters, of which `triggers` are the first ones, and the noise token N; see noisySampler.
 * @typedef {import("./two_layers.js").Sizes & Parameters<typeof noisySampler>[0] & {
 *   lr: number, momentum: number, decay: number, seed: number, every: number, steps: number,
 * }} Settings
 */

const NAMES = ["W_K1", "W_K2", "W_V2", "F2.W_in", "F2.W_out"];
/** @type {("w" | "m")[]} */
const PARTS = ["w", "m"];

/**
 * Weights as NoisyTransformer draws them: embeddings and positions N(0, 1), others uniform in +-1/sqrt(fan in).
 * @param {{ N: number, T: number, d: number, seed: number }} settings
 * @returns {Weights}
 */
export function initialNoisyWeights({ N, T, d, seed }) {
  const uniform = uniforms(seed, 0), V = N + 1;
  const even = (/** @type {number} */ rows, /** @type {number} */ columns) => Float32Array.from({ length: rows * columns }, () => (2 * uniform() - 1) / Math.sqrt(columns));
  return {
    W_E: normals(uniform, V * d, 1), P: normals(uniform, T * d, 1), W_U: even(V, d), W_K1: even(d, d), W_V1: even(d, d),
    W_K2: even(d, d), W_V2: even(d, d), "F2.W_in": even(4 * d, d), "F2.W_out": even(d, 4 * d),
  };
}

/**
 * @param {Uint8Array<ArrayBuffer> | null} code of the kernels
 * @param {Settings} settings
 * @param {Weights} [weights] where they are not drawn from the seed
 */
export function noisyOf(code, settings, weights = initialNoisyWeights(settings)) {
  const { N, T, d, B, seed } = settings, V = N + 1, model = attentionLayers(code, { N: V, T, d, B }, weights, noisyOut);
  const draw = noisySampler(settings), answers = new Int32Array(B * T), room = { ...model.batch, answers };
  let dropped = false;

  /** P(correct) and P(noise) on sequences that are the same at every probe, whole and without F_2. */
  function probes() {
    const n = draw(uniforms(seed, 2 ** 31), room), found = /** @type {Record<string, number>} */ ({});
    for (const [without, tail] of /** @type {[boolean, string][]} */ ([[false, ""], [true, " cut"]])) {
      model.ending.drop(without);
      let correct = 0, noise = 0;
      model.evaluate((i, p) => {
        correct += p[answers[i]] / n;
        noise += p[N] / n;
      });
      found[`correct${tail}`] = correct;
      found[`noise${tail}`] = noise;
    }
    model.ending.drop(false);
    return found;
  }

  const run = stepping({
    settings, vectors: model.vectors, chance: Math.log(V),
    gradients(step) {
      const n = draw(uniforms(seed, step + 1), room);
      return n ? { n, ...model.gradients(n) } : { n, loss: 0, right: 0 };
    },
    update: (t) => model.update({ ...settings, optimizer: "sgd", t }),
    probes,
    held: () => Object.fromEntries(NAMES.flatMap((name) => PARTS.map((part) => [`${name} ${part}`, model.matrix(name, part)]))),
    hold(parts) {
      for (const [key, values] of Object.entries(parts)) {
        const [name, part] = key.split(" ");
        model.set(name, /** @type {"w" | "m"} */ (part), values);
      }
    },
    seen(/** @type {number[]} */ sequence) {
      model.ending.drop(dropped);
      const look = model.look(sequence);
      model.ending.drop(false);
      return { look };
    },
    change({ lr, drop }) {
      if (lr !== undefined) settings.lr = lr;
      if (drop !== undefined) dropped = drop;
    },
  });
  return Object.assign(run, { model });
}
