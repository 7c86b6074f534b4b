// @ts-check
// A matrix as a heat map, on a canvas: a repaint of 64 x 64 cells has to fit in a frame.
import { fresh, glyph, h, remark, show } from "./kit.js";

/** @typedef {[row: number, column: number]} Cell */
/** @typedef {[red: number, green: number, blue: number]} Colour */
/**
 * What a heat map shows.
 * @typedef {object} Shown
 * @property {string[]} rows labels
 * @property {string[]} columns labels
 * @property {ArrayLike<number>} data row by row
 * @property {boolean} [causal] a row has no cells right of the diagonal
 * @property {boolean} [diverging] two colours around the middle of the scale
 * @property {number} [low] the value at the scale's lower end; 0 where none is given
 * @property {number} [high] the value at its upper end; 1 where none is given
 * @property {Cell[]} [frames] cells with a frame
 * @property {string} [frameRole] whose colour the frames have; else the text's
 * @property {boolean} [solid] frames without dashes
 * @property {Cell | null} [home] the cell to go to
 */

const isDark = () => {
  const root = document.documentElement;
  return root.dataset.theme === "dark" || document.body.dataset.jpThemeLight === "false";
};

/** @typedef {{ light: Colour[], dark: Colour[] }} Stops */

/** @type {Stops} */
const GREY = { light: [[255, 255, 255], [17, 17, 17]], dark: [[18, 18, 18], [245, 245, 245]] };
/**
 * As in figures: purple below zero, orange above.
 * @type {Stops}
 */
const TWO = {
  light: [[45, 0, 75], [255, 255, 255], [127, 59, 8]],
  dark: [[178, 171, 210], [18, 18, 18], [253, 184, 99]],
};

/**
 * A colour scale on 0..1 as 256 pixels, opaque, in the order of bytes that this machine's memory has.
 * @param {Colour[]} stops
 */
function scale(stops) {
  const bytes = Uint8ClampedArray.from({ length: 4 * 256 }, (_, place) => {
    const i = place >> 2, j = place & 3, at = (i / 255) * (stops.length - 1), k = Math.min(Math.floor(at), stops.length - 2);
    return j === 3 ? 255 : Math.round(stops[k][j] + (at - k) * (stops[k + 1][j] - stops[k][j]));
  });
  return new Uint32Array(bytes.buffer);
}

/** @type {Map<string, Uint32Array>} */
const known = new Map();

/** @param {boolean} diverging */
function colours(diverging) {
  const key = `${diverging}${isDark()}`, found = known.get(key) ?? scale((diverging ? TWO : GREY)[isDark() ? "dark" : "light"]);
  known.set(key, found);
  return found;
}

/** @type {Record<string, Cell>} */
const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/** So much wider than high cells may be, where there are few columns. */
const WIDER = 2.5;

/**
 * A matrix with labels, a cell that pointer and arrow keys move, and a readout of that cell. Cells are squares, or with
 * `wide` fill the width.
 * @param {{
 *   title: string, rowName: string, columnName: string, describe: (row: number, column: number, value: number) => string,
 *   wide?: boolean,
 * }} words
 */
export function heatMap({ title, rowName, columnName, describe, wide = false }) {
  const canvas = h("canvas", { "aria-hidden": "true" });
  const readout = h("output", { class: "mb-readout mb-cell", id: fresh("cell"), "aria-live": "polite" });
  const box = h("div", {
    class: "mb-canvas", tabindex: 0, role: "application", "aria-roledescription": "heat map",
    "aria-label": `${title}: arrow keys move over the cells`, "aria-describedby": readout.id,
  }, canvas);
  const names = remark(`rows: ${rowName}; columns: ${columnName}`);
  const element = h("figure", { class: "mb-chart" }, h("figcaption", {}, title), box, names, readout);
  // a pixel for each cell: enlarged in one go, which thousands of rectangles are not
  const small = document.createElement("canvas"), dots = small.getContext("2d"), pen = canvas.getContext("2d");
  if (!pen || !dots) throw new Error("This browser has no canvas to draw on.");
  /** @type {Shown} */
  let shown = { rows: [], columns: [], data: [] };
  let layout = { margin: 0, unit: 1, across: 1 }, width = 0;
  /** @type {Cell | null} */
  let cell = null;

  const rows = () => shown.rows.length, columns = () => shown.columns.length;

  /** @param {Cell} next */
  function focus([i, j]) {
    const row = Math.min(Math.max(i, 0), rows() - 1), last = shown.causal ? row : columns() - 1;
    const column = Math.min(Math.max(j, 0), last), value = shown.data[row * columns() + column];
    cell = [row, column];
    readout.dataset.row = String(row);
    readout.dataset.column = String(column);
    show(readout, value, describe(row, column, value));
    draw();
  }

  /** @type {Map<string, string>} */
  const inks = new Map();
  /**
   * A colour of the theme, kept until it may have changed: to ask for it has the page compute its styles.
   * @param {string} name
   */
  function ink(name) {
    const found = inks.get(name) ?? getComputedStyle(element).getPropertyValue(name);
    inks.set(name, found);
    return found;
  }

  /** Draw in the colours and the width that there are now. */
  function anew() {
    inks.clear();
    width = box.clientWidth;
    draw();
  }

  function draw() {
    if (!pen || !dots || !rows()) return;
    const size = Math.max(120, Math.min(width || 300, 520)), ratio = window.devicePixelRatio || 1;
    const margin = 14, unit = (size - margin) / Math.max(rows(), columns());
    const across = wide ? Math.min((size - margin) / columns(), WIDER * unit) : unit;
    const height = Math.ceil(margin + unit * rows()) + 2;
    layout = { margin, unit, across };
    canvas.width = Math.round(size * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.width = `${size}px`;
    canvas.style.height = `${height}px`;
    const palette = colours(Boolean(shown.diverging));
    pen.scale(ratio, ratio);
    const low = shown.low ?? 0, high = shown.high ?? 1;
    pen.fillStyle = ink("--mb-masked");
    pen.fillRect(margin, margin, across * columns(), unit * rows());
    small.width = columns();
    small.height = rows();
    const picture = dots.createImageData(columns(), rows()), pixels = new Uint32Array(picture.data.buffer);
    for (let i = 0; i < rows(); i++) {
      const last = shown.causal ? i + 1 : columns();
      for (let j = 0; j < last; j++) {
        const part = (shown.data[i * columns() + j] - low) / (high - low || 1);
        pixels[i * columns() + j] = palette[Math.min(255, Math.max(0, Math.round(part * 255)))];
      }
    }
    dots.putImageData(picture, 0, 0);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(small, margin, margin, across * columns(), unit * rows());
    pen.lineWidth = Math.min(2, Math.max(1, unit / 6));
    pen.strokeStyle = ink(shown.frameRole ? `--mb-${shown.frameRole}` : "color");
    pen.setLineDash(shown.solid ? [] : [3, 2]);
    for (const [i, j] of shown.frames ?? []) pen.strokeRect(margin + j * across + 0.5, margin + i * unit + 0.5, across - 1, unit - 1);
    pen.setLineDash([]);
    labels(pen, ink("color"));
    if (cell) {
      pen.lineWidth = 2;
      pen.strokeStyle = ink("--mb-focus");
      pen.strokeRect(margin + cell[1] * across - 1, margin + cell[0] * unit - 1, across + 2, unit + 2);
    }
  }

  /**
   * Every label that fits: each, or every second, third, ...
   * @param {CanvasRenderingContext2D} pen
   * @param {string} colour
   */
  function labels(pen, colour) {
    const { margin, unit, across } = layout;
    const font = Math.max(8, Math.min(12, unit * 0.9)), every = Math.ceil((font * 0.95) / unit), beside = Math.ceil((font * 0.95) / across);
    pen.fillStyle = colour;
    pen.font = `${font}px ui-monospace, monospace`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    // Side by side a label needs its width, one above the other its height.
    const widest = Math.max(...shown.columns.map((label) => label.length)), skip = Math.max(beside, Math.ceil((font * 0.72 * widest) / across));
    for (let j = 0; j < columns(); j += widest > 1 ? skip : beside) pen.fillText(glyph(shown.columns[j]), margin + (j + 0.5) * across, margin / 2, across * Math.max(skip, beside));
    for (let i = 0; i < rows(); i += every) pen.fillText(glyph(shown.rows[i]), margin / 2, margin + (i + 0.5) * unit, margin);
  }

  /** @param {PointerEvent} event */
  function pointed(event) {
    if (!rows()) return;
    const { left, top } = canvas.getBoundingClientRect();
    const at = (/** @type {number} */ pixels, /** @type {number} */ unit) => Math.floor((pixels - layout.margin) / unit);
    const i = at(event.clientY - top, layout.unit), j = at(event.clientX - left, layout.across);
    if (i >= 0 && j >= 0 && i < rows() && j < columns()) focus([i, j]);
  }

  box.addEventListener("keydown", (event) => {
    if (!rows() || event.altKey || event.ctrlKey || event.metaKey) return;
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
  const watcher = new ResizeObserver(anew);
  watcher.observe(box);

  return {
    element,
    draw: anew,
    /**
     * Whether screen readers hear of a cell that changes: not while a training changes it all the time.
     * @param {boolean} live
     */
    speaks: (live) => readout.setAttribute("aria-live", live ? "polite" : "off"),
    /** @param {Shown} next */
    update(next) {
      shown = next;
      // A sequence that changed length takes the cell back to the last query.
      focus(cell && cell[0] < rows() && !next.home ? cell : next.home ?? [rows() - 1, 0]);
    },
    stop: () => watcher.disconnect(),
  };
}
