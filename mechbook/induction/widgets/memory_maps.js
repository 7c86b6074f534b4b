// @ts-check
// Widget 3b: the trained matrices in the memory basis.
import { heatMap } from "../../widgets/heatmap.js";
import { expose, frame, percent, range, sentence, spoken } from "../../widgets/kit.js";
import * as parts from "../../widgets/parts.js";
import { atTheEnd, open } from "../../widgets/runs.js";
import { stateOf } from "../../widgets/state.js";
import { apply, memoryMap, previousRecall, recall, transpose } from "../../widgets/tensors.js";

/** @typedef {import("../../widgets/tensors.js").Tensor} Tensor */
/** @typedef {import("../../widgets/runs.js").Settings & { title: string, triggerWeights: number[] }} Settings */
/** @typedef {Settings & import("../../widgets/runs.js").Run} Run */
/** @typedef {"W_K1" | "W_K2" | "W_O2"} Matrix */
/** @typedef {{ step: number, map: Matrix }} State */

/** @type {[Matrix, string][]} */
const MATRICES = [
  ["W_K1", "W_K1: who looks at which position"],
  ["W_K2", "W_K2: who looks for which character"],
  ["W_O2", "W_O2: what an attended one predicts"],
];
/** What a share of recalled memories means. */
const SENTENCES = {
  W_K1: (/** @type {string} */ p) => `For ${p} of the positions the best key among those before it is the previous position: the memories of a previous-token head, one step below the diagonal.`,
  W_K2: (/** @type {string} */ p) => `Weighted by how often each is a trigger, ${p} of the characters prefer their own remapped copy over all others: the diagonal.`,
  W_O2: (/** @type {string} */ p) => `For ${p} of the characters, attending to one raises its own logit most: the diagonal copies.`,
};

/**
 * W x for each row x.
 * @param {Tensor} rows
 * @param {Tensor} W
 * @returns {Tensor}
 */
const images = ({ shape: [n, d], data }, W) => ({ shape: [n, W.shape[0]], data: apply(data, n, d, W.data, W.shape[0]) });

/**
 * The map of a matrix and the share of memories it recalls, as mechbook/shared/recall.py's induction_memory_maps and recalls.
 * @param {Run} run
 * @param {State} state
 */
function memory(run, { step, map }) {
  const w = run.weights(step);
  if (map === "W_K1") {
    const shown = memoryMap(w.W_K1, w.P, w.P);
    return { shown, share: previousRecall(shown) };
  }
  if (map === "W_K2") {
    const shown = memoryMap(w.W_K2, images(images(w.W_E, w.W_V1), w.W_O1), w.W_E);
    return { shown, share: recall(transpose(shown), run.triggerWeights) };
  }
  const shown = memoryMap(w.W_O2, images(w.W_E, w.W_V2), w.W_U);
  return { shown, share: recall(shown) };
}

/** @type {import("../../widgets/kit.js").Widget} */
export const memory_maps = async ({ model, el }) => {
  const /** @type {Run} */ run = await open(model), name = model.get("name"), root = frame(el, { name, title: run.title });
  /** @type {Map<string, ReturnType<typeof memory>>} */
  const known = new Map();
  const labels = () => (state.values.map === "W_K1" ? range(run.T).map((t) => String(t + 1)) : run.characters);
  const map = heatMap({
    title: "The matrix in its memory basis", rowName: "the query (W_O2: the prediction)", columnName: "the key (W_O2: the attended character)",
    describe: (j, i, value) => {
      const at = labels(), on = (/** @type {number} */ k) => (state.values.map === "W_K1" ? `position ${at[k]}` : spoken(at[k]));
      const [how, from, to] = state.values.map === "W_O2" ? ["raises the logit of", on(i), on(j)] : ["scores the key", on(j), on(i)];
      return `${from} ${how} ${to} by ${value.toFixed(2)}`;
    },
  });
  const says = sentence();
  const state = stateOf({
    name, root, start: /** @type {State} */ ({ step: atTheEnd(run).step, map: "W_K2" }),
    parts: {
      step: parts.slider({ label: "Training step", values: run.steps, near: true }),
      map: parts.choice({ wide: true, label: "Matrix", options: MATRICES }),
    },
    presets: { label: "Moments of training", options: run.presets.map(([step, moment]) => [moment, { step }]) },
    draw(values) {
      const key = `${values.step}/${values.map}`, found = known.get(key) ?? memory(run, values);
      known.set(key, found);
      const { shown, share } = found, [n, m] = shown.shape, at = labels();
      const reach = shown.data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      map.update({ rows: at.slice(0, n), columns: at.slice(0, m), data: shown.data, diverging: true, low: -reach, high: reach });
      says.say(`Step ${values.step}. ${SENTENCES[values.map](percent(share))}`);
      expose(root, { step: values.step, share });
    },
  });
  root.append(state.presets, state.controls(), says.element, map.element, state.link);
  return state.live(map);
};
