// @ts-check
// Weights from the page to Python and back, where a kernel listens: in JupyterLab, not on a built site.
import { initialWeights } from "../../widgets/training/run.js";
import { TRAINED } from "../../widgets/training/two_layers.js";

/** @typedef {import("../../widgets/training/stepping.js").Kept} Kept */
/** @typedef {import("../../widgets/training/run.js").Weights} Weights */
/**
 * anywidget's model where there is a kernel.
 * @typedef {import("../../widgets/kit.js").Model & {
 *   set(key: string, value: any): void, save_changes(): void, on(event: string, call: () => void): void,
 * }} Live
 */

/** The order in which the matrices lie, as mechbook/induction/widgets/handing.py has it. */
const NAMES = ["W_E", "P", "W_U", "W_K1", "W_V1", "W_O1", "W_K2", "W_V2", "W_O2"];

/**
 * Whether a kernel listens: then the scripts came from it.
 * @param {import("../../widgets/kit.js").Model} model
 */
export const listens = (model) => Boolean(model.get("library"));

/**
 * The matrices of one buffer.
 * @param {{ N: number, T: number, d: number }} sizes
 * @param {DataView<ArrayBuffer>} view
 * @returns {Weights}
 */
export function taken({ N, T, d }, view) {
  const floats = new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
  let at = 0;
  return Object.fromEntries(NAMES.map((name) => {
    const count = d * (name === "P" ? T : name === "W_E" || name === "W_U" ? N : d);
    at += count;
    return [name, floats.subarray(at - count, at)];
  }));
}

/**
 * Hand all matrices of a run to Python: the frozen ones as it began, the trained ones as they are.
 * @param {Live} model
 * @param {import("../../widgets/training/run.js").Settings} settings
 * @param {Weights | null} given where the run did not draw its own
 * @param {Kept} kept
 */
export function hand(model, settings, given, kept) {
  const { N, T, d, lr, seed, frozen } = settings, all = { ...(given ?? initialWeights(settings)) };
  for (const name of TRAINED) all[name] = kept.parts[`${name} w`];
  const size = NAMES.reduce((sum, name) => sum + all[name].length, 0), floats = new Float32Array(size);
  let at = 0;
  for (const name of NAMES) {
    floats.set(all[name], at);
    at += all[name].length;
  }
  model.set("handed", { N, T, d, lr, seed, frozen, step: kept.step });
  model.set("trained", new DataView(floats.buffer));
  model.save_changes();
}
