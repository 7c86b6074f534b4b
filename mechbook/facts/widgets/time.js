// @ts-check
// Widget 6a: what a model answers to a question, at any time of its training.
import { roles } from "../../widgets/book.js";
import { bars, plot } from "../../widgets/charts.js";
import { expose, frame, panels, percent, range, sentence, weightsOf } from "../../widgets/kit.js";
import * as parts from "../../widgets/parts.js";
import { stateOf } from "../../widgets/state.js";
import { softmax } from "../../widgets/tensors.js";

/**
 * @typedef {object} Settings
 * @property {string} title
 * @property {number} S how many subjects
 * @property {number} R how many relations
 * @property {number} D how many answers a relation has
 * @property {number} V how many tokens
 * @property {number[][]} answers the true one, by subject and relation
 * @property {number[][]} noise how often each noise token is in a context
 * @property {Record<string, Trained>} models by kind
 */
/**
 * @typedef {object} Trained
 * @property {string} words its name
 * @property {number[]} steps of its checkpoints
 * @property {[step: number, words: string][]} presets
 * @property {{ steps: number[], valid: number[], truth: number[] }} curve means over all questions
 */
/** @typedef {{ model: string, step: number, s: number, r: number, noise: number }} State */
/** @typedef {{ p: Float32Array, truth: number, best: number, valid: number }} Seen */

/**
 * The logits of all answers from token counts and a model's two tables (mechbook/facts/model.py's linear_logits and
 * softmax_logits): sum over tokens z of c_z w_z values[z, a], where w is weights, or exp(weights) normalised over the
 * sequence.
 * @param {string} kind
 * @param {ArrayLike<number>} values
 * @param {ArrayLike<number>} weights
 * @param {ArrayLike<number>} counts
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

/** @type {import("../../widgets/kit.js").Widget} */
export const fact_time = async ({ model, el }) => {
  const /** @type {Settings} */ settings = model.get("settings"), tensors = await weightsOf(model), name = model.get("name");
  const { title, S, R, D, V, models, noise, answers } = settings, A = R * D, kinds = Object.keys(models), root = frame(el, { name, title });

  /**
   * Token counts of the question: the subject, the relation, EOS, and the noise of the chosen context.
   * @param {State} state
   */
  function counts(state) {
    const c = new Float64Array(V);
    noise[state.noise].forEach((times, i) => { c[S + R + i] = times; });
    for (const token of [state.s, S + state.r, V - 1]) c[token] += 1;
    return c;
  }

  /**
   * The probabilities of all answers, the true one, the best one, and the mass on the valid ones.
   * @param {State} state
   * @returns {Seen}
   */
  function look(state) {
    const k = models[state.model].steps.indexOf(state.step), size = V * A;
    const values = tensors[`${state.model}/values`].data.subarray(k * size, (k + 1) * size);
    const weights = tensors[`${state.model}/weights`].data.subarray(k * V, (k + 1) * V);
    const p = softmax(logits(state.model, values, weights, counts(state)));
    let best = 0, valid = 0;
    p.forEach((value, a) => { if (value > p[best]) best = a; });
    for (let a = state.r * D; a < (state.r + 1) * D; a++) valid += p[a];
    return { p, truth: answers[state.s][state.r], best, valid };
  }

  /**
   * Which of the three stages this answer shows, and the words for it.
   * @param {Seen} seen
   * @param {number} relation
   */
  function stage({ p, truth, best, valid }, relation) {
    if (valid < 0.5) return ["uniform", "It does not know yet what is asked: no answer stands out."];
    if (p[truth] > 0.5) return ["fact", "It recalls the fact."];
    return ["hallucination", Math.floor(best / D) === relation
      ? "It hallucinates: an answer of the right kind, with little regard to the subject."
      : "Its best answer is not even of the right kind."];
  }

  const answered = range(R).map((r) => bars({ title: `Answers of relation ${r}` })), says = sentence();
  const chart = plot({ title: "All questions, along training", xName: "training step" });
  /** @param {State} state */
  const draw = (state) => {
    const seen = look(state), { p, truth, best, valid } = seen, [which, words] = stage(seen, state.r), { curve } = models[state.model];
    answered.forEach((panel, r) => {
      const asked = r === state.r, caption = panel.element.querySelector("figcaption");
      if (caption) caption.textContent = `Answers of relation ${r}${asked ? ": valid here" : ""}`;
      panel.element.classList.toggle("mb-asked", asked);
      panel.update(range(D).map((i) => r * D + i).map((a) => ({
        label: String(a), value: p[a], role: a === truth ? "correct" : "predicted",
        mark: a === truth ? "true answer" : asked ? "valid" : "",
      })));
    });
    says.say(`Step ${state.step}. The ${D} answers valid for relation ${state.r} have together probability ${percent(valid)}; ` +
      `the true one for subject ${state.s}, answer ${truth}, has ${percent(p[truth])}. The most likely is ` +
      `${best === truth ? "that one" : `answer ${best}, with ${percent(p[best])}`}. ${words}`);
    const at = curve.steps.indexOf(parts.nearest(curve.steps, state.step));
    /**
     * @param {string} label
     * @param {"valid" | "truth"} key
     * @param {string} role
     * @returns {import("../../widgets/charts.js").Series}
     */
    const line = (label, key, role) => ({
      name: label, ...roles[role], points: curve.steps.map((step, i) => [step, curve[key][i]]), value: curve[key][at],
    });
    chart.update({
      x: [0, curve.steps[curve.steps.length - 1]], y: [0, 1], cursor: state.step,
      series: [line("on valid answers", "valid", "predicted"), line("on the true answer", "truth", "correct")],
    });
    expose(root, { ...state, stage: which, valid, truth: p[truth] });
  };

  /**
   * @param {number} count
   * @param {(i: number) => string} words
   */
  const numbered = (count, words) => range(count).map((i) => /** @type {[number, string]} */ ([i, words(i)]));
  const state = stateOf({
    name, root, draw,
    start: { model: kinds[0], step: models[kinds[0]].presets[1][0], s: 0, r: 0, noise: 0 },
    parts: {
      model: parts.choice({ label: "Model", options: kinds.map((kind) => [kind, models[kind].words]) }),
      // Each model has been kept at steps of its own.
      step: parts.slider({ label: "Training step", values: (now) => models[now.model].steps, near: true }),
      s: parts.choice({ label: "Subject", options: numbered(S, (s) => `subject ${s}`) }),
      r: parts.choice({ label: "Relation", options: numbered(R, (r) => `relation ${r}`) }),
      noise: parts.choice({ label: "Noise around them", options: numbered(noise.length, (n) => `draw ${n + 1}`) }),
    },
    presets: {
      label: "Moments of training",
      options: (now) => models[now.model].presets.map(([step, moment]) => [moment, { step }]),
    },
    settle(now) { now.step = parts.nearest(models[now.model].steps, now.step); },
  });
  root.append(
    state.presets, state.controls("step", "model", "s", "r", "noise"), says.element, panels(...answered, chart), state.link,
  );
  return state.live();
};
