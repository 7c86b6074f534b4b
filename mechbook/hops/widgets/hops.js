// @ts-check
// Widget 7a: a path of hops through a context of the reader's, and where each layer of a trained model looks.
import { bars, canvas } from "../../widgets/charts.js";
import { select, textInput } from "../../widgets/controls.js";
import { heatMap } from "../../widgets/heatmap.js";
import { expose, frame, h, panels, percent, range, remark, sentence, svg, weightsOf } from "../../widgets/kit.js";
import * as parts from "../../widgets/parts.js";
import { stateOf } from "../../widgets/state.js";
import { softmax } from "../../widgets/tensors.js";
import { model as transformer, path, permutation } from "./model.js";

/** @typedef {import("./model.js").Permutations} Permutations */
/**
 * @typedef {object} Settings
 * @property {string} title
 * @property {number} n how many values a position takes
 * @property {number} k how many positions there are
 * @property {Permutations} pi the hidden permutations
 * @property {number} n_layers
 * @property {number} n_heads
 * @property {[words: string, sigma: Permutations][]} contexts on offer
 */
/** @typedef {{ sigma: Permutations, start: number, value: number, head: string }} State */

/**
 * The path as a drawing: columns are positions, and between two of them the values that the hidden permutation gives.
 * @param {Settings} settings
 */
function pathDrawing({ n, k, pi }) {
  const W = 360, left = 14, right = 14, top = 34, gap = 26, H = top + gap * (n - 1) + 18;
  const px = (/** @type {number} */ column) => left + (column / (2 * k)) * (W - left - right);
  const py = (/** @type {number} */ value) => top + gap * value;
  const picture = canvas(W, H);
  picture.classList.add("mb-path");
  const element = h("figure", { class: "mb-chart" }, h("figcaption", {}, "The path"), picture,
    remark("Rows: values. Dashed: the hidden π of a position; solid: its σ in context. Thick: the path from the start."));
  return {
    element,
    /**
     * @param {State} state
     * @param {number[]} values
     */
    update({ sigma, start }, values) {
      picture.replaceChildren();
      for (let hop = 0; hop < k; hop++) {
        const at = (start + hop) % k;
        picture.append(svg("text", { x: px(2 * hop), y: 12, "text-anchor": "middle" }, `${at + 1}`));
        picture.append(svg("text", { x: px(2 * hop + 1), y: 12, "text-anchor": "middle" }, "π"));
        for (let y = 0; y < n; y++) {
          const middle = pi[at][y], on = values[hop] === y;
          /**
           * @param {number} column
           * @param {number} from
           * @param {number} to
           * @param {string} dashes
           */
          const line = (column, from, to, dashes) => svg("line", {
            x1: px(column), y1: py(from), x2: px(column + 1), y2: py(to), "stroke-dasharray": dashes,
            class: on ? "mb-path-on" : "mb-path-off",
          });
          picture.append(line(2 * hop, y, middle, "6 3"), line(2 * hop + 1, middle, sigma[at][middle], ""));
        }
      }
      picture.append(svg("text", { x: px(2 * k), y: 12, "text-anchor": "end" }, "end"));
      for (let column = 0; column <= 2 * k; column++) {
        for (let y = 0; y < n; y++) {
          const passed = column % 2 === 0 ? values[column / 2] : pi[(start + (column - 1) / 2) % k][values[(column - 1) / 2]];
          picture.append(svg("circle", { cx: px(column), cy: py(y), r: 8, class: passed === y ? "mb-path-at" : "mb-path-node" }));
          picture.append(svg("text", { x: px(column), y: py(y) + 4, "text-anchor": "middle", class: passed === y ? "mb-path-word" : "" }, String(y)));
        }
      }
    },
  };
}

/**
 * The part of the state that is the context: a line of text for each position's sigma.
 * @param {Settings} settings
 * @returns {import("../../widgets/state.js").Declared}
 */
const context = ({ n, k, pi }) => (key, change) => {
  const names = range(n).join(", "), words = (/** @type {number[]} */ row) => row.join(" ");
  const /** @type {Permutations} */ shown = range(k).map(() => []);
  const boxes = range(k).map((i) => textInput({
    label: `σ of position ${i + 1}`, hint: `Where ${names} go; the hidden π before it: ${words(pi[i])}.`,
    check: (text) => (permutation(text, n) ? null : `It must hold each of ${names} once.`),
    input(text) {
      shown[i] = permutation(text, n) ?? shown[i];
      change({ [key]: [...shown] });
    },
  }));
  return {
    elements: boxes.map((box) => box.element),
    show(values, anew) {
      boxes.forEach((box, i) => {
        // What a reader is typing stays as it is.
        if (anew || words(values[key][i]) !== words(shown[i])) box.set(words(values[key][i]));
        shown[i] = values[key][i];
      });
    },
    take(found, values) {
      if (!Object.hasOwn(found, key)) return [];
      const rows = found[key].split("-").map((text) => permutation(text, n));
      if (rows.length !== k || !rows.every(Boolean)) return [`its σ are not ${k} permutations of ${names}`];
      values[key] = rows;
      return [];
    },
    carry: (values) => ({ [key]: inAddress(values[key]) }),
    say: boxes[0].say,
  };
};

/** @param {Permutations} sigma */
const inAddress = (sigma) => sigma.map((row) => row.join("")).join("-");

/**
 * The part that is the start, a value at a position, which an address has as one: the position from 1, then the value.
 * @param {Settings} settings
 * @returns {import("../../widgets/state.js").Declared}
 */
const start = ({ n, k }) => (key, change) => {
  const from = select({ label: "Start at value", change: (value) => change({ value }) });
  const at = select({ label: "Start at position", change: (position) => change({ [key]: position }) });
  return {
    elements: [from.element, at.element],
    show(values) {
      from.set(range(n).map((y) => [y, String(y)]), values.value);
      at.set(range(k).map((i) => [i, String(i + 1)]), values[key]);
    },
    take(found, values) {
      if (!Object.hasOwn(found, key)) return [];
      const [, position, value] = (/^(\d)-(\d)$/.exec(found[key]) ?? []).map(Number);
      if (!(position >= 1 && position <= k && value < n)) return ["its start is no value of a position"];
      Object.assign(values, { [key]: position - 1, value });
      return [];
    },
    carry: (values) => ({ [key]: `${values[key] + 1}-${values.value}` }),
  };
};

/** @type {import("../../widgets/kit.js").Widget} */
export const hops = async ({ model, el }) => {
  const /** @type {Settings} */ settings = model.get("settings"), weights = await weightsOf(model), name = model.get("name");
  const { n, k, pi, n_layers: layers, n_heads: heads, title } = settings, net = transformer(weights, settings), T = n * k;
  const root = frame(el, { name, title }), drawing = pathDrawing(settings), says = sentence();
  const token = (/** @type {number} */ t) => `value ${t % n} at position ${Math.floor(t / n) + 1}`;
  const maps = range(layers).map((layer) => heatMap({
    title: `Where layer ${layer + 1} looks`, rowName: "value", columnName: "position",
    describe: (y, i, value) => `the start looks at ${token(i * n + y)}: ${value.toFixed(3)}`,
  }));
  const answers = bars({ title: "Probability of the right answer, by hops" });

  /**
   * The key that the hand-built model looks at, by layer: (i, pi_i(y)), then where 1, 2, 4, ... hops land.
   * @param {State} state
   * @param {number[]} values
   * @param {number} layer
   */
  function expected({ start: i, value }, values, layer) {
    if (layer === 0) return i * n + pi[i][value];
    const ahead = 2 ** (layer - 1);
    return ((i + ahead) % k) * n + values[ahead];
  }

  /** @param {State} now */
  const draw = (now) => {
    const query = now.start * n + now.value, values = path(pi, now.sigma, now.start, now.value, k);
    const { attention, logits, hops: furthest, outputs } = net.forward(now.sigma.flat());
    drawing.update(now, values);
    const best = maps.map((map, layer) => {
      const rows = new Float32Array(T), key = expected(now, values, layer);
      const chosen = now.head === "all" ? attention[layer] : [attention[layer][Number(now.head)]];
      for (let t = 0; t < T; t++) {
        // tokens run along positions, the map's rows along values
        rows[(t % n) * k + Math.floor(t / n)] = Math.max(...chosen.map((head) => head[query * T + t]));
      }
      const /** @type {import("../../widgets/heatmap.js").Cell} */ at = [key % n, Math.floor(key / n)];
      map.update({
        rows: range(n).map(String), columns: range(k).map((i) => String(i + 1)), data: rows,
        frames: [at], frameRole: "W_K2", home: at,
      });
      const masses = attention[layer].map((head) => head[query * T + key]), most = Math.max(...masses);
      return `Layer ${layer + 1}: head ${masses.indexOf(most) + 1} puts ${percent(most)} of it on ${token(key)}` +
        (layer === 0 ? ", which carries the first hop" : `, where ${2 ** (layer - 1)} hop${layer === 1 ? "" : "s"} from the start land${layer === 1 ? "s" : ""}`);
    });
    const entries = range(furthest).map((i) => {
      const p = softmax(logits, (query * furthest + i) * outputs, outputs), said = p.indexOf(Math.max(...p)), right = values[i + 1];
      const mark = `says ${said}${said === right ? "" : `, not ${right}`}`;
      return { label: String(i + 1), value: p[right], role: said === right ? "correct" : "predicted", mark };
    });
    answers.update(entries);
    const wrong = entries.filter(({ role }) => role !== "correct").length;
    says.say(`From value ${now.value} at position ${now.start + 1} the path is ${values.join(" → ")}. ` +
      `The model is ${wrong === 0 ? "right at every number of hops" : `wrong at ${wrong} of ${furthest} numbers of hops`}. ` +
      `The start's attention: ${best.join(". ")}.`);
    expose(root, { sigma: inAddress(now.sigma), start: now.start, from: now.value });
  };

  const state = stateOf({
    name, root, draw, notice: false,
    start: /** @type {State} */ ({ sigma: settings.contexts[0][1], start: 0, value: 0, head: "all" }),
    parts: {
      sigma: context(settings),
      start: start(settings),
      head: parts.choice({
        wide: true, label: "Attention of",
        options: [["all", "the strongest head at each token"], ...range(heads).map((i) => /** @type {[string, string]} */ ([String(i), `head ${i + 1}`]))],
      }),
    },
    presets: { label: "Contexts", options: settings.contexts.map(([words, sigma]) => [words, { sigma }]) },
  });
  const sigmas = state.controls("sigma"), three = panels(...maps);
  sigmas.classList.add("mb-sigmas");
  three.classList.add("mb-three");
  root.append(
    state.presets, state.controls("start", "head"), sigmas, says.element, panels(drawing, answers), three,
    remark("Dashed frames: the token that the hand-built model looks at in that layer."), state.link,
  );
  return state.live(...maps);
};
