// Widget 2: population gradient descent on a deterministic map, seen in the memory basis.
import * as associative from "../../widgets/associative.js";
import { roles } from "../../widgets/book.js";
import * as charts from "../../widgets/charts.js";
import * as engine from "../../widgets/engine.js";
import * as kit from "../../widgets/kit.js";
import { h } from "../../widgets/kit.js";

const STEPS = Array.from({ length: 51 }, (_, i) => i), DRAWS = Array.from({ length: 999 }, (_, i) => i + 1);
const percent = (part) => `${Math.round(100 * part)}%`;
const largest = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** The task of the state: x = w_E(z) for each z, or w_E(z) + p_t for each z and t, all equally likely. */
function task({ d, positions, draw }, { N, T, f }) {
  const [E, U, P] = [0, 1, 2].map((which) => associative.embeddings(draw, 4 * d + which, which === 2 ? T : N, d));
  if (positions === "off") return { E, U, P, x: E, targets: f };
  const x = new Float32Array(N * T * d);
  for (let i = 0; i < N * T; i++) for (let a = 0; a < d; a++) x[i * d + a] = E[Math.floor(i / T) * d + a] + P[(i % T) * d + a];
  return { E, U, P, x, targets: Array.from({ length: N * T }, (_, i) => f[Math.floor(i / T)]) };
}

/** Each step's table (k, z), positional logits (k, t), accuracy over the inputs, and means over the table. */
function train(state, settings) {
  const { E, U, P, x, targets } = task(state, settings), { N, T, f } = settings;
  const look = (logits, seen) => {
    const of = (rows, n) => engine.transpose({ shape: [n, N], data: logits(rows) }).data;
    const table = of(E, N), positional = of(P, T);
    let correct = 0, sure = 0, right = 0, squares = 0;
    targets.forEach((k, i) => {
      const p = engine.softmax(seen, i * N, N);
      let best = true;
      for (let j = 0; j < N; j++) if (j !== k && seen[i * N + j] >= seen[i * N + k]) best = false;
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

/** The prediction: n times the logits that the first step gives where embeddings are orthonormal. */
const line = ({ steps, eta }, N) => ({ right: (steps * eta / N) * (1 - 1 / N), wrong: -(steps * eta) / N ** 2 });

function words(state, now, N) {
  const { steps, eta, d } = state, at = line(state, N), two = (value) => kit.decimal(value, 2);
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

const PRESETS = {
  zero: ["Before", { steps: 0 }],
  one: ["One step", { steps: 1, eta: 10, d: 128 }],
  small: ["One step, small d", { steps: 1, eta: 10, d: 8 }],
  many: ["Fifty steps", { steps: 50, eta: 10, d: 128 }],
};

export const gradient_step = async ({ model, el }) => {
  const settings = model.get("settings"), { title, N, T, f, etas, dimensions } = settings, name = model.get("name");
  const allowed = { steps: STEPS, eta: etas, d: dimensions, positions: ["off", "on"], draw: DRAWS };
  const state = { steps: 1, eta: 10, d: 128, positions: "off", draw: 1 };
  const root = kit.frame(el, { name, title });
  let known = null, trained = null, drawn = false;
  /** The whole path of the state, kept while only the step moves. */
  const path = () => {
    const key = JSON.stringify({ ...state, steps: 0 });
    if (key !== known) [known, trained] = [key, train(state, settings)];
    return trained;
  };
  const letter = (z) => String.fromCharCode(97 + z), letters = Array.from({ length: N }, (_, z) => letter(z));
  const table = charts.heatMap({
    title: "Logits w_U(k) · W w_E(z)", rowName: "the output k", columnName: "the input z",
    describe: (k, z, value) => `the logit of “${letter(k)}” for the input “${letter(z)}”: ${kit.decimal(value, 3)} (${f[z] === k ? "the right output" : "a wrong one"})`,
  });
  const positional = charts.heatMap({
    title: "Logits w_U(k) · W p_t", rowName: "the output k", columnName: "the position t",
    describe: (k, t, value) => `position ${t + 1} adds ${kit.decimal(value, 3)} to the logit of “${letter(k)}”`,
  });
  const chart = charts.plot({ title: "Mean logits along training", xName: "gradient steps" });
  const says = kit.sentence(), notice = kit.notice();

  const draw = () => {
    const { path: seen, ...shown } = path(), now = seen[state.steps], at = line(state, N);
    const on = state.positions === "on", reach = Math.max(largest(now.table), on ? largest(now.positional) : 0) || 1;
    const common = { rows: letters, diverging: true, low: -reach, high: reach, frameColour: roles.correct.colour };
    positional.element.hidden = !on;
    table.update({ ...common, columns: letters, data: now.table, frames: f.map((k, z) => [k, z]), home: drawn ? null : [f[0], 0] });
    drawn = true;
    positional.update({ ...common, columns: Array.from({ length: T }, (_, t) => String(t + 1)), data: now.positional });
    const ends = line({ ...state, steps: 50 }, N), all = seen.flatMap(({ right, wrong }) => [right, wrong]);
    const y = [Math.min(...all), Math.max(...all)], margin = 0.08 * (y[1] - y[0]);
    const along = (key) => seen.map((one, step) => [step, one[key]]);
    const predicted = { ...roles.predicted };
    chart.update({
      x: [0, 50], y: [y[0] - margin, y[1] + margin], cursor: state.steps,
      series: [
        { name: "right output", ...roles.correct, points: along("right"), value: now.right },
        { name: "on the line", ...predicted, points: [[0, 0], [50, ends.right]], value: at.right },
        { name: "wrong outputs", colour: "var(--mb-text)", dashes: [6, 2, 1, 2], points: along("wrong"), value: now.wrong },
        { name: "on their line", ...predicted, points: [[0, 0], [50, ends.wrong]], value: at.wrong },
      ],
    });
    says.say(words(state, now, N));
    Object.assign(root.dataset, { ...state, accuracy: now.accuracy, sure: now.sure });
    // For the console and the tests: the very embeddings, and every logit.
    root.memory = { ...shown, ...now };
  };

  const schedule = kit.scheduler(draw);
  const changed = () => { synchronise(); schedule(); };
  const presets = kit.presets({
    label: "Moments", options: Object.entries(PRESETS).map(([key, [text]]) => [key, text]),
    press: (key) => { Object.assign(state, PRESETS[key][1]); changed(); },
  });
  const slide = (key, label, values) => kit.slider({ label, values, value: state[key], input: (next) => { state[key] = next; changed(); } });
  const sliders = { steps: slide("steps", "Gradient steps", STEPS), eta: slide("eta", "Step size η", etas), d: slide("d", "Dimension d", dimensions) };
  const choice = kit.select({
    label: "Input", value: state.positions, options: [["off", "w_E(z), the token alone"], ["on", "w_E(z) + p_t, random t"]],
    change: (key) => { state.positions = key; changed(); },
  });
  const again = kit.again({ label: "Embeddings", value: state.draw, press: () => { state.draw = (state.draw % DRAWS.length) + 1; changed(); } });
  const synchronise = () => {
    for (const [key, slider] of Object.entries(sliders)) slider.set(state[key]);
    choice.set(state.positions);
    again.set(state.draw);
    const same = ([, [, wanted]]) => Object.entries(wanted).every(([key, value]) => state[key] === value);
    presets.set(Object.entries(PRESETS).find(same)?.[0] ?? null);
  };
  synchronise();
  root.append(
    presets.element,
    h("div", { class: "mb-controls" }, sliders.steps.element, sliders.eta.element, sliders.d.element, choice.element, again.element),
    says.element,
    h("div", { class: "mb-panels" }, table.element, positional.element, chart.element),
    h("p", { class: "mb-axes" }, `Dashed frames: the right output f(z) of each input. The line: n steps of the first one's logits, n (η/N)(1{f(z) = k} − 1/N), with N = ${N}.`),
    notice.element,
    kit.linkButton({ name, state: () => state }).element,
  );
  const stopAddress = kit.followAddress(name, root, (found) => {
    const { taken, problem } = kit.allowedValues(found, allowed);
    Object.assign(state, taken);
    notice.say(problem);
    changed();
  });
  draw();
  const stopTheme = kit.onTheme(() => { table.draw(); positional.draw(); });
  return () => { stopAddress(); stopTheme(); table.stop(); positional.stop(); };
};
