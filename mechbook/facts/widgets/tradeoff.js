// @ts-check
// Widget 6b: which models a budget of parameters buys, and what they recall.
import { heatMap } from "../../widgets/heatmap.js";
import { expose, frame, sentence, weightsOf } from "../../widgets/kit.js";
import * as parts from "../../widgets/parts.js";
import { stateOf } from "../../widgets/state.js";

/**
 * @typedef {object} Settings
 * @property {string} title
 * @property {number[]} H numbers of heads
 * @property {number[]} m MLP widths
 * @property {number[][]} parameters of each model, heads by widths
 * @property {number[]} budgets
 * @property {[budget: number, words: string][]} presets
 */
/** @typedef {{ i: number, j: number, heads: number, width: number, cost: number, accuracy: number }} Model one of the grid */

const share = (/** @type {number} */ value) => value.toFixed(3);
const count = (/** @type {number} */ value) => value.toLocaleString("en");
const words = (/** @type {Model} */ { heads, width }) =>
  `${heads} ${heads === 1 ? "head" : "heads"} and ${width ? `an MLP of width ${width}` : "no MLP"}`;

/**
 * The most accurate of some models; among equals the cheapest.
 * @param {Model[]} some
 */
const best = (some) => some.reduce(
  (/** @type {Model | null} */ a, b) => (!a || b.accuracy > a.accuracy || (b.accuracy === a.accuracy && b.cost < a.cost) ? b : a), null);

/** @type {import("../../widgets/kit.js").Widget} */
export const fact_tradeoff = async ({ model, el }) => {
  const /** @type {Settings} */ settings = model.get("settings"), tensors = await weightsOf(model), name = model.get("name");
  const { title, H, m, parameters, budgets, presets } = settings, accuracy = tensors.accuracy.data, root = frame(el, { name, title });
  const cells = H.flatMap((heads, i) => m.map((width, j) => ({
    i, j, heads, width, cost: parameters[i][j], accuracy: accuracy[i * m.length + j],
  })));
  const map = heatMap({
    title: "Accuracy by heads and MLP width", rowName: "heads H", columnName: "MLP width m",
    describe: (i, j, value) => `${words(cells[i * m.length + j])}: accuracy ${share(value)}, ${count(parameters[i][j])} parameters`,
  });
  const says = sentence();
  const state = stateOf({
    name, root, start: { budget: presets[1][0], bar: "0.99" },
    parts: {
      budget: parts.slider({ label: "Parameter budget", values: budgets, words: count }),
      bar: parts.choice({ label: "Accuracy to reach", options: [["0.9", "0.9"], ["0.95", "0.95"], ["0.99", "0.99"]] }),
    },
    presets: { label: "Budgets", options: presets.map(([budget, moment]) => [moment, { budget }]) },
    draw({ budget, bar }) {
      const within = cells.filter((cell) => cell.cost <= budget), plain = best(within.filter((cell) => !cell.width));
      // No budget is smaller than the cheapest model.
      const found = best(within) ?? cells[0];
      const reach = within.filter((cell) => cell.accuracy >= Number(bar)).sort((a, b) => a.cost - b.cost), cheapest = reach.at(0);
      map.update({
        rows: H.map(String), columns: m.map(String), data: accuracy, low: 0, high: 1, solid: true,
        frames: within.map(({ i, j }) => [i, j]), frameRole: "W_O2", home: [found.i, found.j],
      });
      says.say(`At most ${count(budget)} parameters: ${within.length} of the ${cells.length} models, framed. ` +
        `The best has ${words(found)}: accuracy ${share(found.accuracy)}. ` +
        (found.width && plain ? `Without an MLP the best is ${share(plain.accuracy)}, with ${words(plain)}. ` : "") +
        (cheapest ? `The cheapest that reaches ${bar} has ${words(cheapest)}, ${count(cheapest.cost)} parameters.` : `None of them reaches ${bar}.`));
      expose(root, {
        budget, bar, within: within.length, best: found.accuracy, heads: found.heads, width: found.width, cheapest: cheapest?.cost ?? "",
      });
    },
  });
  root.append(state.presets, state.controls(), says.element, map.element, state.link);
  return state.live(map);
};
