// The drawings: mechbook.charts. Heat maps on a canvas (a repaint of 64 x 64 cells has to fit in a frame), lines as SVG.
import { roles } from "./book.js";
import { fresh, format, glyph, h, show } from "./kit.js";

const SVG = "http://www.w3.org/2000/svg";

const isDark = () => {
  const root = document.documentElement;
  return root.dataset.theme === "dark" || document.body.dataset.jpThemeLight === "false";
};

const GREY = { light: [[255, 255, 255], [17, 17, 17]], dark: [[18, 18, 18], [245, 245, 245]] };
// As in figures: purple below zero, orange above.
const TWO = {
  light: [[45, 0, 75], [255, 255, 255], [127, 59, 8]],
  dark: [[178, 171, 210], [18, 18, 18], [253, 184, 99]],
};

/** A colour scale on 0..1 as 256 CSS colours. */
function scale(stops) {
  return Array.from({ length: 256 }, (_, i) => {
    const at = (i / 255) * (stops.length - 1), k = Math.min(Math.floor(at), stops.length - 2), f = at - k;
    return `rgb(${stops[k].map((c, j) => Math.round(c + f * (stops[k + 1][j] - c))).join(",")})`;
  });
}

const known = new Map();

function colours(diverging) {
  const key = `${diverging}${isDark()}`;
  if (!known.has(key)) known.set(key, scale((diverging ? TWO : GREY)[isDark() ? "dark" : "light"]));
  return known.get(key);
}

/**
 * A matrix with labels, a cell that pointer and arrow keys move, and a readout of that cell.
 * `update` takes {rows, columns (labels), data, causal, diverging, low, high, frames: [[row, column], ...], frameColour,
 * solid (frames without dashes), home (the cell to go to)}.
 */
export function heatMap({ title, rowName, columnName, describe }) {
  const canvas = h("canvas", { "aria-hidden": "true" });
  const readout = h("output", { class: "mb-readout mb-cell", id: fresh("cell"), "aria-live": "polite" });
  const box = h("div", {
    class: "mb-canvas", tabindex: 0, role: "application", "aria-roledescription": "heat map",
    "aria-label": `${title}: arrow keys move over the cells`, "aria-describedby": readout.id,
  }, canvas);
  const names = h("p", { class: "mb-axes" }, `rows: ${rowName}; columns: ${columnName}`);
  const element = h("figure", { class: "mb-chart" }, h("figcaption", {}, title), box, names, readout);
  let shown = null, cell = null, layout = null;

  const rows = () => shown.rows.length, columns = () => shown.columns.length;

  function clamp([i, j]) {
    const row = Math.min(Math.max(i, 0), rows() - 1);
    const last = shown.causal ? row : columns() - 1;
    return [row, Math.min(Math.max(j, 0), last)];
  }

  function focus(next) {
    cell = clamp(next);
    const [i, j] = cell, value = shown.data[i * columns() + j];
    readout.dataset.row = i;
    readout.dataset.column = j;
    show(readout, value, describe(i, j, value));
    draw();
  }

  function draw() {
    const size = Math.max(120, Math.min(box.clientWidth || 300, 520)), ratio = window.devicePixelRatio || 1;
    const margin = 14, unit = (size - margin) / Math.max(rows(), columns());
    const height = Math.ceil(margin + unit * rows()) + 2;
    layout = { margin, unit };
    canvas.width = Math.round(size * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.width = `${size}px`;
    canvas.style.height = `${height}px`;
    const pen = canvas.getContext("2d"), palette = colours(shown.diverging), style = getComputedStyle(element);
    pen.scale(ratio, ratio);
    const low = shown.low ?? 0, high = shown.high ?? 1;
    const edge = (k) => Math.round((margin + k * unit) * ratio) / ratio;
    pen.fillStyle = style.getPropertyValue("--mb-masked");
    pen.fillRect(margin, margin, unit * columns(), unit * rows());
    for (let i = 0; i < rows(); i++) {
      const last = shown.causal ? i + 1 : columns();
      for (let j = 0; j < last; j++) {
        const part = (shown.data[i * columns() + j] - low) / (high - low || 1);
        pen.fillStyle = palette[Math.min(255, Math.max(0, Math.round(part * 255)))];
        pen.fillRect(edge(j), edge(i), edge(j + 1) - edge(j), edge(i + 1) - edge(i));
      }
    }
    pen.lineWidth = Math.min(2, Math.max(1, unit / 6));
    pen.strokeStyle = shown.frameColour ?? "currentColor";
    pen.setLineDash(shown.solid ? [] : [3, 2]);
    for (const [i, j] of shown.frames ?? []) pen.strokeRect(margin + j * unit + 0.5, margin + i * unit + 0.5, unit - 1, unit - 1);
    pen.setLineDash([]);
    labels(pen, style.color, unit, margin);
    if (cell) {
      pen.lineWidth = 2;
      pen.strokeStyle = style.getPropertyValue("--mb-focus");
      pen.strokeRect(margin + cell[1] * unit - 1, margin + cell[0] * unit - 1, unit + 2, unit + 2);
    }
  }

  /** Every label that fits: each, or every second, third, ... */
  function labels(pen, colour, unit, margin) {
    const font = Math.max(8, Math.min(12, unit * 0.9)), every = Math.ceil((font * 0.95) / unit);
    pen.fillStyle = colour;
    pen.font = `${font}px ui-monospace, monospace`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    // Side by side a label needs its width, one above the other its height.
    const widest = Math.max(...shown.columns.map((label) => label.length)), skip = Math.max(every, Math.ceil((font * 0.72 * widest) / unit));
    for (let j = 0; j < columns(); j += widest > 1 ? skip : every) pen.fillText(glyph(shown.columns[j]), margin + (j + 0.5) * unit, margin / 2, unit * Math.max(skip, every));
    for (let i = 0; i < rows(); i += every) pen.fillText(glyph(shown.rows[i]), margin / 2, margin + (i + 0.5) * unit, margin);
  }

  function pointed(event) {
    if (!shown || !layout) return;
    const { left, top } = canvas.getBoundingClientRect();
    const at = (pixels) => Math.floor((pixels - layout.margin) / layout.unit);
    const next = [at(event.clientY - top), at(event.clientX - left)];
    if (next[0] < 0 || next[1] < 0 || next[0] >= rows() || next[1] >= columns()) return;
    focus(next);
  }

  const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  box.addEventListener("keydown", (event) => {
    if (!shown || event.altKey || event.ctrlKey || event.metaKey) return;
    const [i, j] = cell ?? [0, 0];
    if (MOVES[event.key]) focus([i + MOVES[event.key][0], j + MOVES[event.key][1]]);
    else if (event.key === "Home") focus([i, 0]);
    else if (event.key === "End") focus([i, columns() - 1]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  canvas.addEventListener("pointermove", pointed);
  canvas.addEventListener("pointerdown", pointed);
  const watcher = new ResizeObserver(() => { if (shown) draw(); });
  watcher.observe(box);

  return {
    element,
    draw: () => { if (shown) draw(); },
    update(next) {
      shown = next;
      // A sequence that changed length takes the cell back to the last query.
      focus(cell && cell[0] < rows() && !next.home ? cell : next.home ?? [rows() - 1, 0]);
    },
    stop: () => watcher.disconnect(),
  };
}

/** Horizontal bars with their values: `update` takes [{label, value, mark, role (none: neutral), text}, ...]. */
export function bars({ title }) {
  const list = h("ol", { class: "mb-bars" });
  return {
    element: h("figure", { class: "mb-chart" }, h("figcaption", {}, title), list),
    update(entries) {
      list.replaceChildren(...entries.map(({ label, value, mark, role, text }) => {
        const fill = h("span", { class: "mb-fill" });
        fill.style.width = `${Math.max(0, Math.min(1, value)) * 100}%`;
        fill.style.background = role ? roles[role].colour : "var(--mb-quiet)";
        const number = h("span", { class: "mb-readout" });
        show(number, value, text);
        const name = h("span", { class: "mb-token" }, label);
        const note = h("span", { class: "mb-mark" }, mark ?? "");
        return h("li", { "data-label": label }, name, h("span", { class: "mb-bar", "aria-hidden": "true" }, fill), number, note);
      }));
    },
  };
}

export function svg(tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

/** Lines over x with a cursor; the legend carries each line's value there. series: [{name, role, values}, ...]. */
export function lines({ title, xName, x, series }) {
  const W = 360, H = 190, left = 30, right = 6, top = 8, bottom = 30;
  const last = x[x.length - 1], first = x[0];
  const px = (v) => left + ((v - first) / (last - first || 1)) * (W - left - right), py = (v) => H - bottom - v * (H - top - bottom);
  const picture = svg("svg", { viewBox: `0 0 ${W} ${H}`, class: "mb-lines", "aria-hidden": "true" });
  for (const v of [0, 0.5, 1]) {
    picture.append(svg("line", { x1: left, x2: W - right, y1: py(v), y2: py(v), class: "mb-grid" }));
    picture.append(svg("text", { x: left - 4, y: py(v) + 4, "text-anchor": "end" }, String(v)));
  }
  for (const v of [first, Math.round((first + last) / 2), last]) {
    const anchor = v === last ? "end" : v === first ? "start" : "middle";
    picture.append(svg("text", { x: px(v), y: H - bottom + 14, "text-anchor": anchor }, String(v)));
  }
  picture.append(svg("text", { x: (W + left) / 2, y: H - 3, "text-anchor": "middle" }, xName));
  const legend = h("ul", { class: "mb-legend" }), numbers = [];
  for (const { name, role, values } of series) {
    const { colour, dashes } = roles[role], stroke = { stroke: colour, "stroke-dasharray": dashes.join(" ") };
    picture.append(svg("polyline", { ...stroke, class: "mb-line", points: x.map((v, i) => `${px(v)},${py(values[i])}`).join(" ") }));
    const sample = svg("svg", { viewBox: "0 0 26 8", class: "mb-sample", "aria-hidden": "true" });
    sample.append(svg("line", { ...stroke, x1: 0, x2: 26, y1: 4, y2: 4, class: "mb-line" }));
    const number = h("span", { class: "mb-readout", "data-series": name });
    numbers.push(number);
    legend.append(h("li", {}, sample, ` ${name} `, number));
  }
  const cursor = svg("line", { y1: top, y2: H - bottom, class: "mb-cursor" });
  picture.append(cursor);
  return {
    element: h("figure", { class: "mb-chart" }, h("figcaption", {}, title), picture, legend),
    update(at) {
      cursor.setAttribute("x1", px(at));
      cursor.setAttribute("x2", px(at));
      let index = 0;
      x.forEach((v, i) => { if (Math.abs(v - at) < Math.abs(x[index] - at)) index = i; });
      series.forEach(({ values }, k) => show(numbers[k], values[index], format(values[index])));
    },
  };
}

/** Four to six round numbers that span low..high. */
function ticks(low, high) {
  const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const first = Math.ceil(low / step - 1e-9), last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(6)));
}

/**
 * Lines and dots that change. `update` takes {x, y (ranges), logX, xTicks, cursor, series}, where a series is
 * {name, colour, dashes, dots, points: [[x, y], ...], value (shown in the legend)}; the last dot is drawn larger.
 */
export function plot({ title, xName }) {
  const W = 360, H = 210, left = 34, right = 8, top = 8, bottom = 32, id = fresh("clip");
  const picture = svg("svg", { viewBox: `0 0 ${W} ${H}`, class: "mb-lines", "aria-hidden": "true" });
  const legend = h("ul", { class: "mb-legend" });
  const path = ({ colour, dashes }) => ({ stroke: colour, "stroke-dasharray": (dashes ?? []).join(" "), class: "mb-line" });
  const entry = (one) => {
    const sample = svg("svg", { viewBox: "0 0 26 8", class: "mb-sample", "aria-hidden": "true" });
    sample.append(one.dots ? svg("circle", { cx: 13, cy: 4, r: 3.2, fill: one.colour }) : svg("line", { ...path(one), x1: 0, x2: 26, y1: 4, y2: 4 }));
    const number = h("span", { class: "mb-readout", "data-series": one.name });
    if (one.value !== undefined) show(number, one.value);
    return h("li", {}, sample, ` ${one.name} `, number);
  };
  return {
    element: h("figure", { class: "mb-chart" }, h("figcaption", {}, title), picture, legend),
    update({ x, y, logX, xTicks, cursor, series }) {
      const on = logX ? Math.log : Number;
      const px = (v) => left + ((on(v) - on(x[0])) / (on(x[1]) - on(x[0]))) * (W - left - right);
      const py = (v) => H - bottom - ((v - y[0]) / (y[1] - y[0])) * (H - top - bottom);
      const clip = svg("clipPath", { id }), inside = svg("g", { "clip-path": `url(#${id})` });
      clip.append(svg("rect", { x: left, y: top - 4, width: W - left - right + 4, height: H - top - bottom + 8 }));
      const grid = ticks(...y).flatMap((v) => [
        svg("line", { x1: left, x2: W - right, y1: py(v), y2: py(v), class: "mb-grid" }),
        svg("text", { x: left - 4, y: py(v) + 4, "text-anchor": "end" }, String(v)),
      ]);
      const below = (xTicks ?? ticks(...x)).map((v) => svg("text", { x: px(v), y: H - bottom + 14, "text-anchor": v === x[1] ? "end" : "middle" }, String(v)));
      for (const one of series) {
        if (!one.dots) inside.append(svg("polyline", { ...path(one), points: one.points.map(([a, b]) => `${px(a)},${py(b)}`).join(" ") }));
        else one.points.forEach(([a, b], i) => inside.append(svg("circle", { cx: px(a), cy: py(b), r: i === one.points.length - 1 ? 4.5 : 2.5, fill: one.colour, class: "mb-dot" })));
      }
      inside.append(svg("line", { x1: px(cursor), x2: px(cursor), y1: top, y2: H - bottom, class: "mb-cursor" }));
      picture.replaceChildren(clip, ...grid, ...below, inside, svg("text", { x: (W + left) / 2, y: H - 3, "text-anchor": "middle" }, xName));
      legend.replaceChildren(...series.map(entry));
    },
  };
}
