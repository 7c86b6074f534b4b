// @ts-check
// Widget 2: population gradient descent on a deterministic map, seen in the memory basis.
import * as associative from "../../widgets/associative.js";
import { roles } from "../../widgets/book.js";
import { plot } from "../../widgets/charts.js";
import { heatMap } from "../../widgets/heatmap.js";
import { decimal, expose, frame, panels, percent, range, remark, sentence } from "../../widgets/kit.js";
import * as parts from "../../widgets/parts.js";
import { stateOf } from "../../widgets/state.js";
import { softmax, transpose } from "../../widgets/tensors.js";

/** @typedef {import("../../widgets/tensors.js").Floats} Floats */
/**
 * @typedef {object} Settings
 * @property {string} title
 * @property {number} N how many inputs and outputs there are
 * @property {number} T how many positions
 * @property {number[]} f the output of each input
 * @property {number[]} etas
 * @property {number[]} dimensions
 */
/** @typedef {{ steps: number, eta: number, d: number, positions: string, draw: number }} State */
/**
 * A step's table (k, z), positional logits (k, t), accuracy over the inputs, and means over the table.
 * @typedef {{
 *   table: Float32Array, positional: Float32Array, accuracy: number, sure: number, right: number, wrong: number, spread: number,
 * }} Step
 */

const STEPS = range(51);
/** @param {Float32Array} values */
const largest = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/**
 * The task of the state: x = w_E(z) for each z, or w_E(z) + p_t for each z and t, all equally likely.
 * @param {State} state
 * @param {Settings} settings
 */
function task({ d, positions, draw }, { N, T, f }) {
  const [E, U, P] = [0, 1, 2].map((which) => associative.embeddings(draw, 4 * d + which, which === 2 ? T : N, d));
  if (positions === "off") return { E, U, P, x: E, targets: f };
  const x = new Float32Array(N * T * d);
  for (let i = 0; i < N * T; i++) for (let a = 0; a < d; a++) x[i * d + a] = E[Math.floor(i / T) * d + a] + P[(i % T) * d + a];
  return { E, U, P, x, targets: Array.from({ length: N * T }, (_, i) => f[Math.floor(i / T)]) };
}

/**
 * The embeddings, and what each step leaves.
 * @param {State} state
 * @param {Settings} settings
 */
function train(state, settings) {
  const { E, U, P, x, targets } = task(state, settings), { N, T, f } = settings;
  /**
   * @param {associative.Read} read
   * @param {Float64Array<ArrayBuffer>} seen
   * @returns {Step}
   */
  const look = (read, seen) => {
    const of = (/** @type {Floats} */ rows, /** @type {number} */ n) => transpose({ shape: [n, N], data: Float32Array.from(read(rows)) }).data;
    const table = of(E, N), positional = of(P, T);
    let correct = 0, sure = 0, right = 0, squares = 0;
    targets.forEach((k, i) => {
      const p = softmax(seen, i * N, N);
      let best = 1;
      for (let j = 0; j < N; j++) if (j !== k && seen[i * N + j] >= seen[i * N + k]) best = 0;
      correct += best;
      sure += p[k] / targets.length;
    });
    for (let z = 0; z < N; z++) right += table[f[z] * N + z] / N;
    const wrong = (table.reduce((sum, value) => sum + value, 0) - N * right) / (N * (N - 1));
    for (let z = 0; z < N; z++) for (let k = 0; k < N; k++) squares += (table[k * N + z] - (f[z] === k ? right : wrong)) ** 2;
    return { table, positional, accuracy: correct / targets.length, sure, right, wrong, spread: Math.sqrt(squares / N ** 2) };
  };
  return { E, U, P, ...settings, path: associative.descend({ U, x, targets, d: state.d, eta: state.eta, steps: 50, look }) };
}

/**
 * The prediction: n times the logits that the first step gives where embeddings are orthonormal.
 * @param {State} state
 * @param {number} N
 */
const line = ({ steps, eta }, N) => ({ right: (steps * eta / N) * (1 - 1 / N), wrong: -(steps * eta) / N ** 2 });

/**
 * @param {State} state
 * @param {Step} now
 * @param {number} N
 */
function words(state, now, N) {
  const { steps, eta, d } = state, at = line(state, N), two = (/** @type {number} */ value) => decimal(value, 2);
  if (steps === 0) return `No step yet: W = 0, every logit is 0 and every output has probability 1/${N}.`;
  const count = steps === 1 ? "One gradient step" : `${steps} gradient steps`;
  const held = `${count} of size ${eta} in d = ${d}: accuracy ${percent(now.accuracy)}, and the right output has probability ${two(now.sure)} on average.`;
  const means = ` Right logits are ${two(now.right)} on average and wrong ones ${two(now.wrong)}, where the line gives ${two(at.right)} and ${two(at.wrong)};` +
    ` single logits are off their mean by ${two(now.spread)}, as embeddings overlap by about 1/√d = ${two(1 / Math.sqrt(d))}.`;
  const late = now.right < 0.8 * at.right ? " They lag behind the line: where the softmax is sure already, the gradient is small." : "";
  const why = steps === 1 ? "only crosstalk, as they cancel from the first gradient" : "a position says nothing of the output, and next to nothing of it is stored";
  const positions = state.positions === "on" ? ` Positions move logits by at most ${two(largest(now.positional))}: ${why}.` : "";
  return held + means + late + positions;
}

/** @type {import("../../widgets/kit.js").Widget} */
export const gradient_step = async ({ model, el }) => {
  const /** @type {Settings} */ settings = model.get("settings"), name = model.get("name");
  const { title, N, T, f, etas, dimensions } = settings, root = frame(el, { name, title });
  /** @type {{ key: string, path: ReturnType<typeof train> } | null} */
  let known = null;
  /**
   * The whole path of the state, kept while only the step moves.
   * @param {State} values
   */
  const path = (values) => {
    const key = JSON.stringify({ ...values, steps: 0 });
    if (known?.key !== key) known = { key, path: train(values, settings) };
    return known.path;
  };
  const letter = (/** @type {number} */ z) => String.fromCharCode(97 + z), letters = range(N).map(letter);
  const table = heatMap({
    title: "Logits w_U(k) · W w_E(z)", rowName: "the output k", columnName: "the input z",
    describe: (k, z, value) => `the logit of “${letter(k)}” for the input “${letter(z)}”: ${decimal(value, 3)} (${f[z] === k ? "the right output" : "a wrong one"})`,
  });
  const positional = heatMap({
    title: "Logits w_U(k) · W p_t", rowName: "the output k", columnName: "the position t",
    describe: (k, t, value) => `position ${t + 1} adds ${decimal(value, 3)} to the logit of “${letter(k)}”`,
  });
  const chart = plot({ title: "Mean logits along training", xName: "gradient steps" }), says = sentence();
  let drawn = false;

  /** @param {State} values */
  const draw = (values) => {
    const { path: seen, ...shown } = path(values), now = seen[values.steps], at = line(values, N);
    const on = values.positions === "on", reach = Math.max(largest(now.table), on ? largest(now.positional) : 0) || 1;
    const common = { rows: letters, diverging: true, low: -reach, high: reach, frameRole: "correct" };
    positional.element.hidden = !on;
    table.update({ ...common, columns: letters, data: now.table, frames: f.map((k, z) => [k, z]), home: drawn ? null : [f[0], 0] });
    drawn = true;
    positional.update({ ...common, columns: range(T).map((t) => String(t + 1)), data: now.positional });
    const ends = line({ ...values, steps: 50 }, N), all = seen.flatMap(({ right, wrong }) => [right, wrong]);
    const low = Math.min(...all), high = Math.max(...all), margin = 0.08 * (high - low);
    /**
     * @param {"right" | "wrong"} key
     * @returns {import("../../widgets/charts.js").Point[]}
     */
    const along = (key) => seen.map((one, step) => [step, one[key]]);
    chart.update({
      x: [0, 50], y: [low - margin, high + margin], cursor: values.steps,
      series: [
        { name: "right output", ...roles.correct, points: along("right"), value: now.right },
        { name: "on the line", ...roles.predicted, points: [[0, 0], [50, ends.right]], value: at.right },
        { name: "wrong outputs", colour: "var(--mb-text)", dashes: [6, 2, 1, 2], points: along("wrong"), value: now.wrong },
        { name: "on their line", ...roles.predicted, points: [[0, 0], [50, ends.wrong]], value: at.wrong },
      ],
    });
    says.say(words(values, now, N));
    expose(root, { ...values, accuracy: now.accuracy, sure: now.sure });
    // For the console and the tests: the very embeddings, and every logit.
    Object.assign(root, { memory: { ...shown, ...now } });
  };

  const state = stateOf({
    name, root, draw, start: { steps: 1, eta: 10, d: 128, positions: "off", draw: 1 },
    parts: {
      steps: parts.slider({ label: "Gradient steps", values: STEPS }),
      eta: parts.slider({ label: "Step size η", values: etas }),
      d: parts.slider({ label: "Dimension d", values: dimensions }),
      positions: parts.choice({ label: "Input", options: [["off", "w_E(z), the token alone"], ["on", "w_E(z) + p_t, random t"]] }),
      draw: parts.draws({ label: "Embeddings" }),
    },
    presets: {
      label: "Moments",
      options: [
        ["Before", { steps: 0 }],
        ["One step", { steps: 1, eta: 10, d: 128 }],
        ["One step, small d", { steps: 1, eta: 10, d: 8 }],
        ["Fifty steps", { steps: 50, eta: 10, d: 128 }],
      ],
    },
  });
  root.append(
    state.presets, state.controls(), says.element, panels(table, positional, chart),
    remark(`Dashed frames: the right output f(z) of each input. The line: n steps of the first one's logits, n (η/N)(1{f(z) = k} − 1/N), with N = ${N}.`),
    state.link,
  );
  return state.live(table, positional);
};
