// @ts-check
// Widget 5c: "the" and the answer at any checkpoint of the small model, with and without LASER.
import { roles } from "../../widgets/book.js";
import { bars, plot } from "../../widgets/charts.js";
import { expose, frame, panels, percent, sentence, weightsOf } from "../../widgets/kit.js";
import * as parts from "../../widgets/parts.js";
import { stateOf } from "../../widgets/state.js";

/**
 * @typedef {object} Settings
 * @property {string} title
 * @property {number[]} steps
 * @property {string[]} kinds the tasks in their order
 * @property {Record<string, { words: string, answer: string, other: string | null, cut: string }>} tasks
 * @property {[step: number, words: string][]} presets
 */
/** @typedef {{ the: number, answer: number, S: number }} Means probabilities, over prompts and seeds */

const ratio = (/** @type {number} */ value) => (value < 10 ? value.toFixed(2) : String(Math.round(value)));

/** @type {import("../../widgets/kit.js").Widget} */
export const laser_time = async ({ model, el }) => {
  const /** @type {Settings} */ settings = model.get("settings"), tensors = await weightsOf(model), name = model.get("name");
  const { title, steps, tasks, kinds, presets } = settings, root = frame(el, { name, title });
  root.classList.add("mb-words");
  /**
   * A task's means at a checkpoint, of the full model (0) or under LASER (1).
   * @param {string} task
   * @param {number} which
   * @param {number} step
   * @returns {Means}
   */
  function means(task, which, step) {
    const at = 3 * (which * steps.length + steps.indexOf(step)), row = tensors[task].data;
    return { the: row[at], answer: row[at + 1], S: row[at + 2] };
  }

  const sides = ["Full model", "With LASER"].map((words) => bars({ title: words })), says = sentence();
  const curve = plot({ title: "Along training", xName: "training step + 1, logarithmic" });
  const state = stateOf({
    name, root, start: { task: kinds[0], step: presets[1][0] },
    parts: {
      step: parts.slider({ label: "Training step", values: steps }),
      task: parts.choice({ label: "Task", options: kinds.map((kind) => [kind, tasks[kind].words]) }),
    },
    presets: { label: "Moments of training", options: presets.map(([step, moment]) => [moment, { step }]) },
    draw({ task, step }) {
      const { answer, other, cut } = tasks[task], [full, laser] = [0, 1].map((which) => means(task, which, step));
      [full, laser].forEach((p, which) => sides[which].update([
        { label: "the", value: p.the, role: "noise" },
        { label: answer, value: p.answer, role: "correct", mark: "answer" },
        ...(other ? [{ label: other, value: p.S, role: "predicted" }] : []),
      ]));
      const gain = laser.answer / laser.the / (full.answer / full.the);
      says.say(`Step ${step}. The full model says “the” with probability ${percent(full.the)} and the answer with ` +
        `${percent(full.answer)}: a ratio of ${ratio(full.answer / full.the)}. LASER (${cut}) makes it ` +
        `${ratio(laser.answer / laser.the)}, ${ratio(gain)} times that, with the answer at ${percent(laser.answer)}.`);
      /**
       * @param {string} label
       * @param {number} which
       * @param {"the" | "answer"} key
       * @returns {import("../../widgets/charts.js").Series}
       */
      const line = (label, which, key) => ({
        name: label, colour: roles[key === "the" ? "noise" : "correct"].colour, dashes: which ? [2, 3] : [],
        points: steps.map((at) => [at + 1, means(task, which, at)[key]]), value: means(task, which, step)[key],
      });
      curve.update({
        x: [1, steps[steps.length - 1] + 1], y: [0, 1], logX: true, xTicks: [1, 10, 100, 1000], cursor: step + 1,
        series: [
          line("the, full", 0, "the"), line("answer, full", 0, "answer"), line("the, LASER", 1, "the"), line("answer, LASER", 1, "answer"),
        ],
      });
      expose(root, { task, step, gain });
    },
  });
  root.append(state.presets, state.controls(), says.element, panels(...sides, curve), state.link);
  return state.live();
};
