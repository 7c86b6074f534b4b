// Widget 5c: "the" and the answer at any checkpoint of the small model, with and without LASER.
import { roles } from "../../widgets/book.js";
import * as charts from "../../widgets/charts.js";
import * as kit from "../../widgets/kit.js";
import { h } from "../../widgets/kit.js";
import { nearest } from "../../widgets/runs.js";

const percent = (part) => (part < 0.1 ? `${(100 * part).toFixed(1)}%` : `${Math.round(100 * part)}%`);
const ratio = (value) => (value < 10 ? value.toFixed(2) : String(Math.round(value)));

export const laser_time = async ({ model, el }) => {
  const settings = model.get("settings"), tensors = await kit.weightsOf(model), name = model.get("name");
  const { steps, tasks, kinds, presets } = settings;
  const state = { task: kinds[0], step: presets[1][0] };
  const root = kit.frame(el, { name, title: settings.title });

  /** Mean probabilities at a checkpoint: {the, answer, S}, of the full model (0) or under LASER (1). */
  function means(which, step) {
    const at = 3 * (which * steps.length + steps.indexOf(step)), row = tensors[state.task].data;
    return { the: row[at], answer: row[at + 1], S: row[at + 2] };
  }

  const panels = ["Full model", "With LASER"].map((title) => charts.bars({ title }));
  const curve = charts.plot({ title: "Along training", xName: "training step + 1, logarithmic" });
  const says = kit.sentence(), told = kit.notice();
  root.classList.add("mb-words");
  const draw = () => {
    const { answer, other, cut } = tasks[state.task], [full, laser] = [0, 1].map((which) => means(which, state.step));
    [full, laser].forEach((p, which) => panels[which].update([
      { label: "the", value: p.the, role: "noise" },
      { label: answer, value: p.answer, role: "correct", mark: "answer" },
      ...(other ? [{ label: other, value: p.S, role: "predicted" }] : []),
    ]));
    const gain = laser.answer / laser.the / (full.answer / full.the);
    says.say(`Step ${state.step}. The full model says “the” with probability ${percent(full.the)} and the answer with ` +
      `${percent(full.answer)}: a ratio of ${ratio(full.answer / full.the)}. LASER (${cut}) makes it ` +
      `${ratio(laser.answer / laser.the)}, ${ratio(gain)} times that, with the answer at ${percent(laser.answer)}.`);
    const series = [
      ["the, full", 0, "the", "noise", []], ["answer, full", 0, "answer", "correct", []],
      ["the, LASER", 1, "the", "noise", [2, 3]], ["answer, LASER", 1, "answer", "correct", [2, 3]],
    ];
    curve.update({
      x: [1, steps[steps.length - 1] + 1], y: [0, 1], logX: true, xTicks: [1, 10, 100, 1000], cursor: state.step + 1,
      series: series.map(([label, which, key, role, dashes]) => ({
        name: label, colour: roles[role].colour, dashes,
        points: steps.map((step) => [step + 1, means(which, step)[key]]), value: means(which, state.step)[key],
      })),
    });
    Object.assign(root.dataset, { ...state, gain });
  };
  const schedule = kit.scheduler(draw);
  const change = (key, value) => { state[key] = value; synchronise(); schedule(); };
  const moments = kit.presets({ label: "Moments of training", options: presets, press: (step) => change("step", step) });
  const slider = kit.slider({ label: "Training step", values: steps, value: state.step, input: (step) => change("step", step) });
  const task = kit.select({ label: "Task", value: state.task, options: kinds.map((kind) => [kind, tasks[kind].words]), change: (kind) => change("task", kind) });
  function synchronise() { moments.set(state.step); slider.set(state.step); task.set(state.task); }
  synchronise();
  root.append(
    moments.element, h("div", { class: "mb-controls" }, slider.element, task.element), told.element, says.element,
    h("div", { class: "mb-panels" }, ...panels.map((panel) => panel.element), curve.element),
    kit.linkButton({ name, state: () => ({ ...state }) }).element,
  );
  const stopAddress = kit.followAddress(name, root, (found) => {
    const { taken, problem } = kit.allowedValues(found, { task: kinds, step: steps });
    Object.assign(state, taken);
    state.step = nearest(steps, Number(state.step));
    told.say(problem);
    synchronise();
    schedule();
  });
  draw();
  return stopAddress;
};
