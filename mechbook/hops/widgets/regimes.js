// @ts-check
// Widget 7b: accuracy by number of hops along training, for each regime, every seed drawn.
import { canvas, sample } from "../../widgets/charts.js";
import { expose, frame, h, panels, range, remark, sentence, show, svg, weightsOf } from "../../widgets/kit.js";
import * as parts from "../../widgets/parts.js";
import { stateOf } from "../../widgets/state.js";

/**
 * @typedef {object} Settings
 * @property {string} title
 * @property {string[]} regimes
 * @property {number} hops
 * @property {number} chance the accuracy of a guess
 * @property {number[]} steps
 * @property {number} every how many steps lie between two records
 * @property {number} batch
 * @property {[step: number, words: string][]} presets
 */
/** @typedef {(seed: number, record: number, hop: number) => number} Values accuracies */

/**
 * How each number of hops looks: legible on white and on black, and each with its own dashes.
 * @param {number} hop
 */
const look = (hop) => [
  { colour: "#767676", dashes: [] }, { colour: "#2f7fd1", dashes: [7, 3] },
  { colour: "#b5651d", dashes: [2, 2] }, { colour: "#c2388a", dashes: [8, 2, 2, 2] },
][hop % 4];

/**
 * One regime's lines with a cursor, at the steps x.
 * @param {{ title: string, x: number[], seeds: number, hops: number, values: Values, chance: number }} what
 */
function chart({ title, x, seeds, hops, values, chance }) {
  const W = 360, H = 170, left = 30, right = 8, top = 8, bottom = 30, last = x[x.length - 1];
  const px = (/** @type {number} */ step) => left + (step / last) * (W - left - right);
  const py = (/** @type {number} */ v) => H - bottom - v * (H - top - bottom);
  const picture = canvas(W, H);
  for (const v of [0, 0.5, 1]) {
    picture.append(svg("line", { x1: left, x2: W - right, y1: py(v), y2: py(v), class: "mb-grid" }));
    picture.append(svg("text", { x: left - 4, y: py(v) + 4, "text-anchor": "end" }, String(v)));
  }
  picture.append(svg("line", { x1: left, x2: W - right, y1: py(chance), y2: py(chance), class: "mb-chance" }));
  for (const [step, anchor] of /** @type {[number, string][]} */ ([[0, "start"], [Math.round(last / 2), "middle"], [last, "end"]])) {
    picture.append(svg("text", { x: px(step), y: H - bottom + 14, "text-anchor": anchor }, String(step)));
  }
  picture.append(svg("text", { x: (W + left) / 2, y: H - 3, "text-anchor": "middle" }, "training step"));
  for (let hop = 0; hop < hops; hop++) {
    const { colour, dashes } = look(hop);
    for (let seed = 0; seed < seeds; seed++) {
      const points = x.map((step, i) => `${px(step)},${py(values(seed, i, hop))}`).join(" ");
      picture.append(svg("polyline", { points, stroke: colour, "stroke-dasharray": dashes.join(" "), class: "mb-thin" }));
    }
  }
  const cursor = svg("line", { y1: top, y2: H - bottom, class: "mb-cursor" });
  picture.append(cursor);
  return {
    element: h("figure", { class: "mb-chart" }, h("figcaption", {}, title), picture),
    /** @param {number} step */
    update(step) {
      for (const end of ["x1", "x2"]) cursor.setAttribute(end, String(px(Math.min(step, last))));
    },
  };
}

/** @type {import("../../widgets/kit.js").Widget} */
export const hop_regimes = async ({ model, el }) => {
  const /** @type {Settings} */ settings = model.get("settings"), tensors = await weightsOf(model), name = model.get("name");
  const { title, hops, chance, steps, every, batch, presets } = settings, root = frame(el, { name, title }), says = sentence();
  const regimes = settings.regimes.map((regime) => {
    const { shape: [seeds, records], data } = tensors[regime];
    // A run that ended early keeps its last record, already filled in.
    const /** @type {Values} */ values = (seed, record, hop) => data[(seed * records + record) * hops + hop];
    /**
     * The mean over seeds.
     * @param {number} step
     * @param {number} hop
     */
    const at = (step, hop) => {
      const record = Math.min(records, Math.max(1, Math.round(step / every))) - 1;
      return range(seeds).reduce((sum, seed) => sum + values(seed, record, hop), 0) / seeds;
    };
    const x = range(records).map((i) => (i + 1) * every), words = `${regime}, ${seeds} seed${seeds > 1 ? "s" : ""}`;
    const cells = range(hops).map((hop) => h("td", { class: "mb-readout", "data-regime": regime, "data-hop": hop + 1 }));
    return { regime, at, cells, chart: chart({ title: words, x, seeds, hops, values, chance }) };
  });
  const head = h("tr", {}, h("th", { scope: "col" }, "regime"),
    ...range(hops).map((hop) => h("th", { scope: "col" }, `${hop + 1} hop${hop > 0 ? "s" : ""} `, sample(look(hop)))));
  const body = regimes.map(({ regime, cells }) => h("tr", {}, h("th", { scope: "row" }, regime), ...cells));
  const table = h("table", { class: "mb-numbers" }, h("caption", {}, "Accuracy at this step, mean over seeds"), h("thead", {}, head), h("tbody", {}, ...body));

  /**
   * @param {typeof regimes[number]} one
   * @param {number} step
   */
  function learned({ regime, at }, step) {
    const values = range(hops).map((hop) => at(step, hop)), done = range(hops).filter((hop) => values[hop] > 0.9).map((hop) => hop + 1);
    if (values.every((value) => Math.abs(value - chance) < 0.05)) return `${regime}: everything at chance`;
    if (done.length === 0) return `${regime}: nothing above 0.9 yet`;
    return done.length === hops ? `${regime}: all ${hops} learned` : `${regime}: ${done.join(", ")} of ${hops} learned`;
  }

  const state = stateOf({
    name, root, start: { step: presets[1][0] },
    parts: { step: parts.slider({ label: "Training step", values: steps, near: true }) },
    presets: { label: "Moments of training", options: presets.map(([step, moment]) => [moment, { step }]) },
    draw({ step }) {
      for (const { at, cells, chart: drawing } of regimes) {
        drawing.update(step);
        cells.forEach((cell, hop) => show(cell, at(step, hop)));
      }
      says.say(`Step ${step}, ${(step * batch).toLocaleString("en")} sequences seen. Numbers of hops: ${regimes.map((one) => learned(one, step)).join("; ")}.`);
      expose(root, { step });
    },
  });
  root.append(
    state.presets, state.controls(), says.element, table, panels(...regimes.map((one) => one.chart)),
    remark("One line for each seed and number of hops. A run that has solved the last hop stops, and keeps its last accuracy."),
    state.link,
  );
  return state.live();
};
