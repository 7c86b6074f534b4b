// @ts-check
// The model of noisy recall and what widgets 4a and 4b share.
import { attend, embed, mix } from "../../widgets/engine.js";
import { spoken as usual } from "../../widgets/kit.js";
import { sequence } from "../../widgets/parts.js";
import * as runs from "../../widgets/runs.js";
import { apply as product, softmax, transpose } from "../../widgets/tensors.js";

/** @typedef {import("../../widgets/tensors.js").Tensor} Tensor */
/** @typedef {import("../../widgets/tensors.js").Tensors} Tensors */
/**
 * @typedef {import("../../widgets/runs.js").Settings & {
 *   titles: { truncation: string, attention: string }, rhos: number[],
 *   recorded: { x: number[], series: { name: string, role: string, values: number[] }[] },
 * }} Settings
 */
/** @typedef {Settings & import("../../widgets/runs.js").Run & { noise: number, read(seq: string, step: number): Seen }} Run */
/** @typedef {ReturnType<typeof attention>} Pass */
/** @typedef {ReturnType<typeof look>} Seen */

const NOISE = "τ";

/**
 * A character in a sentence.
 * @param {string} character
 */
export const spoken = (character) => (character === NOISE ? "the noise τ" : usual(character));

/** @param {Float32Array<ArrayBuffer>} x */
const relu = (x) => { for (let i = 0; i < x.length; i++) x[i] = Math.max(0, x[i]); return x; };

/**
 * W x for each of n rows x.
 * @param {Float32Array<ArrayBuffer>} x
 * @param {number} n
 * @param {Tensor} W
 */
const apply = (x, n, { shape: [rows, columns], data }) => product(x, n, columns, data, rows);

/**
 * @param {Float32Array} x
 * @param {Float32Array} more
 */
const add = (x, more) => { for (let i = 0; i < x.length; i++) x[i] += more[i]; };

/**
 * Layer by layer as mechbook/noisy/model.py with F_1 an MLP: attention of both layers, and the stream before layer 2.
 * @param {Tensors} w
 * @param {number[]} tokens
 */
function attention(w, tokens) {
  const d = w.W_E.shape[1], T = tokens.length, x = embed(tokens, w.W_E, w.P);
  const first = attend(x, apply(x, T, w.W_KQ1), T, d);
  add(x, mix(first, apply(x, T, w.W_V1), T, d));
  add(x, apply(relu(apply(x, T, w["F1.W_in"])), T, w["F1.W_out"]));
  return { T, x, maps: [first, attend(x, apply(x, T, w.W_KQ2), T, d)] };
}

/**
 * After the last token: `predict(rank)` gives the probabilities where F_2's W_in = U S V^T keeps its first `rank` terms.
 * @param {Tensors} w
 * @param {Pass} pass
 */
export function last(w, { T, maps, x }) {
  const d = w.W_E.shape[1], mixed = new Float32Array(d), y = x.slice((T - 1) * d);
  for (let s = 0; s < T; s++) for (let p = 0; p < d; p++) mixed[p] += maps[1][(T - 1) * T + s] * x[s * d + p];
  add(y, apply(mixed, 1, w.W_V2));
  const along = apply(y, 1, transpose(w.V));
  for (let i = 0; i < along.length; i++) along[i] *= w.S.data[i];
  return {
    /** @param {number} rank */
    predict(rank) {
      const hidden = relu(apply(along.map((value, i) => (i < rank ? value : 0)), 1, w.U));
      const out = y.slice();
      add(out, apply(hidden, 1, w["F2.W_out"]));
      return softmax(apply(out, 1, w.W_U));
    },
  };
}

/**
 * The run of a widget.
 * @param {import("../../widgets/kit.js").Model} model
 * @returns {Promise<Run>}
 */
export async function open(model) {
  const /** @type {Settings & runs.Run} */ run = await runs.open(model), noise = run.characters.indexOf(NOISE);
  return { ...run, noise, read: (seq, step) => look(run.encode(seq), run.weights(step), noise) };
}

/**
 * The last token's question: which positions follow an earlier copy of it, and the answer there, the token that does so
 * most often, the noise apart (of several the latest; -1 for none).
 * @param {number[]} z
 * @param {Tensors} w
 * @param {number} noise
 */
function look(z, w, noise) {
  const seen = attention(w, z), end = z.length - 1, mass = seen.maps[1].subarray(end * z.length);
  const /** @type {number[]} */ after = [], /** @type {Map<number, number>} */ counts = new Map();
  const times = (/** @type {number} */ token) => counts.get(token) ?? 0;
  for (let s = 1; s <= end; s++) {
    if (z[s - 1] !== z[end]) continue;
    after.push(s);
    counts.set(z[s], times(z[s]) + 1);
  }
  let answer = -1;
  for (const s of after) if (z[s] !== noise && (answer < 0 || times(z[s]) >= times(answer))) answer = z[s];
  const on = (/** @type {number} */ token) => after.reduce((sum, s) => sum + (z[s] === token ? mass[s] : 0), 0);
  return { z, end, mass, after, counts, answer, on, seen };
}

/**
 * What followed the last token earlier, in words.
 * @param {Run} run
 * @param {Seen} seen
 */
export function history(run, { z, end, counts }) {
  const times = (/** @type {number} */ n) => (n === 1 ? "once" : n === 2 ? "twice" : `${n} times`);
  const name = (/** @type {number} */ token) => spoken(run.characters[token]);
  const followed = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 3).map(([token, n]) => `${times(n)} by ${name(token)}`);
  const rest = counts.size > 3 ? " and others" : "";
  return counts.size === 0
    ? `The last character, ${name(z[end])}, has not been followed by anything here`
    : `The last character, ${name(z[end])}, was followed earlier ${followed.join(", ")}${rest}`;
}

/**
 * The role of a token beside others: the noise, the answer, or neither; and the mark of its bar.
 * @param {Run} run
 * @param {Seen} seen
 * @param {number} token
 */
export const roleOf = (run, { answer }, token) => (token === run.noise ? "noise" : token === answer ? "correct" : "predicted");
/** @type {Record<string, string>} */
export const MARKS = { noise: "noise", correct: "correct", predicted: "" };

/**
 * The part of a state that is the sequence, with a button that inserts the noise.
 * @param {Run} run
 */
export const reading = (run) => sequence({
  offers: run.sequences, check: run.check, fromLine: runs.fromLine, insert: { label: "The noise", text: NOISE, most: run.T },
  // A space at the end of a line is not seen: the model's trigger has a sign here.
  toLine: (text) => runs.toLine(text).replaceAll(" ", "␣"),
  hint: `At most ${run.T} characters; ↵ is a line break, ␣ a space, τ the noise.`,
});
