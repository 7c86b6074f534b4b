// @ts-check
// Widget 3a and its small version: a run computed in the page, on a sequence of the reader's.
import { roles } from "../../widgets/book.js";
import { bars, lines } from "../../widgets/charts.js";
import { heatMap } from "../../widgets/heatmap.js";
import { expose, frame, glyph, h, panels, percent, remark, sentence, spoken } from "../../widgets/kit.js";
import * as parts from "../../widgets/parts.js";
import { atTheEnd, fromLine, open, toLine } from "../../widgets/runs.js";
import { stateOf } from "../../widgets/state.js";
import { softmax } from "../../widgets/tensors.js";

/**
 * @typedef {import("../../widgets/runs.js").Settings & {
 *   title: string, probes: { x: number[], series: { name: string, role: string, values: number[] }[] },
 * }} Settings
 */
/** @typedef {Settings & import("../../widgets/runs.js").Run} Run */
/** @typedef {{ step: number, seq: string }} State */
/** @typedef {ReturnType<typeof look>} Seen */

const SHOWN = 8;

/**
 * What one forward pass says of the last character.
 * @param {Run} run
 * @param {State} state
 */
function look(run, { step, seq }) {
  const z = run.encode(seq), last = z.length - 1, { logits, attention, N, T } = run.model(step).forward(z);
  const probabilities = softmax(logits, last * N, N);
  const order = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
  const after = [];
  for (let s = 1; s <= last; s++) if (z[s - 1] === z[last]) after.push(s);
  const copied = after.reduce((sum, s) => sum + attention[1][last * T + s], 0);
  let previous = 0;
  for (let q = 1; q < T; q++) previous += attention[0][q * T + q - 1] / (T - 1);
  return { z, last, T, attention, probabilities, order, after, copied, previous, followed: new Set(after.map((s) => z[s])) };
}

/**
 * The most probable characters, and which of them followed the last one earlier.
 * @param {Run} run
 * @param {Seen} seen
 * @param {number} count
 */
const likeliest = (run, seen, count) => seen.order.slice(0, count).map((token) => ({
  label: glyph(run.characters[token]),
  value: seen.probabilities[token],
  role: seen.followed.has(token) ? "correct" : "predicted",
  mark: seen.followed.has(token) ? "seen after it" : "",
}));

/**
 * The sentence of 3a.
 * @param {Run} run
 * @param {number} step
 * @param {Seen} seen
 */
function words(run, step, seen) {
  const { z, last, after, copied, previous, order, probabilities, followed } = seen;
  const name = (/** @type {number} */ token) => spoken(run.characters[token]);
  const guess = `it predicts ${name(order[0])} with probability ${probabilities[order[0]].toFixed(2)}`;
  const first = last > 0 ? ` On average over the sequence, layer 1 puts ${percent(previous)} of its attention on the previous character.` : "";
  if (after.length === 0) {
    return `Step ${step}.${first} The last character, ${name(z[last])}, has not been here before, so there is nothing to copy; ${guess}.`;
  }
  const state = copied < 0.25 ? "does not work yet" : copied < 0.75 ? "is forming" : "is at work";
  const right = followed.has(order[0]) ? "what it has seen after it" : "not what it has seen after it";
  return `Step ${step}.${first} For the last character, ${name(z[last])}, the induction head ${state}: layer 2 puts ` +
    `${percent(copied)} of its attention on what followed it earlier. So ${guess}: ${right}.`;
}

/**
 * The state of 3a and, without a choice of sequences, of its small version.
 * @param {Run} run
 * @param {{ name: string, root: HTMLElement, offers: [string, string][], draw: (values: State, moved: Set<string>) => void }} how
 */
const stateOfRun = (run, { name, root, offers, draw }) => stateOf({
  name, root, draw, start: atTheEnd(run), notice: false,
  parts: {
    step: parts.slider({ label: "Training step", values: run.steps, near: true }),
    seq: parts.sequence({ offers, check: run.check, toLine, fromLine, hint: `At most ${run.T} characters; ↵ is a line break.` }),
  },
  presets: { label: "Moments of training", options: run.presets.map(([step, moment]) => [moment, { step }]) },
});

/** @type {import("../../widgets/kit.js").Widget} */
export const induction = async ({ model, el }) => {
  const /** @type {Run} */ run = await open(model), name = model.get("name"), root = frame(el, { name, title: run.title });
  let characters = [""];
  const at = (/** @type {number} */ t) => `${spoken(characters[t])} (${t + 1})`;
  const maps = [1, 2].map((layer) => heatMap({
    title: `Attention of layer ${layer}`, rowName: "the character that looks", columnName: "the one it looks at",
    describe: (q, s, value) => `${at(q)} looks at ${at(s)}: ${value.toFixed(3)}`,
  }));
  const prediction = bars({ title: "The next character" }), says = sentence();
  const probes = lines({ title: "Memories stored (recall), and accuracy", xName: "training step", ...run.probes });
  const state = stateOfRun(run, {
    name, root, offers: run.sequences,
    draw(values, moved) {
      const seen = look(run, values), { last, T, z } = seen;
      characters = [...values.seq];
      maps.forEach((map, index) => {
        const data = seen.attention[index], /** @type {import("../../widgets/heatmap.js").Cell[]} */ frames = [];
        if (index === 1) for (let q = 1; q <= last; q++) for (let s = 1; s <= q; s++) if (z[s - 1] === z[q]) frames.push([q, s]);
        map.update({
          rows: characters, columns: characters, data, causal: true, frames, frameRole: "W_K2",
          home: moved.has("seq") ? [last, strongest(data, last, T)] : null,
        });
      });
      prediction.update(likeliest(run, seen, SHOWN));
      probes.update(values.step);
      says.say(words(run, values.step, seen));
      expose(root, { step: values.step, copied: seen.copied, previous: seen.previous });
    },
  });
  root.append(
    state.presets, state.controls(), says.element, panels(...maps, prediction, probes),
    remark("Dashed frames in layer 2: where an induction head looks, right after earlier copies of the same character."),
    state.link,
  );
  return state.live(...maps);
};

/**
 * Where row q of a causal map is largest.
 * @param {ArrayLike<number>} map
 * @param {number} q
 * @param {number} T
 */
function strongest(map, q, T) {
  let best = 0;
  for (let s = 1; s <= q; s++) if (map[q * T + s] > map[q * T + best]) best = s;
  return best;
}

/** @type {import("../../widgets/kit.js").Widget} */
export const induction_small = async ({ model, el }) => {
  const /** @type {Run} */ run = await open(model), name = model.get("name"), root = frame(el, { name, title: run.title });
  const strip = h("ol", { class: "mb-strip", "aria-label": "What the last character looks at" });
  const prediction = bars({ title: "The next character" }), says = sentence();
  const state = stateOfRun(run, {
    name, root, offers: [],
    draw(values) {
      const seen = look(run, values);
      strip.replaceChildren(...[...values.seq].map((character, s) => {
        const mass = seen.attention[1][seen.last * seen.T + s], fill = h("span", { class: "mb-mass", "aria-hidden": "true" });
        fill.style.width = `${100 * mass}%`;
        fill.style.background = roles.W_K2.colour;
        const item = h("li", { class: "mb-token", "aria-label": `${spoken(character)}: ${percent(mass)}` }, glyph(character), fill);
        item.classList.toggle("mb-last", s === seen.last);
        expose(item, { value: mass });
        return item;
      }));
      prediction.update(likeliest(run, seen, 4));
      says.say(words(run, values.step, seen));
      expose(root, { step: values.step });
    },
  });
  root.append(
    state.presets, state.controls("seq"),
    remark("How far a bar reaches under a character is how much the last one looks at it (layer 2)."),
    strip, prediction.element, says.element, state.link,
  );
  return state.live();
};
