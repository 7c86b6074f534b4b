// @ts-check
// One training run of the two-layer model: a seed and settings decide every number of it, in every browser.
// At step s, s updates have been made; the batch of step s is drawn from the seed's stream s + 1, so that a run which is
// taken up again at a step goes on as if it had never stopped.
import { previousRecall, recall } from "../tensors.js";
import { sampler } from "./bigrams.js";
import { normals, uniforms } from "./random.js";
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
/** @typedef {{ step: number, loss: number, accuracy: number, W_O2: number, W_K2: number, W_K1: number }} Point */
/** @typedef {{ step: number, updates: number, points: Point[], sums: number[], parts: Record<string, Float32Array<ArrayBuffer>> }} Kept */
/** @typedef {ReturnType<typeof runOf>} Run */

/** The spread of the loss around chance that no learning makes; beyond it the steps are too large. */
const FAR = 6;

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
  let step = 0, updates = 0, last = NaN, diverged = false, /** @type {Point[]} */ points = [];
  // losses of batches, right positions and all positions since the last probe, and the batches
  let sums = [0, 0, 0, 0];
  /** @param {Trained[]} names */
  const freeze = (names) => {
    settings.frozen = names;
    model.frozen.clear();
    for (const name of names) model.frozen.add(name);
  };
  freeze(settings.frozen);

  function probes() {
    const { W_K1, W_K2, W_O2 } = model.maps();
    const turned = W_K2.map((_, at) => W_K2[(at % N) * N + Math.floor(at / N)]);
    return {
      W_O2: recall({ shape: [N, N], data: W_O2 }), W_K2: recall({ shape: [N, N], data: turned }, often),
      W_K1: previousRecall({ shape: [T, T], data: W_K1 }),
    };
  }

  /** Measures the batch of this step, and probes the model where that is due; returns the batch's positions. */
  function measure() {
    const n = draw(uniforms(seed, step + 1), model.batch);
    if (n) {
      const { loss, right } = model.gradients(n);
      last = loss;
      sums = [sums[0] + loss, sums[1] + right, sums[2] + n, sums[3] + 1];
      // the first batch tells nothing of the steps
      diverged ||= !Number.isFinite(loss) || (step > 0 && loss > points[0].loss + FAR * Math.log(N));
    }
    if (step % settings.every === 0 || step >= settings.steps) {
      points.push({ step, loss: sums[3] ? sums[0] / sums[3] : 0, accuracy: sums[2] ? sums[1] / sums[2] : 0, ...probes() });
      sums = [0, 0, 0, 0];
    }
    return n;
  }

  return {
    settings, model, freeze,
    get step() { return step; },
    get points() { return points; },
    get diverged() { return diverged; },
    /** The loss of the last batch. */
    get loss() { return last; },
    /** One update; false where there is nothing left to do. */
    advance() {
      if (diverged || step >= settings.steps) return false;
      const n = measure();
      if (diverged) return false;
      if (n) model.update({ ...settings, t: ++updates });
      step += 1;
      // the last probe comes after the last update, and no update after it
      if (step === settings.steps) measure();
      return true;
    },
    /** All that a run needs to go on from here. @returns {Kept} */
    keep: () => ({
      step, updates, points: [...points], sums: [...sums],
      parts: Object.fromEntries(TRAINED.flatMap((name) => /** @type {("w" | "m" | "v")[]} */ (["w", "m", "v"]).map((part) => [`${name} ${part}`, model.matrix(name, part)]))),
    }),
    /** @param {Kept} kept */
    take(kept) {
      ({ step, updates } = kept);
      points = [...kept.points];
      sums = [...kept.sums];
      for (const [key, values] of Object.entries(kept.parts)) {
        const [name, part] = key.split(" ");
        model.set(name, /** @type {"w" | "m" | "v"} */ (part), values);
      }
    },
  };
}
