// @ts-check
// What a reader sets, as settings of a run.
import { range } from "../../widgets/kit.js";

/** @typedef {import("../../widgets/training/run.js").Settings} Run */
/** @typedef {import("../../widgets/tensors.js").Tensors} Tensors */
/**
 * A model that can be trained: its task, sizes and rates. `ranked` has the tokens from the most frequent on; fixed
 * triggers are its first. `range` is that of the build's own runs of it.
 * @typedef {{
 *   name: string, vocabulary: string, T: number, d: number, batch: number, K: number, mostK: number, steps: number, every: number,
 *   rates: { sgd: number, adamw: number }, seq: string, ranked: number[], pace: number, range: import("../../widgets/curves.js").Range | null,
 * }} Size
 */
/**
 * @typedef {{
 *   size: string, triggers: "random" | "fixed", K: number, optimizer: "sgd" | "adamw", lr: number, seed: number,
 *   frozen: import("../../widgets/training/run.js").Trained[], pace: string, seq: string,
 * }} State
 */

const MOMENTUM = 0.9, DECAY = 1e-4;

/**
 * What a size brings along.
 * @param {Size} size
 */
export const defaults = ({ K, rates, seq, pace }) => ({ K, optimizer: "sgd", lr: rates.sgd, seq, pace: pace ? "watch" : "fast" });

/**
 * The settings of a run in the worker.
 * @param {Size} size
 * @param {State} state
 * @param {Tensors} tensors
 * @returns {Run}
 */
export function settingsOf(size, state, tensors) {
  const N = [...size.vocabulary].length, uniform = Array(N).fill(1 / N), own = tensors.pi_b && tensors.pi_b.shape[0] === N;
  const pi_u = own ? [...tensors.pi_u.data] : uniform;
  const pi_b = own ? range(N).map((i) => [...tensors.pi_b.data.subarray(i * N, (i + 1) * N)]) : range(N).map(() => uniform);
  return {
    N, T: size.T, d: size.d, B: size.batch, K: state.K, pi_u, pi_b, triggers: state.triggers === "fixed" ? size.ranked.slice(0, state.K) : null,
    optimizer: state.optimizer, lr: state.lr, momentum: MOMENTUM, decay: state.optimizer === "sgd" ? DECAY : 0,
    seed: state.seed, frozen: [...state.frozen], every: size.every, steps: size.steps,
  };
}
