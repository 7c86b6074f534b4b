// Widget 7b: accuracy by number of hops along training, for each regime, every seed drawn.
import * as kit from "../../widgets/kit.js";
import { h, show } from "../../widgets/kit.js";
import { nearest } from "../../widgets/runs.js";

const SVG = "http://www.w3.org/2000/svg";
// Legible on white and on black; each hop has its own dashes too.
const STYLES = [["#767676", ""], ["#2f7fd1", "7 3"], ["#b5651d", "2 2"], ["#c2388a", "8 2 2 2"]];

function svg(tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

/** One regime's lines with a cursor. values(seed, record, hop) are accuracies at the steps x. */
function chart({ title, x, seeds, hops, values, chance }) {
  const W = 360, H = 170, left = 30, right = 8, top = 8, bottom = 30, last = x[x.length - 1];
  const px = (step) => left + (step / last) * (W - left - right), py = (v) => H - bottom - v * (H - top - bottom);
  const picture = svg("svg", { viewBox: `0 0 ${W} ${H}`, class: "mb-lines", "aria-hidden": "true" });
  for (const v of [0, 0.5, 1]) {
    picture.append(svg("line", { x1: left, x2: W - right, y1: py(v), y2: py(v), class: "mb-grid" }));
    picture.append(svg("text", { x: left - 4, y: py(v) + 4, "text-anchor": "end" }, String(v)));
  }
  picture.append(svg("line", { x1: left, x2: W - right, y1: py(chance), y2: py(chance), class: "mb-chance" }));
  for (const [step, anchor] of [[0, "start"], [Math.round(last / 2), "middle"], [last, "end"]]) {
    picture.append(svg("text", { x: px(step), y: H - bottom + 14, "text-anchor": anchor }, String(step)));
  }
  picture.append(svg("text", { x: (W + left) / 2, y: H - 3, "text-anchor": "middle" }, "training step"));
  for (let hop = 0; hop < hops; hop++) {
    const [stroke, dashes] = STYLES[hop % STYLES.length];
    for (let seed = 0; seed < seeds; seed++) {
      const points = x.map((step, i) => `${px(step)},${py(values(seed, i, hop))}`).join(" ");
      picture.append(svg("polyline", { points, stroke, "stroke-dasharray": dashes, class: "mb-thin" }));
    }
  }
  const cursor = svg("line", { y1: top, y2: H - bottom, class: "mb-cursor" });
  picture.append(cursor);
  return {
    element: h("figure", { class: "mb-chart" }, h("figcaption", {}, title), picture),
    update(step) {
      const at = px(Math.min(step, last));
      cursor.setAttribute("x1", at);
      cursor.setAttribute("x2", at);
    },
  };
}

export const hop_regimes = async ({ model, el }) => {
  const name = model.get("name"), settings = model.get("settings"), tensors = await kit.weightsOf(model);
  const { hops, chance, steps, every, batch, presets: moments } = settings;
  const state = { step: moments[1][0] };
  const root = kit.frame(el, { name, title: settings.title });
  const says = kit.sentence();
  const regimes = settings.regimes.map((title) => {
    const { shape: [seeds, records], data } = tensors[title];
    // A run that ended early keeps its last record, already filled in.
    const values = (seed, record, hop) => data[(seed * records + record) * hops + hop];
    const x = Array.from({ length: records }, (_, i) => (i + 1) * every);
    const at = (step, hop) => {
      const record = Math.min(records, Math.max(1, Math.round(step / every))) - 1;
      let sum = 0;
      for (let seed = 0; seed < seeds; seed++) sum += values(seed, record, hop);
      return sum / seeds;
    };
    return { title, seeds, at, chart: chart({ title: `${title}, ${seeds} seed${seeds > 1 ? "s" : ""}`, x, seeds, hops, values, chance }) };
  });
  const words = (r) => `${r} hop${r > 1 ? "s" : ""}`;
  const cells = regimes.map(() => []);
  const head = h("tr", {}, h("th", { scope: "col" }, "regime"), ...Array.from({ length: hops }, (_, r) => {
    const [stroke, dashes] = STYLES[r % STYLES.length], sample = svg("svg", { viewBox: "0 0 26 8", class: "mb-sample", "aria-hidden": "true" });
    sample.append(svg("line", { x1: 0, x2: 26, y1: 4, y2: 4, stroke, "stroke-dasharray": dashes, class: "mb-line" }));
    return h("th", { scope: "col" }, `${words(r + 1)} `, sample);
  }));
  const body = regimes.map(({ title }, index) => h("tr", {}, h("th", { scope: "row" }, title),
    ...Array.from({ length: hops }, (_, hop) => {
      const cell = h("td", { class: "mb-readout", "data-regime": title, "data-hop": hop + 1 });
      cells[index].push(cell);
      return cell;
    })));
  const table = h("table", { class: "mb-numbers" }, h("caption", {}, "Accuracy at this step, mean over seeds"), h("thead", {}, head), h("tbody", {}, ...body));

  function learned(regime) {
    const done = [], chanceOnly = [];
    for (let hop = 0; hop < hops; hop++) {
      const value = regime.at(state.step, hop);
      if (value > 0.9) done.push(hop + 1);
      if (Math.abs(value - chance) < 0.05) chanceOnly.push(hop + 1);
    }
    if (chanceOnly.length === hops) return `${regime.title}: everything at chance`;
    if (done.length === 0) return `${regime.title}: nothing above 0.9 yet`;
    if (done.length === hops) return `${regime.title}: all ${hops} learned`;
    return `${regime.title}: ${done.join(", ")} of ${hops} learned`;
  }

  const draw = () => {
    regimes.forEach((regime, index) => {
      regime.chart.update(state.step);
      cells[index].forEach((cell, hop) => show(cell, regime.at(state.step, hop)));
    });
    says.say(`Step ${state.step}, ${(state.step * batch).toLocaleString("en")} sequences seen. Numbers of hops: ${regimes.map(learned).join("; ")}.`);
    root.dataset.step = state.step;
  };
  const schedule = kit.scheduler(draw);
  const presets = kit.presets({
    label: "Moments of training", options: moments,
    press: (step) => { state.step = step; synchronise(); schedule(); },
  });
  const slider = kit.slider({
    label: "Training step", values: steps, value: state.step,
    input: (step) => { state.step = step; presets.set(step); schedule(); },
  });
  const synchronise = () => { slider.set(state.step); presets.set(state.step); };
  synchronise();
  root.append(
    presets.element, h("div", { class: "mb-controls" }, slider.element), says.element, table,
    h("div", { class: "mb-panels" }, ...regimes.map((regime) => regime.chart.element)),
    h("p", { class: "mb-axes" }, "One line for each seed and number of hops. A run that has solved the last hop stops, and keeps its last accuracy."),
    kit.linkButton({ name, state: () => state }).element,
  );
  const stopAddress = kit.followAddress(name, root, (found) => {
    if (/^\d{1,7}$/.test(found.step ?? "")) state.step = nearest(steps, Number(found.step));
    synchronise();
    schedule();
  });
  draw();
  return stopAddress;
};
