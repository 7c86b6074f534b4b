// @ts-check
// Widget 5b: the map of LASER. A cell is one truncation: which block, which matrix, which rate.
import { heatMap } from "../../widgets/heatmap.js";
import { expose, frame, percent, range, sentence, short, weightsOf } from "../../widgets/kit.js";
import * as parts from "../../widgets/parts.js";
import { stateOf } from "../../widgets/state.js";

/**
 * @typedef {object} Settings
 * @property {string} title
 * @property {[task: string, words: string][]} tasks
 * @property {[matrix: string, rho: number][]} places the columns
 * @property {number} layers how many blocks, the rows
 * @property {Record<string, [row: number, column: number]>} best where a task's largest ratio is
 * @property {Record<string, [answer: number, the: number, top1: number]>} whole the full model, by task
 * @property {number} reach where the scale of the ratio's change ends, in powers of ten
 */
/** @typedef {{ answer: number, the: number, top1: number }} Means of a truncation or the full model: P(answer), P(the), share right at first */
/** @typedef {{ task: string, show: string }} State */

/** @type {Record<string, [words: string, measure: (cell: Means, full: Means) => number]>} */
const MEASURES = {
  ratio: ["the ratio’s change, log scale", (cell, full) => Math.log10(cell.answer / cell.the / (full.answer / full.the))],
  answer: ["P(answer)", (cell) => cell.answer],
  the: ["P(the)", (cell) => cell.the],
  top1: ["answer is first, share", (cell) => cell.top1],
};

/** @param {Means} means */
const numbers = ({ answer, the, top1 }) =>
  `P(answer) ${short(answer)}, P(the) ${short(the)}, ratio ${short(answer / the)}, first for ${percent(top1)}`;

/** @type {import("../../widgets/kit.js").Widget} */
export const laser_map = async ({ model, el }) => {
  const /** @type {Settings} */ settings = model.get("settings"), tensors = await weightsOf(model), name = model.get("name");
  const { title, tasks, places, layers, best, whole, reach } = settings, n = places.length, root = frame(el, { name, title });
  const wordsOf = Object.fromEntries(tasks);
  /**
   * @param {string} task
   * @param {number} i
   * @param {number} j
   * @returns {Means}
   */
  const cell = (task, i, j) => {
    const at = 3 * (i * n + j), row = tensors[task].data;
    return { answer: row[at], the: row[at + 1], top1: row[at + 2] };
  };
  const place = (/** @type {number} */ i, /** @type {number} */ j) => `block ${i + 1}, ${places[j][0]}, ρ = ${places[j][1]}`;
  const map = heatMap({
    title: "One truncation a cell", rowName: "block, counted from 1",
    columnName: "matrix and ρ: " + places.map(([matrix, rho], j) => `${j + 1} ${matrix} ${rho}`).join(", "),
    describe: (i, j) => `${place(i, j)}: ${numbers(cell(state.values.task, i, j))}`,
  });
  const says = sentence();
  const state = stateOf({
    name, root, start: { task: tasks[0][0], show: "ratio" },
    parts: {
      task: parts.choice({ label: "Task", options: tasks }),
      show: parts.choice({ label: "Show", options: Object.entries(MEASURES).map(([key, [words]]) => [key, words]) }),
    },
    draw({ task, show }, moved) {
      const [words, measure] = MEASURES[show], [answer, the, top1] = whole[task], full = { answer, the, top1 };
      const data = Float32Array.from({ length: layers * n }, (_, k) => measure(cell(task, Math.floor(k / n), k % n), full));
      const [i, j] = best[task], found = cell(task, i, j), change = show === "ratio";
      map.update({
        rows: range(layers).map((k) => String(k + 1)), columns: range(n).map((k) => String(k + 1)), data,
        diverging: change, low: change ? -reach : Math.min(...data), high: change ? reach : Math.max(...data),
        frames: [[i, j]], frameRole: "W_O2", home: moved.has("task") ? [i, j] : null,
      });
      const colours = change ? "orange cells raise the ratio, purple ones lower it" : `strong colour is large in ${words}`;
      says.say(`${wordsOf[task]}: ${colours}. Full model: ${numbers(full)}. The largest ratio on the map, framed, is at ${place(i, j)}: ${numbers(found)}.`);
      expose(root, { task, show, best: found.answer / found.the });
    },
  });
  root.append(state.controls(), says.element, map.element, state.link);
  return state.live(map);
};
