// Widget 6a: what a model answers to a question, at any time of its training.
import { roles } from "../../widgets/book.js";
import * as charts from "../../widgets/charts.js";
import * as engine from "../../widgets/engine.js";
import * as kit from "../../widgets/kit.js";
import { h } from "../../widgets/kit.js";
import { nearest } from "../../widgets/runs.js";

/**
 * The logits of all answers from token counts and a model's two tables (mechbook/facts/model.py's linear_logits and
 * softmax_logits): sum over tokens z of c_z w_z values[z, a], where w is weights, or exp(weights) normalised over the
 * sequence.
 */
export function logits(kind, values, weights, counts) {
  const V = counts.length, A = values.length / V, part = new Float64Array(V), out = new Float32Array(A);
  let most = -Infinity, sum = 0;
  for (let z = 0; z < V; z++) if (counts[z]) most = Math.max(most, weights[z]);
  for (let z = 0; z < V; z++) {
    part[z] = counts[z] * (kind === "linear" ? weights[z] : Math.exp(weights[z] - most));
    if (!counts[z]) part[z] = 0;
    sum += part[z];
  }
  for (let a = 0; a < A; a++) {
    let total = 0;
    for (let z = 0; z < V; z++) total += part[z] * values[z * A + a];
    out[a] = kind === "linear" ? total : total / sum;
  }
  return out;
}

const percent = (part) => (part < 0.1 ? `${(100 * part).toFixed(1)}%` : `${Math.round(100 * part)}%`);

export const fact_time = async ({ model, el }) => {
  const settings = model.get("settings"), tensors = await kit.weightsOf(model), name = model.get("name");
  const { S, R, D, V, models, noise, answers } = settings, A = R * D;
  const range = (n) => Array.from({ length: n }, (_, i) => i);
  const kinds = Object.keys(models), first = kinds[0];
  const state = { model: first, step: models[first].presets[1][0], s: 0, r: 0, noise: 0 };
  const root = kit.frame(el, { name, title: settings.title });

  /** Token counts of the question: the subject, the relation, EOS, and the noise of the chosen context. */
  function counts() {
    const c = new Float64Array(V);
    noise[state.noise].forEach((times, i) => { c[S + R + i] = times; });
    c[state.s] += 1;
    c[S + state.r] += 1;
    c[V - 1] += 1;
    return c;
  }

  function look() {
    const { steps } = models[state.model], k = steps.indexOf(state.step), size = V * A;
    const values = tensors[`${state.model}/values`].data.subarray(k * size, (k + 1) * size);
    const weights = tensors[`${state.model}/weights`].data.subarray(k * V, (k + 1) * V);
    const p = engine.softmax(logits(state.model, values, weights, counts())), truth = answers[state.s][state.r];
    let best = 0, valid = 0;
    p.forEach((value, a) => { if (value > p[best]) best = a; });
    for (let a = state.r * D; a < (state.r + 1) * D; a++) valid += p[a];
    return { p, truth, best, valid };
  }

  /** Which of the three stages this answer shows, and the words for it. */
  function stage({ p, truth, best, valid }) {
    if (valid < 0.5) return ["uniform", "It does not know yet what is asked: no answer stands out."];
    if (p[truth] > 0.5) return ["fact", "It recalls the fact."];
    const relation = Math.floor(best / D) === state.r;
    return ["hallucination", relation
      ? "It hallucinates: an answer of the right kind, with little regard to the subject."
      : "Its best answer is not even of the right kind."];
  }

  const panels = range(R).map((r) => charts.bars({ title: `Answers of relation ${r}` }));
  const says = kit.sentence(), told = kit.notice();
  const curves = Object.fromEntries(kinds.map((kind) => [kind, charts.plot({ title: "All questions, along training", xName: "training step" })]));
  const draw = () => {
    const seen = look(), { p, truth, best, valid } = seen, [which, words] = stage(seen);
    panels.forEach((panel, r) => {
      const asked = r === state.r;
      panel.element.querySelector("figcaption").textContent = `Answers of relation ${r}${asked ? ": valid here" : ""}`;
      panel.element.classList.toggle("mb-asked", asked);
      panel.update(range(D).map((i) => r * D + i).map((a) => ({
        label: String(a), value: p[a], role: a === truth ? "correct" : "predicted",
        mark: a === truth ? "true answer" : asked ? "valid" : "",
      })));
    });
    says.say(`Step ${state.step}. The ${D} answers valid for relation ${state.r} have together probability ${percent(valid)}; ` +
      `the true one for subject ${state.s}, answer ${truth}, has ${percent(p[truth])}. The most likely is ` +
      `${best === truth ? "that one" : `answer ${best}, with ${percent(p[best])}`}. ${words}`);
    const { curve } = models[state.model];
    for (const kind of kinds) curves[kind].element.style.display = kind === state.model ? "" : "none";
    const at = curve.steps.reduce((a, b, i) => (Math.abs(b - state.step) < Math.abs(curve.steps[a] - state.step) ? i : a), 0);
    curves[state.model].update({
      x: [0, curve.steps[curve.steps.length - 1]], y: [0, 1], cursor: state.step,
      series: [["on valid answers", "valid", "predicted"], ["on the true answer", "truth", "correct"]].map(([label, key, role]) => ({
        name: label, colour: roles[role].colour, dashes: roles[role].dashes,
        points: curve.steps.map((step, i) => [step, curve[key][i]]), value: curve[key][at],
      })),
    });
    Object.assign(root.dataset, { ...state, stage: which, valid, truth: p[truth] });
  };
  const schedule = kit.scheduler(draw);
  const change = (key, value) => { state[key] = value; synchronise(); schedule(); };
  const whole = (key) => (value) => change(key, Number(value));
  const choices = {
    model: kit.select({
      label: "Model", value: state.model, options: kinds.map((kind) => [kind, models[kind].words]),
      change: (kind) => { state.model = kind; state.step = nearest(models[kind].steps, state.step); synchronise(); schedule(); },
    }),
    s: kit.select({ label: "Subject", value: "0", options: range(S).map((s) => [String(s), `subject ${s}`]), change: whole("s") }),
    r: kit.select({ label: "Relation", value: "0", options: range(R).map((r) => [String(r), `relation ${r}`]), change: whole("r") }),
    noise: kit.select({ label: "Noise around them", value: "0", options: range(noise.length).map((n) => [String(n), `draw ${n + 1}`]), change: whole("noise") }),
  };
  // Each model has been kept at steps of its own: a slider and presets for each, one of them shown.
  const times = Object.fromEntries(kinds.map((kind) => {
    const { steps, presets } = models[kind];
    const slider = kit.slider({ label: "Training step", values: steps, value: steps[steps.length - 1], input: (step) => change("step", step) });
    const moments = kit.presets({ label: "Moments of training", options: presets, press: (step) => change("step", step) });
    return [kind, { slider, moments }];
  }));
  function synchronise() {
    for (const kind of kinds) {
      const { slider, moments } = times[kind], shown = kind === state.model;
      for (const { element } of [slider, moments]) element.style.display = shown ? "" : "none";
      if (shown) { slider.set(state.step); moments.set(state.step); }
    }
    for (const key of ["model", "s", "r", "noise"]) choices[key].set(String(state[key]));
  }
  synchronise();
  root.append(
    ...kinds.map((kind) => times[kind].moments.element),
    h("div", { class: "mb-controls" }, ...kinds.map((kind) => times[kind].slider.element), ...Object.values(choices).map((one) => one.element)),
    told.element, says.element,
    h("div", { class: "mb-panels" }, ...panels.map((panel) => panel.element), ...kinds.map((kind) => curves[kind].element)),
    kit.linkButton({ name, state: () => ({ ...state }) }).element,
  );
  const stopAddress = kit.followAddress(name, root, (found) => {
    const allowed = { model: kinds, s: range(S), r: range(R), noise: range(noise.length) };
    const { taken, problem } = kit.allowedValues(found, allowed);
    Object.assign(state, taken);
    const { steps } = models[state.model], wanted = /^\d{1,7}$/.test(found.step ?? "") ? Number(found.step) : state.step;
    state.step = nearest(steps, wanted);
    const odd = Object.hasOwn(found, "step") && String(state.step) !== found.step
      ? `Of the link this was left out: step cannot be “${found.step.slice(0, 20)}”; the nearest is shown.` : null;
    told.say([problem, odd].filter(Boolean).join(" "));
    synchronise();
    schedule();
  });
  draw();
  return stopAddress;
};
