// Widget 3b: the trained matrices in the memory basis.
import * as charts from "../../widgets/charts.js";
import * as engine from "../../widgets/engine.js";
import * as kit from "../../widgets/kit.js";
import { h, spoken } from "../../widgets/kit.js";
import { open, nearest } from "../../widgets/runs.js";

const percent = (part) => `${Math.round(100 * part)}%`;
const MATRICES = {
  W_K1: "W_K1: which position a position looks at",
  W_K2: "W_K2: which remembered character a character looks for",
  W_O2: "W_O2: which character an attended one predicts",
};

export const memory_maps = async ({ model, el }) => {
  const run = await open(model), name = model.get("name");
  const state = { step: run.steps[run.steps.length - 1], map: "W_K2" };
  const root = kit.frame(el, { name, title: run.title });
  const known = new Map();
  /** The map of the state and the share of memories it recalls, kept once computed. */
  const current = () => {
    const key = `${state.step}/${state.map}`;
    if (!known.has(key)) known.set(key, memory(run, run.weights(state.step), state.map));
    return known.get(key);
  };
  const labels = () => (state.map === "W_K1" ? Array.from({ length: run.T }, (_, t) => String(t + 1)) : run.characters);
  const map = charts.heatMap({
    title: "The matrix in its memory basis", rowName: "the query (W_O2: the prediction)", columnName: "the key (W_O2: the attended character)",
    describe: (j, i, value) => {
      const at = labels(), on = state.map === "W_K1" ? (k) => `position ${at[k]}` : (k) => spoken(at[k]);
      const [how, from, to] = state.map === "W_O2" ? ["raises the logit of", on(i), on(j)] : ["scores the key", on(j), on(i)];
      return `${from} ${how} ${to} by ${value.toFixed(2)}`;
    },
  });
  const says = kit.sentence();
  const draw = () => {
    const { shown, share } = current(), [n, m] = shown.shape, at = labels();
    const reach = shown.data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    map.update({ rows: at.slice(0, n), columns: at.slice(0, m), data: shown.data, diverging: true, low: -reach, high: reach });
    says.say(`Step ${state.step}. ${sentences[state.map](percent(share))}`);
    root.dataset.step = state.step;
    root.dataset.share = share;
  };
  const sentences = {
    W_K1: (p) => `For ${p} of the positions the best key among those before it is the previous position: the memories of a previous-token head, one step below the diagonal.`,
    W_K2: (p) => `Weighted by how often each is a trigger, ${p} of the characters prefer their own remapped copy over all others: the diagonal.`,
    W_O2: (p) => `For ${p} of the characters, attending to one raises its own logit most: the diagonal copies.`,
  };
  const schedule = kit.scheduler(draw);
  const presets = kit.presets({
    label: "Moments of training", options: run.presets,
    press: (step) => { state.step = step; synchronise(); schedule(); },
  });
  const slider = kit.slider({
    label: "Training step", values: run.steps, value: state.step,
    input: (step) => { state.step = step; presets.set(step); schedule(); },
  });
  const choice = kit.select({
    label: "Matrix", value: state.map, options: Object.entries(MATRICES),
    change: (key) => { state.map = key; schedule(); },
  });
  const synchronise = () => { slider.set(state.step); presets.set(state.step); choice.set(state.map); };
  synchronise();
  root.append(
    presets.element, h("div", { class: "mb-controls" }, slider.element, choice.element), says.element, map.element,
    kit.linkButton({ name, state: () => state }).element,
  );
  const stopAddress = kit.followAddress(name, root, (found) => {
    if (/^\d{1,7}$/.test(found.step ?? "")) state.step = nearest(run.steps, Number(found.step));
    if (Object.hasOwn(MATRICES, found.map ?? "")) state.map = found.map;
    synchronise();
    schedule();
  });
  draw();
  const stopTheme = kit.onTheme(map.draw);
  return () => { stopAddress(); stopTheme(); map.stop(); };
};

/** As mechbook/shared/recall.py's induction_memory_maps and recalls. */
function memory(run, w, matrix) {
  const images = (rows, W) => {
    const [n, d] = rows.shape;
    return { shape: [n, W.shape[0]], data: engine.apply(rows.data, n, d, W.data, W.shape[0]) };
  };
  if (matrix === "W_K1") {
    const shown = engine.memoryMap(w.W_K1, w.P, w.P);
    return { shown, share: engine.previousRecall(shown) };
  }
  if (matrix === "W_K2") {
    const shown = engine.memoryMap(w.W_K2, images(images(w.W_E, w.W_V1), w.W_O1), w.W_E);
    return { shown, share: engine.recall(engine.transpose(shown), run.triggerWeights) };
  }
  const shown = engine.memoryMap(w.W_O2, images(w.W_E, w.W_V2), w.W_U);
  return { shown, share: engine.recall(shown) };
}
