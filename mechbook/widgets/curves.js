// @ts-check
// Curves that grow: of a run in the making, over faint ones of earlier runs and the range of others.
import { roles } from "./book.js";
import { canvas, sample } from "./charts.js";
import { fresh, h, show, svg, write } from "./kit.js";

/** @typedef {{ key: string, name: string, role?: string }} Line without a role it is neutral */
/** @typedef {Record<string, number> & { step: number }} Point */
/** @typedef {{ x: number[], low: Record<string, number[]>, high: Record<string, number[]> }} Range */

/** @typedef {[tag: "polygon" | "polyline" | "circle", look: Record<string, string | number>]} Drawn */

/** @param {Line} line */
const lookOf = ({ role }) => (role ? roles[role] : { colour: "var(--mb-text)", dashes: [6, 2, 1, 2] });

/** The levels whose steps a legend keeps. */
const LEVELS = [0.5, 0.9];
/**
 * When a line has reached the levels, in words; what was there at the start, by chance, is not reached.
 * @param {Point[]} points
 * @param {string} key
 */
function dates(points, key) {
  const steps = LEVELS.map((level) => points.find((point) => point.step > 0 && point.due !== 0 && point[key] >= level)?.step);
  return LEVELS.flatMap((level, i) => (steps[i] === undefined ? [] : `${level} at ${steps[i]}`)).join(", ");
}

/**
 * A point at the last step at which every line is at its top.
 * @param {Line[]} lines
 * @param {number} step
 * @returns {Point}
 */
const allReached = (lines, step) => ({ ...Object.fromEntries(lines.map(({ key }) => [key, 1])), step });

/**
 * Lines over training steps, on 0 to 1; the legend carries their last values, and where it is `dated` also the steps at
 * which they reached LEVELS.
 * @param {{ title: string, lines: Line[], earlierIs?: string, rangeIs?: string, dated?: boolean }} what in words what is drawn faint, and shaded
 */
export function curves({ title, lines, earlierIs = "", rangeIs = "", dated = false }) {
  const W = 360, H = 210, left = 30, right = 8, top = 8, bottom = 32, picture = canvas(W, H), clip = fresh("clip");
  const axes = svg("g", {}), inside = svg("g", { "clip-path": `url(#${clip})` });
  picture.append(
    svg("clipPath", { id: clip }, svg("rect", { x: left, y: top - 3, width: W - left - right + 3, height: H - top - bottom + 6 })),
    axes, inside, svg("text", { x: (W + left) / 2, y: H - 3, "text-anchor": "middle" }, "training step"),
  );
  const numbers = lines.map(({ name }) => h("span", { class: "mb-readout", "data-series": name }, "–"));
  // the longest dates lie unseen under those that are there, so that no line of the legend breaks anew
  const reached = lines.map(() => ({ dates: h("span", {}), spare: h("span", { class: "mb-unseen", "aria-hidden": "true" }) }));
  const legend = h("ul", { class: dated ? "mb-legend mb-dated" : "mb-legend" }, ...lines.map((line, i) => h("li", {}, sample(lookOf(line)), ` ${line.name} `, numbers[i], dated ? h("span", { class: "mb-dates" }, reached[i].spare, reached[i].dates) : null)));
  const note = h("p", { class: "mb-axes" });
  let last = 1, drawn = "";
  const px = (/** @type {number} */ step) => left + (step / last) * (W - left - right);
  const py = (/** @type {number} */ v) => H - bottom - v * (H - top - bottom);
  const path = (/** @type {Point[]} */ points, /** @type {string} */ key) => points.map((one) => `${px(one.step)},${py(one[key])}`).join(" ");

  function drawAxes() {
    const grid = [0, 0.5, 1].flatMap((v) => [
      svg("line", { x1: left, x2: W - right, y1: py(v), y2: py(v), class: "mb-grid" }),
      svg("text", { x: left - 4, y: py(v) + 4, "text-anchor": "end" }, String(v)),
    ]);
    const below = [0, last / 2, last].map((v, i) => (
      svg("text", { x: px(v), y: H - bottom + 14, "text-anchor": ["start", "middle", "end"][i] }, String(Math.round(v)))
    ));
    axes.replaceChildren(...grid, ...below);
  }

  /** @type {{ kinds: string, elements: SVGElement[] }} */
  let there = { kinds: "", elements: [] };
  /**
   * What is drawn already is changed, not replaced: see `write`.
   * @param {Drawn[]} wanted
   */
  function draw(wanted) {
    const kinds = wanted.map(([tag, look]) => `${tag} ${look.class}`).join();
    if (kinds !== there.kinds) {
      there = { kinds, elements: wanted.map(([tag, look]) => svg(tag, look)) };
      inside.replaceChildren(...there.elements);
    }
    wanted.forEach(([, look], i) => {
      for (const [name, value] of Object.entries(look)) there.elements[i].setAttribute(name, String(value));
    });
  }

  return {
    element: h("figure", { class: "mb-chart" }, h("figcaption", {}, title), picture, legend, note),
    /**
     * `marks` are steps at which the reader has changed the run.
     * @param {{ last: number, points: Point[], earlier: Point[][], range: Range | null, marks?: number[] }} what
     */
    update(what) {
      const key = String(what.last);
      if (key !== drawn) {
        last = what.last;
        drawn = key;
        drawAxes();
        for (const { spare } of reached) write(spare, dates([allReached(lines, last)], lines[0].key));
      }
      const /** @type {Drawn[]} */ wanted = (what.marks ?? []).map((step) => ["polyline", { points: `${px(step)},${py(0)} ${px(step)},${py(1)}`, class: "mb-act" }]);
      if (what.range) {
        const { x, low, high } = what.range;
        for (const line of lines) {
          const { key: name } = line;
          if (!low[name]) continue;
          const there = x.map((step, i) => `${px(step)},${py(high[name][i])}`), back = x.map((step, i) => `${px(step)},${py(low[name][i])}`).reverse();
          wanted.push(["polygon", { points: [...there, ...back].join(" "), fill: lookOf(line).colour, class: "mb-range" }]);
        }
      }
      for (const run of what.earlier) {
        for (const line of lines) wanted.push(["polyline", { points: path(run, line.key), stroke: lookOf(line).colour, class: "mb-line mb-faint" }]);
      }
      for (const line of lines) {
        const { colour, dashes } = lookOf(line);
        wanted.push(["polyline", { points: path(what.points, line.key), stroke: colour, "stroke-dasharray": dashes.join(" "), class: "mb-line" }]);
      }
      const now = what.points[what.points.length - 1];
      if (now) {
        for (const line of lines) wanted.push(["circle", { cx: px(now.step), cy: py(now[line.key]), r: 3, fill: lookOf(line).colour, class: "mb-dot" }]);
        lines.forEach(({ key: name }, i) => show(numbers[i], now[name]));
      } else {
        for (const number of numbers) { number.textContent = "–"; delete number.dataset.value; }
      }
      if (dated) lines.forEach(({ key: name }, i) => write(reached[i].dates, dates(what.points, name)));
      draw(wanted);
      const words = [what.earlier.length ? earlierIs : "", what.range ? rangeIs : "", what.marks?.length ? "Dotted upright: you changed the run." : ""].filter(Boolean).join(" ");
      if (note.textContent !== words) note.textContent = words;
    },
  };
}
