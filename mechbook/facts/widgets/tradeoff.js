// Widget 6b: which models a budget of parameters buys, and what they recall.
import { roles } from "../../widgets/book.js";
import * as charts from "../../widgets/charts.js";
import * as kit from "../../widgets/kit.js";
import { h } from "../../widgets/kit.js";

const share = (value) => value.toFixed(3);
const count = (value) => value.toLocaleString("en");

export const fact_tradeoff = async ({ model, el }) => {
  const settings = model.get("settings"), tensors = await kit.weightsOf(model), name = model.get("name");
  const { H, m, parameters, budgets, presets } = settings, accuracy = tensors.accuracy.data;
  const state = { budget: presets[1][0], bar: "0.99" };
  const root = kit.frame(el, { name, title: settings.title });
  const cells = H.flatMap((heads, i) => m.map((width, j) => ({
    i, j, heads, width, cost: parameters[i][j], accuracy: accuracy[i * m.length + j],
  })));
  const words = ({ heads, width }) => `${heads} ${heads === 1 ? "head" : "heads"} and ${width ? `an MLP of width ${width}` : "no MLP"}`;
  /** The most accurate of some cells; among equals the cheapest. */
  const best = (some) => some.reduce((a, b) => (!a || b.accuracy > a.accuracy || (b.accuracy === a.accuracy && b.cost < a.cost) ? b : a), null);
  const map = charts.heatMap({
    title: "Accuracy by heads and MLP width", rowName: "heads H", columnName: "MLP width m",
    describe: (i, j, value) => `${words(cells[i * m.length + j])}: accuracy ${share(value)}, ${count(parameters[i][j])} parameters`,
  });
  const says = kit.sentence(), told = kit.notice();
  let moved = true;
  const draw = () => {
    const within = cells.filter((cell) => cell.cost <= state.budget), found = best(within), plain = best(within.filter((cell) => !cell.width));
    const reach = within.filter((cell) => cell.accuracy >= Number(state.bar));
    const cheapest = reach.reduce((a, b) => (!a || b.cost < a.cost ? b : a), null);
    map.update({
      rows: H.map(String), columns: m.map(String), data: accuracy, low: 0, high: 1, solid: true,
      frames: within.map(({ i, j }) => [i, j]), frameColour: roles.W_O2.colour, home: moved ? [found.i, found.j] : null,
    });
    moved = false;
    says.say(`At most ${count(state.budget)} parameters: ${within.length} of the ${cells.length} models, framed. ` +
      `The best has ${words(found)}: accuracy ${share(found.accuracy)}. ` +
      (found.width && plain ? `Without an MLP the best is ${share(plain.accuracy)}, with ${words(plain)}. ` : "") +
      (cheapest ? `The cheapest that reaches ${state.bar} has ${words(cheapest)}, ${count(cheapest.cost)} parameters.` : `None of them reaches ${state.bar}.`));
    Object.assign(root.dataset, {
      budget: state.budget, bar: state.bar, within: within.length, best: found.accuracy, heads: found.heads, width: found.width,
      cheapest: cheapest ? cheapest.cost : "",
    });
  };
  const schedule = kit.scheduler(draw);
  const change = (key, value) => { state[key] = value; moved = true; synchronise(); schedule(); };
  const moments = kit.presets({ label: "Budgets", options: presets, press: (budget) => change("budget", budget) });
  const slider = kit.slider({ label: "Parameter budget", values: budgets, value: state.budget, words: count, input: (budget) => change("budget", budget) });
  const bars = ["0.9", "0.95", "0.99"];
  const bar = kit.select({ label: "Accuracy to reach", value: state.bar, options: bars.map((value) => [value, value]), change: (value) => change("bar", value) });
  function synchronise() { moments.set(state.budget); slider.set(state.budget); bar.set(state.bar); }
  synchronise();
  root.append(
    moments.element, h("div", { class: "mb-controls" }, slider.element, bar.element), told.element, says.element, map.element,
    kit.linkButton({ name, state: () => ({ ...state }) }).element,
  );
  const stopAddress = kit.followAddress(name, root, (found) => {
    const { taken, problem } = kit.allowedValues(found, { budget: budgets, bar: bars });
    Object.assign(state, taken);
    told.say(problem);
    moved = true;
    synchronise();
    schedule();
  });
  draw();
  const stopTheme = kit.onTheme(map.draw);
  return () => { stopAddress(); stopTheme(); map.stop(); };
};
