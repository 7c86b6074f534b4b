// The model of noisy recall and what widgets 4a and 4b share: mechbook.noise.
import * as engine from "../../widgets/engine.js";
import * as kit from "../../widgets/kit.js";
import { h } from "../../widgets/kit.js";
import * as runs from "../../widgets/runs.js";

export const NOISE = "τ";
// A space at the end of a line is not seen: the model's trigger has a sign here.
const toLine = (text) => runs.toLine(text).replaceAll(" ", "␣");
export const spoken = (character) => (character === NOISE ? "the noise τ" : kit.spoken(character));
export const percent = (part) => `${Math.round(100 * part)}%`;

const relu = (x) => { for (let i = 0; i < x.length; i++) x[i] = Math.max(0, x[i]); return x; };

/** Layer by layer as mechbook/noisy/model.py with F_1 an MLP: attention of both layers, and the stream before layer 2. */
function attention(w, tokens) {
  const d = w.W_E.shape[1], T = tokens.length, x = engine.embed(tokens, w.W_E, w.P), maps = [];
  const look = (W) => maps.push(engine.attend(x, apply(x, T, W), T, d));
  look(w.W_KQ1);
  add(x, engine.mix(maps[0], apply(x, T, w.W_V1), T, d));
  add(x, apply(relu(apply(x, T, w["F1.W_in"])), T, w["F1.W_out"]));
  look(w.W_KQ2);
  return { T, maps, x };
}

const apply = (x, n, { shape: [rows, columns], data }) => engine.apply(x, n, columns, data, rows);
const add = (x, more) => { for (let i = 0; i < x.length; i++) x[i] += more[i]; };

/** After the last token: `predict(rank)` gives the probabilities where F_2's W_in = U S V^T keeps its first `rank` terms. */
export function last(w, { T, maps, x }) {
  const d = w.W_E.shape[1], mixed = new Float32Array(d), y = x.slice((T - 1) * d);
  for (let s = 0; s < T; s++) for (let p = 0; p < d; p++) mixed[p] += maps[1][(T - 1) * T + s] * x[s * d + p];
  add(y, apply(mixed, 1, w.W_V2));
  const along = apply(y, 1, engine.transpose(w.V));
  for (let i = 0; i < along.length; i++) along[i] *= w.S.data[i];
  return {
    predict(rank) {
      const hidden = relu(apply(along.map((value, i) => (i < rank ? value : 0)), 1, w.U));
      const out = y.slice();
      add(out, apply(hidden, 1, w["F2.W_out"]));
      return engine.softmax(apply(out, 1, w.W_U));
    },
  };
}

/** The run, with weights by step and what may be typed. */
export async function open(model) {
  const run = await runs.open(model), tensors = await kit.weightsOf(model);
  const weights = (step) => {
    const own = Object.entries(tensors).filter(([name]) => name.startsWith(`${step}/`));
    return { ...tensors, ...Object.fromEntries(own.map(([name, values]) => [name.slice(`${step}/`.length), values])) };
  };
  const noise = run.characters.indexOf(NOISE);
  return { ...run, weights, noise, read: (text, step) => look(run.encode(text), weights(step), noise) };
}

/**
 * The last token's question: which positions follow an earlier copy of it, and the answer there, the token that does so
 * most often, the noise apart (of several the latest; -1 for none).
 */
function look(z, w, noise) {
  const seen = attention(w, z), end = z.length - 1, mass = seen.maps[1].subarray(end * z.length);
  const after = [], counts = new Map();
  for (let s = 1; s <= end; s++) {
    if (z[s - 1] !== z[end]) continue;
    after.push(s);
    counts.set(z[s], (counts.get(z[s]) ?? 0) + 1);
  }
  let answer = -1;
  for (const s of after) if (z[s] !== noise && (answer < 0 || counts.get(z[s]) >= counts.get(answer))) answer = z[s];
  const on = (token) => after.reduce((sum, s) => sum + (z[s] === token ? mass[s] : 0), 0);
  return { z, end, mass, after, counts, answer, on, seen };
}

/** What followed the last token earlier, in words. */
export function history(run, { z, end, counts }) {
  const times = (n) => (n === 1 ? "once" : n === 2 ? "twice" : `${n} times`);
  const name = (token) => spoken(run.characters[token]);
  const followed = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 3).map(([token, n]) => `${times(n)} by ${name(token)}`);
  const rest = counts.size > 3 ? " and others" : "";
  return counts.size === 0
    ? `The last character, ${name(z[end])}, has not been followed by anything here`
    : `The last character, ${name(z[end])}, was followed earlier ${followed.join(", ")}${rest}`;
}

/** The controls of the sequence on a state {text}: a choice, a line of text, a button that inserts the noise. */
export function sequence(run, state, changed) {
  const choice = kit.select({
    label: "Sequence", value: "0", options: [...run.sequences.map(([name], i) => [String(i), name]), ["own", "your own"]],
    change: (key) => {
      if (key === "own") return;
      state.text = run.sequences[Number(key)][1];
      synchronise();
      changed();
    },
  });
  const text = kit.textInput({
    label: "The model reads", value: toLine(state.text), check: run.check,
    hint: `At most ${run.T} characters; ↵ is a line break, ␣ a space, τ the noise.`,
    input: (line) => { state.text = runs.fromLine(line); choice.set("own"); changed(); },
  });
  const box = text.element.querySelector("input");
  const insert = h("button", {
    type: "button",
    click: () => {
      box.setRangeText(NOISE, box.selectionStart, box.selectionEnd, "end");
      box.dispatchEvent(new Event("input"));
      box.focus();
    },
  }, "Insert τ");
  const button = h("div", { class: "mb-control" }, h("span", { class: "mb-label" }, "The noise"), insert);
  function synchronise() {
    text.set(toLine(state.text));
    const index = run.sequences.findIndex(([, known]) => known === state.text);
    choice.set(index < 0 ? "own" : String(index));
  }
  synchronise();
  return { elements: [choice.element, button, text.element], text, synchronise };
}

/** Of an address: the values of `allowed`, then the sequence; returns words on what was left out, or null. */
export function take(run, state, found, allowed) {
  const { taken, problem } = kit.allowedValues(found, allowed), left = problem ? [problem] : [];
  Object.assign(state, taken);
  if (found.seq !== undefined) {
    const wrong = run.check(found.seq);
    if (wrong) left.push(`The link's sequence was left out: ${wrong}`);
    else state.text = runs.fromLine(found.seq);
  }
  return left.length ? left.join(" ") : null;
}
