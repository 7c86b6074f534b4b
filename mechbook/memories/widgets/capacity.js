// Widget 1: how much an outer-product memory holds, on random embeddings that the page draws.
import * as associative from "../../widgets/associative.js";
import { roles } from "../../widgets/book.js";
import * as charts from "../../widgets/charts.js";
import * as kit from "../../widgets/kit.js";
import { h } from "../../widgets/kit.js";

const SHOWN = 40, HIGH = 0.99, DRAWS = Array.from({ length: 999 }, (_, i) => i + 1);
const percent = (part) => `${part > 0.99 && part < 1 ? (100 * part).toFixed(1) : Math.round(100 * part)}%`;

let drawn = null;

/** The embeddings of a draw, enough for the largest N: with more pairs the first ones stay. */
function embeddings(draw, d, most) {
  if (drawn?.draw !== draw || drawn?.d !== d) {
    drawn = { draw, d, u: associative.embeddings(draw, 2 * d, most, d), v: associative.embeddings(draw, 2 * d + 1, most, d) };
  }
  return drawn;
}

/** The memory of the state {N, d, values, draw}, with M values if they are shared and there are as many keys: f(i) = i mod M. */
function build({ N, d, values, draw }, M, most) {
  const count = values === "shared" ? Math.min(M, N) : N, all = embeddings(draw, d, most);
  const u = all.u.subarray(0, N * d), v = all.v.subarray(0, count * d);
  const f = Uint16Array.from({ length: N }, (_, i) => i % count);
  return { u, v, f, d, M: count, expected: associative.expectedCrosstalk(f, count, d), ...associative.recall(u, v, f, d) };
}

/** The three moments: N at capacity (the last N whose predicted recall is 0.99), a quarter of it, four times it. */
function moments(counts, predicted) {
  const at = Math.max(0, predicted.filter((part) => part >= HIGH).length - 1);
  const near = (wanted) => counts.reduce((a, b) => (Math.abs(Math.log(b / wanted)) < Math.abs(Math.log(a / wanted)) ? b : a));
  return { below: near(counts[at] / 4), at: counts[at], beyond: near(counts[at] * 4) };
}

function words(state, memory, predicted) {
  const { N, d } = state, { share, right, crosstalk, expected, M } = memory;
  const pairs = state.values === "shared" ? `${N} keys that share ${M} values` : `${N} pairs of a key and a value`;
  const so = share >= HIGH ? "The right scores stand out from the crosstalk"
    : share >= 0.5 ? "The crosstalk has begun to drown right scores" : "The crosstalk drowns most right scores";
  return `${pairs} in d = ${d} dimensions (${d * d} numbers in W): ${percent(share)} are recalled in this draw, ${percent(predicted)} are predicted. ` +
    `${so}: those are ${right.toFixed(2)} on average, wrong ones spread by ${crosstalk.toFixed(2)} around zero (${expected.toFixed(2)} predicted), and each right score has ${M - 1} rival${M === 2 ? "" : "s"}.`;
}

export const capacity = async ({ model, el }) => {
  const { title, counts, dimensions, M, typical, predicted } = model.get("settings"), name = model.get("name");
  const state = { N: 64, d: typical, values: "own", draw: 1 };
  const root = kit.frame(el, { name, title });
  const line = (d = state.d) => predicted[state.values][dimensions.indexOf(d)];
  // What the reader has measured so far, for each dimension and kind of value: recall by N and draw.
  const measured = new Map();
  const remember = (share) => {
    const key = `${state.d}/${state.values}`;
    if (!measured.has(key)) measured.set(key, new Map());
    const points = measured.get(key), at = `${state.N}/${state.draw}`;
    // The point of this state comes last.
    points.delete(at);
    points.set(at, [state.N, share]);
    return [...points.values()];
  };
  let memory = null, known = false;
  const map = charts.heatMap({
    title: "Scores v_k · W u_i", rowName: "the value k", columnName: "the key i",
    describe: (k, i, value) => {
      const kind = memory.f[i] === k ? (memory.recalled[i] ? "right, and the highest" : "right, but another value scores higher") : "wrong: crosstalk";
      return `value ${k + 1} for key ${i + 1}: ${kit.decimal(value, 3)} (${kind})`;
    },
  });
  const chart = charts.plot({ title: "Recall against the number of pairs", xName: "N, pairs stored" });
  const part = h("p", { class: "mb-axes" }), says = kit.sentence(), notice = kit.notice();

  const draw = () => {
    memory = build(state, M, counts[counts.length - 1]);
    const { share, scores, f, recalled } = memory;
    const columns = Math.min(state.N, SHOWN), rows = Math.min(memory.M, SHOWN), shown = new Float32Array(rows * columns);
    const frames = [];
    let reach = 0;
    for (let i = 0; i < columns; i++) {
      for (let j = 0; j < rows; j++) {
        shown[j * columns + i] = scores[i * memory.M + j];
        reach = Math.max(reach, Math.abs(shown[j * columns + i]));
      }
      if (!recalled[i]) frames.push([f[i], i]);
    }
    const labels = (n) => Array.from({ length: n }, (_, k) => String(k + 1));
    map.update({ rows: labels(rows), columns: labels(columns), data: shown, diverging: true, low: -reach, high: reach, frames, solid: true, frameColour: roles.correct.colour, home: known ? null : [0, 0] });
    known = true;
    part.textContent = (state.N > SHOWN ? `The picture shows the first ${SHOWN} of ${state.N} keys; all of them count. ` : "") +
      "Framed: right scores that some wrong value beats.";
    const points = remember(share), here = points.filter(([N]) => N === state.N), expected = line()[counts.indexOf(state.N)];
    chart.update({
      x: [counts[0], counts[counts.length - 1]], y: [0, 1], logX: true, xTicks: counts.filter((N) => Number.isInteger(Math.log2(N)) && Math.log2(N) % 2 === 0),
      cursor: state.N,
      series: [
        { name: "predicted at this N", ...roles.predicted, points: counts.map((N, i) => [N, line()[i]]), value: expected },
        { name: "in this draw", colour: "var(--mb-text)", dots: true, points, value: share },
        { name: `mean of ${here.length} draws at this N`, colour: "none", dots: true, points: [], value: here.reduce((sum, [, r]) => sum + r, 0) / here.length },
      ].slice(0, here.length > 1 ? 3 : 2),
    });
    says.say(words(state, memory, expected));
    Object.assign(root.dataset, { ...state, recall: share, predicted: expected });
    // For the console and the tests: the very embeddings, and every score.
    root.memory = memory;
  };

  const schedule = kit.scheduler(draw);
  const changed = () => { synchronise(); schedule(); };
  const presets = kit.presets({
    label: "How full the memory is", options: [["below", "Well below capacity"], ["at", "At capacity"], ["beyond", "Beyond"]],
    press: (key) => { state.d = typical; state.N = moments(counts, line())[key]; changed(); },
  });
  const slider = {
    N: kit.slider({ label: "Pairs N", values: counts, value: state.N, input: (N) => { state.N = N; changed(); } }),
    d: kit.slider({ label: "Dimension d", values: dimensions, value: state.d, input: (d) => { state.d = d; changed(); } }),
  };
  const choice = kit.select({
    label: "Values", value: state.values, options: [["own", "one for each key"], ["shared", `${M}, shared by all keys`]],
    change: (key) => { state.values = key; changed(); },
  });
  const again = kit.again({ label: "Embeddings", value: state.draw, press: () => { state.draw = (state.draw % DRAWS.length) + 1; changed(); } });
  const synchronise = () => {
    slider.N.set(state.N);
    slider.d.set(state.d);
    choice.set(state.values);
    again.set(state.draw);
    const here = Object.entries(moments(counts, line(typical))).find(([, N]) => N === state.N);
    presets.set(state.d === typical && here ? here[0] : null);
  };
  synchronise();
  root.append(
    presets.element,
    h("div", { class: "mb-controls" }, slider.N.element, slider.d.element, choice.element, again.element),
    says.element,
    h("div", { class: "mb-panels" }, map.element, chart.element), part, notice.element,
    kit.linkButton({ name, state: () => state }).element,
  );
  const stopAddress = kit.followAddress(name, root, (found) => {
    const { taken, problem } = kit.allowedValues(found, { N: counts, d: dimensions, values: ["own", "shared"], draw: DRAWS });
    Object.assign(state, taken);
    notice.say(problem);
    changed();
  });
  draw();
  const stopTheme = kit.onTheme(map.draw);
  return () => { stopAddress(); stopTheme(); map.stop(); };
};
