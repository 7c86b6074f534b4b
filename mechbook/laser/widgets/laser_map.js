// Widget 5b: the map of LASER. A cell is one truncation: which block, which matrix, which rate.
import { roles } from "../../widgets/book.js";
import * as charts from "../../widgets/charts.js";
import * as kit from "../../widgets/kit.js";
import { h, short } from "../../widgets/kit.js";

const MEASURES = {
  ratio: ["the ratio’s change, log scale", (cell, full) => Math.log10(cell.answer / cell.the / (full.answer / full.the))],
  answer: ["P(answer)", (cell) => cell.answer],
  the: ["P(the)", (cell) => cell.the],
  top1: ["answer is first, share", (cell) => cell.top1],
};

export const laser_map = async ({ model, el }) => {
  const settings = model.get("settings"), tensors = await kit.weightsOf(model), name = model.get("name");
  const { tasks, places, layers, best, whole, reach } = settings, n = places.length;
  const kinds = tasks.map(([task]) => task), wordsOf = Object.fromEntries(tasks);
  const state = { task: kinds[0], show: "ratio" };
  const root = kit.frame(el, { name, title: settings.title });

  const cell = (i, j) => {
    const at = 3 * (i * n + j), row = tensors[state.task].data;
    return { answer: row[at], the: row[at + 1], top1: row[at + 2] };
  };
  const fullOf = (which) => { const [answer, the, top1] = whole[which]; return { answer, the, top1 }; };
  const place = (i, j) => `block ${i + 1}, ${places[j][0]}, ρ = ${places[j][1]}`;
  const numbers = ({ answer, the, top1 }) =>
    `P(answer) ${short(answer)}, P(the) ${short(the)}, ratio ${short(answer / the)}, first for ${Math.round(100 * top1)}%`;
  const map = charts.heatMap({
    title: "One truncation a cell", rowName: "block, counted from 1",
    columnName: "matrix and ρ: " + places.map(([matrix, rho], j) => `${j + 1} ${matrix} ${rho}`).join(", "),
    describe: (i, j) => `${place(i, j)}: ${numbers(cell(i, j))}`,
  });
  const says = kit.sentence(), told = kit.notice();
  let home = best[state.task];
  const draw = () => {
    const [words, measure] = MEASURES[state.show];
    const data = Float32Array.from({ length: layers * n }, (_, k) => measure(cell(Math.floor(k / n), k % n), fullOf(state.task)));
    const [i, j] = best[state.task], found = cell(i, j), change = state.show === "ratio", full = fullOf(state.task);
    map.update({
      rows: Array.from({ length: layers }, (_, k) => String(k + 1)), columns: places.map((_, k) => String(k + 1)), data,
      diverging: change, low: change ? -reach : Math.min(...data), high: change ? reach : Math.max(...data), frames: [[i, j]], frameColour: roles.W_O2.colour, home,
    });
    home = null;
    const colours = change ? "orange cells raise the ratio, purple ones lower it" : `strong colour is large in ${words}`;
    says.say(`${wordsOf[state.task]}: ${colours}. Full model: ${numbers(full)}. The largest ratio on the map, framed, is at ${place(i, j)}: ${numbers(found)}.`);
    Object.assign(root.dataset, { ...state, best: found.answer / found.the });
  };
  const schedule = kit.scheduler(draw);
  const change = (key, value) => {
    state[key] = value;
    if (key === "task") home = best[state.task];
    synchronise();
    schedule();
  };
  const task = kit.select({ label: "Task", value: state.task, options: tasks, change: (value) => change("task", value) });
  const show = kit.select({
    label: "Show", value: state.show, options: Object.entries(MEASURES).map(([key, [words]]) => [key, words]),
    change: (value) => change("show", value),
  });
  function synchronise() { task.set(state.task); show.set(state.show); }
  root.append(
    h("div", { class: "mb-controls" }, task.element, show.element), told.element, says.element, map.element,
    kit.linkButton({ name, state: () => ({ ...state }) }).element,
  );
  const stopAddress = kit.followAddress(name, root, (found) => {
    const { taken, problem } = kit.allowedValues(found, { task: kinds, show: Object.keys(MEASURES) });
    Object.assign(state, taken);
    home = best[state.task];
    told.say(problem);
    synchronise();
    schedule();
  });
  draw();
  const stopTheme = kit.onTheme(map.draw);
  return () => { stopAddress(); stopTheme(); map.stop(); };
};
