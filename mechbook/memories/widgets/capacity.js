// @ts-check
// Widget 1: how much an outer-product memory holds, on random embeddings that the page draws.
import * as associative from "../../widgets/associative.js";
import { roles } from "../../widgets/book.js";
import { plot } from "../../widgets/charts.js";
import { heatMap } from "../../widgets/heatmap.js";
import { decimal, expose, frame, panels, percent, range, remark, sentence } from "../../widgets/kit.js";
import * as parts from "../../widgets/parts.js";
import { stateOf } from "../../widgets/state.js";

/**
 * @typedef {object} Settings
 * @property {string} title
 * @property {number[]} counts the numbers of pairs N on offer
 * @property {number[]} dimensions the dimensions d on offer
 * @property {number} M the number of values that all keys share
 * @property {number} typical the dimension of the presets
 * @property {Record<string, number[][]>} predicted recall by kind of values, dimension and N
 */
/** @typedef {{ N: number, d: number, values: string, draw: number }} State */
/** @typedef {ReturnType<typeof build>} Memory */

const SHOWN = 40, HIGH = 0.99;

/** @type {{ draw: number, d: number, u: Float32Array<ArrayBuffer>, v: Float32Array<ArrayBuffer> } | null} */
let drawn = null;

/**
 * The embeddings of a draw, enough for the largest N: with more pairs the first ones stay.
 * @param {number} draw
 * @param {number} d
 * @param {number} most
 */
function embeddings(draw, d, most) {
  if (drawn?.draw === draw && drawn.d === d) return drawn;
  return (drawn = { draw, d, u: associative.embeddings(draw, 2 * d, most, d), v: associative.embeddings(draw, 2 * d + 1, most, d) });
}

/**
 * The memory of a state, with M values if they are shared and there are as many keys: f(i) = i mod M.
 * @param {State} state
 * @param {number} M
 * @param {number} most
 */
function build({ N, d, values, draw }, M, most) {
  const count = values === "shared" ? Math.min(M, N) : N, all = embeddings(draw, d, most);
  const u = all.u.subarray(0, N * d), v = all.v.subarray(0, count * d);
  const f = Uint16Array.from({ length: N }, (_, i) => i % count);
  return { u, v, f, d, M: count, expected: associative.expectedCrosstalk(f, count, d), ...associative.recall(u, v, f, d) };
}

/**
 * The three moments: a quarter of the capacity (the last N whose predicted recall is 0.99), the capacity, four times it.
 * @param {number[]} counts
 * @param {number[]} predicted
 */
function moments(counts, predicted) {
  const at = Math.max(0, predicted.filter((part) => part >= HIGH).length - 1);
  const near = (/** @type {number} */ wanted) =>
    counts.reduce((a, b) => (Math.abs(Math.log(b / wanted)) < Math.abs(Math.log(a / wanted)) ? b : a));
  return [near(counts[at] / 4), counts[at], near(counts[at] * 4)];
}

/**
 * @param {State} state
 * @param {Memory} memory
 * @param {number} predicted
 */
function words(state, memory, predicted) {
  const { N, d } = state, { share, right, crosstalk, expected, M } = memory;
  const pairs = state.values === "shared" ? `${N} keys that share ${M} values` : `${N} pairs of a key and a value`;
  const so = share >= HIGH ? "The right scores stand out from the crosstalk"
    : share >= 0.5 ? "The crosstalk has begun to drown right scores" : "The crosstalk drowns most right scores";
  return `${pairs} in d = ${d} dimensions (${d * d} numbers in W): ${percent(share)} are recalled in this draw, ${percent(predicted)} are predicted. ` +
    `${so}: those are ${right.toFixed(2)} on average, wrong ones spread by ${crosstalk.toFixed(2)} around zero (${expected.toFixed(2)} predicted), and each right score has ${M - 1} rival${M === 2 ? "" : "s"}.`;
}

/** What the reader has measured so far, for each dimension and kind of value: recall by N and draw. */
function measurements() {
  /** @type {Map<string, Map<string, [N: number, recall: number]>>} */
  const known = new Map();
  /**
   * @param {State} state
   * @param {number} recall
   */
  return ({ N, d, values, draw }, recall) => {
    const key = `${d}/${values}`, points = known.get(key) ?? new Map(), at = `${N}/${draw}`;
    known.set(key, points);
    // The point of this state comes last.
    points.delete(at);
    points.set(at, [N, recall]);
    return [...points.values()];
  };
}

/** @type {import("../../widgets/kit.js").Widget} */
export const capacity = async ({ model, el }) => {
  const /** @type {Settings} */ settings = model.get("settings"), name = model.get("name");
  const { title, counts, dimensions, M, typical, predicted } = settings, root = frame(el, { name, title });
  const remember = measurements(), most = counts[counts.length - 1];
  /** @param {State} state */
  const line = (state, d = state.d) => predicted[state.values][dimensions.indexOf(d)];
  /** @type {Memory | null} */
  let memory = null;
  const map = heatMap({
    title: "Scores v_k · W u_i", rowName: "the value k", columnName: "the key i",
    describe: (k, i, value) => {
      const kind = memory?.f[i] !== k ? "wrong: crosstalk" : memory.recalled[i] ? "right, and the highest" : "right, but another value scores higher";
      return `value ${k + 1} for key ${i + 1}: ${decimal(value, 3)} (${kind})`;
    },
  });
  const chart = plot({ title: "Recall against the number of pairs", xName: "N, pairs stored" });
  const part = remark(""), says = sentence();

  /** @param {State} values */
  const draw = (values) => {
    const first = memory === null, now = build(values, M, most), { share, scores, f, recalled } = now, { N } = values;
    memory = now;
    const columns = Math.min(N, SHOWN), rows = Math.min(now.M, SHOWN), shown = new Float32Array(rows * columns);
    const /** @type {import("../../widgets/heatmap.js").Cell[]} */ frames = [];
    let reach = 0;
    for (let i = 0; i < columns; i++) {
      for (let j = 0; j < rows; j++) {
        shown[j * columns + i] = scores[i * now.M + j];
        reach = Math.max(reach, Math.abs(shown[j * columns + i]));
      }
      if (!recalled[i]) frames.push([f[i], i]);
    }
    const labels = (/** @type {number} */ n) => range(n).map((k) => String(k + 1));
    map.update({
      rows: labels(rows), columns: labels(columns), data: shown, diverging: true, low: -reach, high: reach,
      frames, solid: true, frameRole: "correct", home: first ? [0, 0] : null,
    });
    part.textContent = (N > SHOWN ? `The picture shows the first ${SHOWN} of ${N} keys; all of them count. ` : "") +
      "Framed: right scores that some wrong value beats.";
    const points = remember(values, share), here = points.filter(([n]) => n === N), expected = line(values)[counts.indexOf(N)];
    const /** @type {import("../../widgets/charts.js").Series[]} */ series = [
      { name: "predicted at this N", ...roles.predicted, points: counts.map((n, i) => [n, line(values)[i]]), value: expected },
      { name: "in this draw", colour: "var(--mb-text)", dots: true, points, value: share },
    ];
    const mean = here.reduce((sum, [, recall]) => sum + recall, 0) / here.length;
    if (here.length > 1) series.push({ name: `mean of ${here.length} draws at this N`, colour: "none", dots: true, points: [], value: mean });
    chart.update({
      x: [counts[0], most], y: [0, 1], logX: true, xTicks: counts.filter((n) => Number.isInteger(Math.log2(n)) && Math.log2(n) % 2 === 0),
      cursor: N, series,
    });
    says.say(words(values, now, expected));
    expose(root, { ...values, recall: share, predicted: expected });
    // For the console and the tests: the very embeddings, and every score.
    Object.assign(root, { memory });
  };

  const state = stateOf({
    name, root, draw, start: { N: 64, d: typical, values: "own", draw: 1 },
    parts: {
      N: parts.slider({ label: "Pairs N", values: counts }),
      d: parts.slider({ label: "Dimension d", values: dimensions }),
      values: parts.choice({ label: "Values", options: [["own", "one for each key"], ["shared", `${M}, shared by all keys`]] }),
      draw: parts.draws({ label: "Embeddings" }),
    },
    presets: {
      label: "How full the memory is",
      options: ["Well below capacity", "At capacity", "Beyond"].map((label, i) =>
        [label, (/** @type {State} */ values) => ({ d: typical, N: moments(counts, line(values, typical))[i] })]),
    },
  });
  root.append(state.presets, state.controls(), says.element, panels(map, chart), part, state.link);
  return state.live(map);
};
