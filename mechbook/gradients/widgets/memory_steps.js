// @ts-check
// Widget 2b: step after step on one memory, along the gradient or along its polar factor.
import { curves } from "../../widgets/curves.js";
import { heatMap } from "../../widgets/heatmap.js";
import { expose, format, frame, h, panels, percent, range, remark, write } from "../../widgets/kit.js";
import * as parts from "../../widgets/parts.js";
import { stateOf } from "../../widgets/state.js";
import { actsOf } from "../../widgets/training/acts.js";
import { beginnings, buttonsOf, seed, settings, speed } from "../../widgets/training/buttons.js";
import { player, remembered } from "../../widgets/training/player.js";
import { progress, tellerOf } from "../../widgets/training/teller.js";

/** @typedef {import("../../widgets/training/worker.js").View} View */
/** @typedef {import("../../widgets/training/stepping.js").Point} Point */
/**
 * N pairs; the choices of dimension, exponent and step size; `rates` is where each way starts.
 * @typedef {{ title: string, N: number, steps: number, dimensions: number[], exponents: number[], sizes: number[], rates: Record<string, number> }} Settings
 */
/** @typedef {{ way: "gradient" | "polar", d: number, a: number, lr: number, seed: number, pace: string }} State */

/** @type {import("../../widgets/curves.js").Line[]} */
const LINES = [
  { key: "stored", name: "pairs stored" },
  { key: "answered", name: "right answers", role: "correct" },
];
const EVENTS = [
  { key: "stored", level: 0.5, words: "half of the pairs are stored" },
  { key: "stored", level: 0.9, words: "nine tenths of the pairs are stored" },
  { key: "answered", level: 0.9, words: "nine tenths of the answers are right, each pair counted as often as it is asked for" },
];
const WATCH = 5;

/** @type {import("../../widgets/kit.js").Widget} */
export const memory_steps = async ({ model, el }) => {
  const /** @type {Settings} */ { title, N, steps, dimensions, exponents, sizes, rates } = model.get("settings");
  const name = model.get("name"), root = frame(el, { name, title });
  const before = remembered(name);
  const /** @type {State} */ start = { way: "gradient", d: 32, a: 1, lr: rates.gradient, seed: 0, pace: "watch", .../** @type {any} */ (before?.values ?? {}) };
  const where = h("p", { class: "mb-axes" }), acts = actsOf(before?.values.acts);
  const tell = tellerOf({
    events: EVENTS, rate: "step size", begin: `W = 0, and nothing is stored. Pair i is drawn with a probability in proportion to 1/i^a. Take one step, or play.`,
    patient: () => state.values.pace === "watch",
    made: (step, last) => `After step ${step} ${percent(last.stored)} of the pairs are stored, and ${percent(last.answered)} of the answers are right.`,
    ended: (step, last, how) => `After ${step} steps${how} ${percent(last.stored)} of the pairs are stored, and ${percent(last.answered)} of the answers are right.`,
  });
  const chart = curves({ title: "Along the steps", lines: LINES, dated: true, earlierIs: "Faint: the run before." });
  const table = heatMap({
    title: "Logits v_k · W u_i", rowName: "the output k", columnName: "the input i, the frequent ones left",
    describe: (k, i, value) => `pair ${i + 1}, output ${k + 1}: ${format(value)}${k === i ? " (the right one)" : ""}`,
  });
  /** @type {View | null} */
  let view = null;
  /** @type {Point[] | null} */
  let earlier = null;
  const begunWith = (/** @type {State} */ { way, d, a, seed }) => JSON.stringify([way, d, a, seed]);
  let begun = begunWith(start), rate = start.lr, way = start.way;

  const state = stateOf({
    name, root, start, followed: Boolean(before),
    parts: {
      way: parts.choice({ wide: true, label: "A step goes along", options: [["gradient", "the gradient"], ["polar", "its polar factor (Muon’s limit)"]] }),
      d: parts.slider({ label: "Dimension d", values: dimensions }),
      a: parts.slider({ label: "Exponent a", values: exponents }),
      pace: speed(),
      // as chapter 2 calls it: a step along the polar factor has a length, and learns at no rate
      lr: parts.slider({ label: "Step size", values: sizes }),
      seed: seed(),
    },
    settle(values) {
      // a step along the polar factor has another length: each way starts with a size that suits it
      if (values.way !== way && values.lr === rates[way]) values.lr = rates[values.way];
      way = values.way;
    },
    draw(values, moved) {
      if (begunWith(values) !== begun) anew();
      else if (values.lr !== rate) {
        acts.did(view, "lr", `step size ${values.lr}`);
        run.change({ lr: rate = values.lr });
      }
      if (moved.has("pace") && run.playing) run.go();
    },
  });

  function anew() {
    if (view && view.step > 0) earlier = view.points;
    [begun, rate] = [begunWith(state.values), state.values.lr];
    buttons.begin();
  }

  /** @param {View} next */
  function shown(next) {
    view = next;
    const { step, latest, seen: { table: data } } = next, points = latest ? [...next.points, latest] : next.points, labels = range(N).map((i) => String(i + 1));
    if (step === 0) acts.begin();
    buttons.show(next);
    chart.update({ last: steps, points, earlier: earlier ? [earlier] : [], range: null, marks: acts.steps() });
    let reach = 0;
    for (const value of data) reach = Math.max(reach, Math.abs(value));
    table.speaks(!run.playing);
    table.update({ rows: labels, columns: labels, data, diverging: true, low: -(reach || 1), high: reach || 1, frameRole: "correct" });
    write(where, progress(next, steps, next.playing));
    run.rest(tell.view(next, run, state.values.lr, acts.told()));
    expose(root, { step, playing: run.playing, done: next.done, diverged: next.diverged, stored: points.at(-1)?.stored ?? 0 });
  }

  const run = player({
    name, root, kind: "memory", shown, kept: before?.kept, pace: () => (state.values.pace === "watch" ? WATCH : 0), values: () => ({ ...state.values, acts: acts.keep() }), query: () => null,
    settings: () => ({ N, steps, every: 1, ...state.values }),
  });
  const buttons = buttonsOf({ run, tell, anew, state });
  root.append(
    buttons.element, settings(state, "pace", "lr"),
    panels({ element: h("div", {}, tell.element, chart.element, where, beginnings(state, "way", "d", "a", "seed")) }, { element: h("div", {}, table.element, remark("Orange is positive, purple negative: the right ones lie on the diagonal.")) }), state.link,
  );
  const stop = state.live(table);
  return () => { run.stop(); stop(); };
};
