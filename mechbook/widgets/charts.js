// @ts-check
// The drawings beside heat maps: bars as a list, lines as SVG.
import { roles } from "./book.js";
import { fresh, h, show, svg, write } from "./kit.js";

// ---- bars ----------------------------------------------------------------------------------------------------------

/**
 * A bar with its value, which `text` writes otherwise than other numbers; without a role it is neutral.
 * @typedef {{ label: string, value: number, mark?: string, role?: string, text?: string }} Bar
 */

/**
 * Horizontal bars with their values.
 * @param {{ title: string }} words
 */
export function bars({ title }) {
  const list = h("ol", { class: "mb-bars" });
  const rowOf = () => {
    const fill = h("span", { class: "mb-fill" }), number = h("span", { class: "mb-readout" });
    const name = h("span", { class: "mb-token" }), note = h("span", { class: "mb-mark" });
    const item = h("li", {}, name, h("span", { class: "mb-bar", "aria-hidden": "true" }, fill), number, note);
    return { item, fill, number, name, note };
  };
  let rows = [rowOf()].slice(1);
  return {
    element: h("figure", { class: "mb-chart" }, h("figcaption", {}, title), list),
    /** @param {Bar[]} entries */
    update(entries) {
      if (rows.length !== entries.length) {
        rows = entries.map(rowOf);
        list.replaceChildren(...rows.map(({ item }) => item));
      }
      entries.forEach(({ label, value, mark, role, text }, i) => {
        const { item, fill, number, name, note } = rows[i];
        fill.style.width = `${Math.max(0, Math.min(1, value)) * 100}%`;
        fill.style.background = role ? roles[role].colour : "var(--mb-quiet)";
        show(number, value, text);
        write(name, label);
        write(note, mark ?? "");
        item.dataset.label = label;
      });
    },
  };
}

// ---- lines ---------------------------------------------------------------------------------------------------------

/** @typedef {[x: number, y: number]} Point */
/**
 * A line, or dots, through points, with the value that the legend shows; the last dot is drawn larger.
 * @typedef {{ name: string, colour: string, dashes?: number[], dots?: boolean, points: Point[], value?: number }} Series
 */
/**
 * What a plot shows.
 * @typedef {object} Plotted
 * @property {Point} x its range
 * @property {Point} y its range
 * @property {boolean} [logX]
 * @property {number[]} [xTicks]
 * @property {number} cursor
 * @property {Series[]} series
 */

/** @param {{ colour: string, dashes?: number[] }} look */
const stroke = ({ colour, dashes }) => ({ stroke: colour, "stroke-dasharray": (dashes ?? []).join(" "), class: "mb-line" });

/**
 * An empty drawing of lines.
 * @param {number} W
 * @param {number} H
 */
export const canvas = (W, H) => svg("svg", { viewBox: `0 0 ${W} ${H}`, class: "mb-lines", "aria-hidden": "true" });

/**
 * How a line looks, for legends.
 * @param {{ colour: string, dashes?: number[], dots?: boolean }} look
 */
export const sample = (look) => svg("svg", { viewBox: "0 0 26 8", class: "mb-sample", "aria-hidden": "true" },
  look.dots ? svg("circle", { cx: 13, cy: 4, r: 3.2, fill: look.colour }) : svg("line", { ...stroke(look), x1: 0, x2: 26, y1: 4, y2: 4 }));

/**
 * Lines over x, on 0 to 1, with a cursor; the legend carries each line's value there.
 * @param {{ title: string, xName: string, x: number[], series: { name: string, role: string, values: number[] }[] }} what
 */
export function lines({ title, xName, x, series }) {
  const W = 360, H = 190, left = 30, right = 6, top = 8, bottom = 30;
  const last = x[x.length - 1], first = x[0];
  const px = (/** @type {number} */ v) => left + ((v - first) / (last - first || 1)) * (W - left - right);
  const py = (/** @type {number} */ v) => H - bottom - v * (H - top - bottom);
  const picture = canvas(W, H);
  for (const v of [0, 0.5, 1]) {
    picture.append(svg("line", { x1: left, x2: W - right, y1: py(v), y2: py(v), class: "mb-grid" }));
    picture.append(svg("text", { x: left - 4, y: py(v) + 4, "text-anchor": "end" }, String(v)));
  }
  for (const v of [first, Math.round((first + last) / 2), last]) {
    const anchor = v === last ? "end" : v === first ? "start" : "middle";
    picture.append(svg("text", { x: px(v), y: H - bottom + 14, "text-anchor": anchor }, String(v)));
  }
  picture.append(svg("text", { x: (W + left) / 2, y: H - 3, "text-anchor": "middle" }, xName));
  const legend = h("ul", { class: "mb-legend" }), /** @type {HTMLElement[]} */ numbers = [];
  for (const { name, role, values } of series) {
    picture.append(svg("polyline", { ...stroke(roles[role]), points: x.map((v, i) => `${px(v)},${py(values[i])}`).join(" ") }));
    const number = h("span", { class: "mb-readout", "data-series": name });
    numbers.push(number);
    legend.append(h("li", {}, sample(roles[role]), ` ${name} `, number));
  }
  const cursor = svg("line", { y1: top, y2: H - bottom, class: "mb-cursor" });
  picture.append(cursor);
  return {
    element: h("figure", { class: "mb-chart" }, h("figcaption", {}, title), picture, legend),
    /** @param {number} at */
    update(at) {
      for (const end of ["x1", "x2"]) cursor.setAttribute(end, String(px(at)));
      let index = 0;
      x.forEach((v, i) => { if (Math.abs(v - at) < Math.abs(x[index] - at)) index = i; });
      series.forEach(({ values }, k) => show(numbers[k], values[index]));
    },
  };
}

/**
 * Four to six round numbers that span low..high.
 * @param {number} low
 * @param {number} high
 */
function ticks(low, high) {
  const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * (rough <= power ? 1 : rough <= 2 * power ? 2 : rough <= 5 * power ? 5 : 10);
  const first = Math.ceil(low / step - 1e-9), last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(6)));
}

/**
 * Lines and dots that change.
 * @param {{ title: string, xName: string }} words
 */
export function plot({ title, xName }) {
  const W = 360, H = 210, left = 34, right = 8, top = 8, bottom = 32, id = fresh("clip");
  const picture = canvas(W, H), legend = h("ul", { class: "mb-legend" });
  /** @param {Series} one */
  const entry = (one) => {
    const number = h("span", { class: "mb-readout", "data-series": one.name });
    if (one.value !== undefined) show(number, one.value);
    return h("li", {}, sample(one), ` ${one.name} `, number);
  };
  return {
    element: h("figure", { class: "mb-chart" }, h("figcaption", {}, title), picture, legend),
    /** @param {Plotted} what */
    update({ x, y, logX, xTicks, cursor, series }) {
      const on = logX ? Math.log : Number;
      const px = (/** @type {number} */ v) => left + ((on(v) - on(x[0])) / (on(x[1]) - on(x[0]))) * (W - left - right);
      const py = (/** @type {number} */ v) => H - bottom - ((v - y[0]) / (y[1] - y[0])) * (H - top - bottom);
      const clip = svg("clipPath", { id }), inside = svg("g", { "clip-path": `url(#${id})` });
      clip.append(svg("rect", { x: left, y: top - 4, width: W - left - right + 4, height: H - top - bottom + 8 }));
      const grid = ticks(...y).flatMap((v) => [
        svg("line", { x1: left, x2: W - right, y1: py(v), y2: py(v), class: "mb-grid" }),
        svg("text", { x: left - 4, y: py(v) + 4, "text-anchor": "end" }, String(v)),
      ]);
      const below = (xTicks ?? ticks(...x)).map((v) => svg("text", { x: px(v), y: H - bottom + 14, "text-anchor": v === x[1] ? "end" : "middle" }, String(v)));
      for (const one of series) {
        if (!one.dots) inside.append(svg("polyline", { ...stroke(one), points: one.points.map(([a, b]) => `${px(a)},${py(b)}`).join(" ") }));
        else one.points.forEach(([a, b], i) => inside.append(svg("circle", { cx: px(a), cy: py(b), r: i === one.points.length - 1 ? 4.5 : 2.5, fill: one.colour, class: "mb-dot" })));
      }
      inside.append(svg("line", { x1: px(cursor), x2: px(cursor), y1: top, y2: H - bottom, class: "mb-cursor" }));
      picture.replaceChildren(clip, ...grid, ...below, inside, svg("text", { x: (W + left) / 2, y: H - 3, "text-anchor": "middle" }, xName));
      legend.replaceChildren(...series.map(entry));
    },
  };
}
