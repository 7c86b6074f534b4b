// @ts-check
// Widget 4a: how much of F_2's input weight is kept, against what the model predicts.
import { roles } from "../../widgets/book.js";
import { bars, plot } from "../../widgets/charts.js";
import { expose, frame, glyph, panels, remark, sentence } from "../../widgets/kit.js";
import * as parts from "../../widgets/parts.js";
import { atTheEnd } from "../../widgets/runs.js";
import { stateOf } from "../../widgets/state.js";
import { MARKS, history, last, open, reading, roleOf, spoken } from "./noise.js";

/** @typedef {import("./noise.js").Run} Run */
/**
 * A sequence at one rho: the rank that is kept of d, and the probabilities of all tokens, of the noise, of the answer.
 * @typedef {{ rank: number, probabilities: Float32Array, noisy: number, sure: number }} Cut
 */

const SHOWN = 6;
/**
 * @param {number} rho
 * @param {number} d
 */
const rankOf = (rho, d) => Math.floor(rho * d + 1e-9);

/**
 * @param {Run} run
 * @param {number} rho
 * @param {import("./noise.js").Seen} seen
 * @param {Cut} now
 * @param {Cut} full
 */
function words(run, rho, seen, { rank, sure, noisy }, full) {
  const d = full.rank;
  const kept = rank === d ? "The full model" : rank === 0 ? "F₂ is dropped (ρ = 0)" : `ρ = ${rho}: ${rank} of ${d} singular values of F₂'s input weight are kept`;
  const before = rank === d ? "" : ` (${full.noisy.toFixed(2)} in the full model)`;
  const after = `the noise has probability ${noisy.toFixed(2)}${before}`;
  if (seen.answer < 0) return `${kept}. ${history(run, seen)}: there is nothing to copy, and ${after}.`;
  const compared = rank === d ? "" : ` (${full.sure.toFixed(2)})`;
  return `${kept}. ${history(run, seen)}. Now ${after}, and the correct token, ${spoken(run.characters[seen.answer])}, ${sure.toFixed(2)}${compared}.`;
}

/** @type {import("../../widgets/kit.js").Widget} */
export const truncation = async ({ model, el }) => {
  const run = await open(model), name = model.get("name"), root = frame(el, { name, title: run.titles.truncation });
  const { step, seq: first } = atTheEnd(run), w = run.weights(step), d = w.S.shape[0], sizes = [...w.S.data];
  /**
   * The sequence at every rho, from one pass through all that comes before F_2.
   * @param {string} seq
   */
  const sweep = (seq) => {
    const seen = run.read(seq, step), { predict } = last(w, seen.seen), /** @type {Map<number, Cut>} */ ranks = new Map();
    const cuts = run.rhos.map((rho) => {
      const rank = rankOf(rho, d), known = ranks.get(rank);
      if (known) return known;
      const probabilities = predict(rank);
      const cut = { rank, probabilities, noisy: probabilities[run.noise], sure: seen.answer < 0 ? NaN : probabilities[seen.answer] };
      ranks.set(rank, cut);
      return cut;
    });
    return { seen, cuts };
  };
  /** @type {ReturnType<typeof sweep> | null} */
  let swept = null;
  const prediction = bars({ title: "The next character" }), says = sentence();
  const chart = plot({ title: "Probabilities on this sequence", xName: "ρ, fraction of the rank that is kept" });
  const spectrum = plot({ title: "Singular values of F₂'s input weight", xName: "number i of the singular value" });

  const state = stateOf({
    name, root, start: { rho: 1, seq: first },
    parts: {
      rho: parts.slider({ label: "ρ, kept of F₂'s rank", values: run.rhos, words: (rho) => `${rho} (${rankOf(rho, d)} of ${d})`, wide: true }),
      seq: reading(run),
    },
    presets: { label: "Cuts", options: [["Full model", { rho: 1 }], ["ρ = 0.05", { rho: 0.05 }], ["F₂ dropped", { rho: 0 }]] },
    draw({ rho, seq }, moved) {
      if (!swept || moved.has("seq")) swept = sweep(seq);
      const { seen, cuts } = swept, now = cuts[run.rhos.indexOf(rho)], { probabilities, rank } = now;
      const order = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
      prediction.update(order.slice(0, SHOWN).map((token) => {
        const role = roleOf(run, seen, token);
        return { label: glyph(run.characters[token]), value: probabilities[token], role, mark: MARKS[role] };
      }));
      /**
       * @param {"sure" | "noisy"} key
       * @returns {import("../../widgets/charts.js").Point[]}
       */
      const line = (key) => cuts.map((cut, i) => [run.rhos[i], cut[key]]);
      chart.update({
        x: [0, 1], y: [0, 1], cursor: rho,
        series: [
          { name: "P(correct)", ...roles.correct, points: line("sure"), value: now.sure },
          { name: "P(noise)", ...roles.noise, points: line("noisy"), value: now.noisy },
        ].slice(seen.answer < 0 ? 1 : 0),
      });
      const /** @type {import("../../widgets/charts.js").Point[]} */ numbered = sizes.map((size, i) => [i + 1, size]);
      spectrum.update({
        x: [0, d + 1], y: [0, 1.05 * sizes[0]], cursor: rank + 0.5,
        series: [
          { name: "kept", colour: roles.W_F.colour, dots: true, points: numbered.slice(0, rank) },
          { name: "cut", colour: "var(--mb-quiet)", dashes: [2, 2], points: numbered.slice(rank) },
        ],
      });
      says.say(words(run, rho, seen, now, cuts[cuts.length - 1]));
      expose(root, { rho, rank, noise: now.noisy, correct: now.sure });
    },
  });
  root.append(
    state.presets, state.controls(), says.element, panels(prediction, chart, spectrum),
    remark(`The trained model, after step ${step}. Correct is what followed earlier copies of the last character most often, the noise apart.`),
    state.link,
  );
  return state.live();
};
