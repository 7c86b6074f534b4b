// @ts-check
// A training run of the two-layer model: a seed and settings decide every number of it, in every browser.
import { previousRecall, recall } from "../tensors.js";
import { sampler } from "./bigrams.js";
import { normals, uniforms } from "./random.js";
import { stepping } from "./stepping.js";
import { TRAINED, twoLayers } from "./two_layers.js";

/** @typedef {import("./two_layers.js").Weights} Weights */
/** @typedef {import("./two_layers.js").Trained} Trained */
/**
 * What decides a run: the model's sizes, the task, the optimizer, which matrices are frozen now, a probe every so many
 * steps, and the number of steps.
 * @typedef {import("./two_layers.js").Sizes & import("./bigrams.js").Task & {
 *   optimizer: "sgd" | "adamw", lr: number, momentum: number, decay: number,
 *   seed: number, frozen: Trained[], every: number, steps: number,
 * }} Settings
 */
/** @typedef {{ lr?: number, frozen?: Trained[] }} Change */

/** @type {("w" | "m" | "v")[]} */
const PARTS = ["w", "m", "v"];

/**
 * Weights as SimplifiedTransformer draws them: embeddings and positions N(0, 1), all others N(0, 1/d).
 * @param {{ N: number, T: number, d: number, seed: number }} settings
 * @returns {Weights}
 */
export function initialWeights({ N, T, d, seed }) {
  const uniform = uniforms(seed, 0), std = 1 / Math.sqrt(d);
  const first = { W_E: normals(uniform, N * d, 1), P: normals(uniform, T * d, 1), W_U: normals(uniform, N * d, std) };
  const names = ["W_K1", "W_V1", "W_O1", "W_K2", "W_V2", "W_O2"];
  return { ...first, ...Object.fromEntries(names.map((name) => [name, normals(uniform, d * d, std)])) };
}

/**
 * @param {Uint8Array<ArrayBuffer> | null} code of the kernels
 * @param {Settings} settings
 * @param {Weights} [weights] where they are not drawn from the seed
 */
export function runOf(code, settings, weights = initialWeights(settings)) {
  const { N, T, seed, pi_u, triggers } = settings, model = twoLayers(code, settings, weights), draw = sampler(settings);
  const often = triggers ? pi_u.map((_, token) => (triggers.includes(token) ? 1 : 0)) : pi_u;
  /** @param {Trained[]} names */
  const freeze = (names) => {
    settings.frozen = names;
    model.frozen.clear();
    for (const name of names) model.frozen.add(name);
  };
  freeze(settings.frozen);

  const run = stepping({
    settings, vectors: model.vectors, chance: Math.log(N),
    gradients(step) {
      const n = draw(uniforms(seed, step + 1), model.batch);
      return n ? { n, ...model.gradients(n) } : { n, loss: 0, right: 0 };
    },
    update: (t) => model.update({ ...settings, t }),
    probes() {
      const { W_K1, W_K2, W_O2 } = model.maps();
      const turned = W_K2.map((_, at) => W_K2[(at % N) * N + Math.floor(at / N)]);
      return {
        W_O2: recall({ shape: [N, N], data: W_O2 }), W_K2: recall({ shape: [N, N], data: turned }, often),
        W_K1: previousRecall({ shape: [T, T], data: W_K1 }),
      };
    },
    held: () => Object.fromEntries(TRAINED.flatMap((name) => PARTS.map((part) => [`${name} ${part}`, model.matrix(name, part)]))),
    hold(parts) {
      for (const [key, values] of Object.entries(parts)) {
        const [name, part] = key.split(" ");
        model.set(name, /** @type {"w" | "m" | "v"} */ (part), values);
      }
    },
    seen: (/** @type {number[]} */ sequence) => ({ maps: model.maps(), look: model.look(sequence) }),
    change({ lr, frozen }) {
      if (lr !== undefined) settings.lr = lr;
      if (frozen) freeze(frozen);
    },
  });
  return Object.assign(run, { model });
}
