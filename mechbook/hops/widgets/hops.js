// Widget 7a: a path of hops through a context of the reader's, and where each layer of a trained model looks.
import { roles } from "../../widgets/book.js";
import * as charts from "../../widgets/charts.js";
import * as engine from "../../widgets/engine.js";
import * as kit from "../../widgets/kit.js";
import { h } from "../../widgets/kit.js";
import * as paths from "./model.js";

const SVG = "http://www.w3.org/2000/svg";
const percent = (part) => `${Math.round(100 * part)}%`;

function svg(tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

/** The path as a drawing: columns are positions, and between two of them the values that the hidden permutation gives. */
function pathDrawing({ n, k, pi }) {
  const W = 360, left = 14, right = 14, top = 34, gap = 26, H = top + gap * (n - 1) + 18;
  const px = (column) => left + (column / (2 * k)) * (W - left - right), py = (value) => top + gap * value;
  const picture = svg("svg", { viewBox: `0 0 ${W} ${H}`, class: "mb-lines mb-path", "aria-hidden": "true" });
  const element = h("figure", { class: "mb-chart" }, h("figcaption", {}, "The path"), picture,
    h("p", { class: "mb-axes" }, "Rows: values. Dashed: the hidden π of a position; solid: its σ in context. Thick: the path from the start."));
  return {
    element,
    update(sigma, start, values) {
      picture.replaceChildren();
      for (let hop = 0; hop < k; hop++) {
        const at = (start + hop) % k;
        picture.append(svg("text", { x: px(2 * hop), y: 12, "text-anchor": "middle" }, `${at + 1}`));
        picture.append(svg("text", { x: px(2 * hop + 1), y: 12, "text-anchor": "middle" }, "π"));
        for (let y = 0; y < n; y++) {
          const middle = pi[at][y], on = values[hop] === y;
          const lines = [[2 * hop, y, middle, "6 3"], [2 * hop + 1, middle, sigma[at][middle], ""]];
          for (const [column, from, to, dashes] of lines) {
            picture.append(svg("line", {
              x1: px(column), y1: py(from), x2: px(column + 1), y2: py(to), "stroke-dasharray": dashes,
              class: on ? "mb-path-on" : "mb-path-off",
            }));
          }
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

export const hops = async ({ model, el }) => {
  const name = model.get("name"), settings = model.get("settings"), weights = await kit.weightsOf(model);
  const { n, k, pi } = settings, net = paths.model(weights, settings);
  const layers = settings.n_layers, heads = settings.n_heads, T = n * k;
  const state = { sigma: settings.contexts[0][1], start: 0, value: 0, head: "all" };
  const root = kit.frame(el, { name, title: settings.title });
  const drawing = pathDrawing(settings);
  const names = Array.from({ length: n }, (_, y) => String(y)), places = Array.from({ length: k }, (_, i) => String(i + 1));
  const token = (t) => `value ${t % n} at position ${Math.floor(t / n) + 1}`;
  const maps = Array.from({ length: layers }, (_, layer) => charts.heatMap({
    title: `Where layer ${layer + 1} looks`, rowName: "value", columnName: "position",
    describe: (y, i, value) => `the start looks at ${token(i * n + y)}: ${value.toFixed(3)}`,
  }));
  const answers = charts.bars({ title: "Probability of the right answer, by hops" });
  const says = kit.sentence();

  /** The key that the hand-built model looks at, by layer: (i, pi_i(y)), then where 1, 2, 4, ... hops land. */
  function expected(values, layer) {
    if (layer === 0) return state.start * n + pi[state.start][state.value];
    const ahead = 2 ** (layer - 1);
    return ((state.start + ahead) % k) * n + values[ahead];
  }

  const draw = () => {
    const { start, value, sigma } = state, query = start * n + value;
    const values = paths.path(pi, sigma, start, value, k);
    const { attention, logits, hops, outputs } = net.forward(sigma.flat());
    drawing.update(sigma, start, values);
    const best = [];
    maps.forEach((map, layer) => {
      const rows = new Float32Array(T), key = expected(values, layer), choice = state.head;
      const chosen = choice === "all" ? attention[layer] : [attention[layer][Number(choice)]];
      for (let t = 0; t < T; t++) {
        // tokens run along positions, the map's rows along values
        const cell = (t % n) * k + Math.floor(t / n);
        rows[cell] = Math.max(...chosen.map((head) => head[query * T + t]));
      }
      const masses = attention[layer].map((head) => head[query * T + key]), most = Math.max(...masses);
      best.push(`Layer ${layer + 1}: head ${masses.indexOf(most) + 1} puts ${percent(most)} of it on ${token(key)}` +
        (layer === 0 ? ", which carries the first hop" : `, where ${2 ** (layer - 1)} hop${layer === 1 ? "" : "s"} from the start land${layer === 1 ? "s" : ""}`));
      const frame = [key % n, Math.floor(key / n)];
      map.update({ rows: names, columns: places, data: rows, frames: [frame], frameColour: roles.W_K2.colour, home: frame });
    });
    const entries = [];
    for (let r = 1; r <= hops; r++) {
      const p = engine.softmax(logits, (query * hops + r - 1) * outputs, outputs), said = p.indexOf(Math.max(...p));
      const right = said === values[r];
      entries.push({ label: String(r), value: p[values[r]], role: right ? "correct" : "predicted", mark: `says ${said}${right ? "" : `, not ${values[r]}`}` });
    }
    answers.update(entries);
    const wrong = entries.filter(({ role }) => role !== "correct").length;
    says.say(`From value ${value} at position ${start + 1} the path is ${values.join(" → ")}. ` +
      `The model is ${wrong === 0 ? "right at every number of hops" : `wrong at ${wrong} of ${hops} numbers of hops`}. ` +
      `The start's attention: ${best.join(". ")}.`);
    root.dataset.sigma = sigma.map((row) => row.join("")).join("-");
    root.dataset.start = start;
    root.dataset.from = value;
  };
  const schedule = kit.scheduler(draw);
  const presets = kit.presets({
    label: "Contexts", options: settings.contexts.map(([words], index) => [index, words]),
    press: (index) => { state.sigma = settings.contexts[index][1]; synchronise(); schedule(); },
  });
  const boxes = Array.from({ length: k }, (_, i) => kit.textInput({
    label: `σ of position ${i + 1}`, value: state.sigma[i].join(" "),
    hint: `Where ${names.join(", ")} go; the hidden π before it: ${pi[i].join(" ")}.`,
    check: (text) => (paths.permutation(text, n) ? null : `It must hold each of ${names.join(", ")} once.`),
    input: (text) => {
      state.sigma = state.sigma.map((row, j) => (j === i ? paths.permutation(text, n) : row));
      presets.set(known());
      schedule();
    },
  }));
  const from = kit.select({
    label: "Start at value", value: "0", options: names.map((word) => [word, word]),
    change: (word) => { state.value = Number(word); schedule(); },
  });
  const at = kit.select({
    label: "Start at position", value: "0", options: places.map((word, i) => [String(i), word]),
    change: (word) => { state.start = Number(word); schedule(); },
  });
  const head = kit.select({
    label: "Attention of", value: "all",
    options: [["all", "the strongest head at each token"], ...Array.from({ length: heads }, (_, i) => [String(i), `head ${i + 1}`])],
    change: (word) => { state.head = word; schedule(); },
  });
  const known = () => settings.contexts.findIndex(([, sigma]) => JSON.stringify(sigma) === JSON.stringify(state.sigma));
  function synchronise() {
    boxes.forEach((box, i) => box.set(state.sigma[i].join(" ")));
    presets.set(known());
    from.set(String(state.value));
    at.set(String(state.start));
    head.set(state.head);
  }
  synchronise();
  root.append(
    presets.element,
    h("div", { class: "mb-controls" }, from.element, at.element, head.element),
    h("div", { class: "mb-controls mb-sigmas" }, ...boxes.map((box) => box.element)),
    says.element,
    h("div", { class: "mb-panels" }, drawing.element, answers.element),
    h("div", { class: "mb-panels mb-three" }, ...maps.map((map) => map.element)),
    h("p", { class: "mb-axes" }, "Dashed frames: the token that the hand-built model looks at in that layer."),
    kit.linkButton({ name, state: () => ({
      sigma: state.sigma.map((row) => row.join("")).join("-"), start: `${state.start + 1}-${state.value}`, head: state.head,
    }) }).element,
  );
  const stopAddress = kit.followAddress(name, root, (found) => {
    const left = found.tooLong ? ["it is too long"] : [];
    if (found.sigma !== undefined) {
      const rows = found.sigma.split("-").map((text) => paths.permutation(text, n));
      if (rows.length === k && rows.every(Boolean)) state.sigma = rows;
      else left.push(`its σ are not ${k} permutations of ${names.join(", ")}`);
    }
    const place = /^(\d)-(\d)$/.exec(found.start ?? "");
    if (place && place[1] >= 1 && place[1] <= k && place[2] < n) [state.start, state.value] = [place[1] - 1, Number(place[2])];
    else if (found.start !== undefined) left.push("its start is no value of a position");
    if (found.head === "all" || (/^\d{1,2}$/.test(found.head ?? "") && Number(found.head) < heads)) state.head = found.head;
    synchronise();
    if (left.length) boxes[0].say(`Of the link this was left out: ${left.join("; ")}`);
    schedule();
  });
  draw();
  const stopTheme = kit.onTheme(() => maps.forEach((map) => map.draw()));
  return () => { stopAddress(); stopTheme(); maps.forEach((map) => map.stop()); };
};
