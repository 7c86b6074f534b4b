// @ts-check
// A training run of linear attention on facts (mechbook/facts/dynamics.py): gradient descent on two tables, what a token
// adds to each logit and how much it counts. Only how often each token occurs matters: subjects, relations, noise, EOS.
import { memoryOf } from "./memory.js";
import { normals, uniforms } from "./random.js";
import { stepping } from "./stepping.js";

/** @typedef {Float32Array<ArrayBuffer>} Floats */
/**
 * S subjects, R relations of D answers each, sequences of T tokens, batches of B; `answers[s][r]` is the true answer, and
 * every entry is at first `init` times 1 + `jitter` N(0, 1).
 * @typedef {{
 *   S: number, R: number, D: number, T: number, noise: number, B: number, answers: number[][], init: number, jitter: number,
 *   lr: number, seed: number, every: number, steps: number,
 * }} Settings
 */
/** @typedef {{ values: Floats, weights: Floats }} Tables (V, A) and (V) */

/** @param {number} n */
const upTo4 = (n) => (n + 3) & ~3;
/** How often each fact is asked in a probe, each time in noise of its own. */
const CONTEXTS = 4;

/**
 * The counts of a sequence that asks for (s, r), into row `at` of c.
 * @param {Settings} settings
 * @param {() => number} uniform
 * @param {Floats} c
 * @param {number} at
 * @param {number} s
 * @param {number} r
 */
function fill({ S, R, T, noise }, uniform, c, at, s, r) {
  const V = S + R + noise + 1;
  c.fill(0, at, at + V);
  for (const token of [s, S + r, V - 1]) c[at + token] += 1;
  for (let t = 3; t < T; t++) c[at + S + R + Math.floor(uniform() * noise)] += 1;
}

/**
 * @param {Uint8Array<ArrayBuffer> | null} code of the kernels
 * @param {Settings} settings
 * @param {Tables} [tables] where they are not drawn from the seed
 */
export function factsOf(code, settings, tables) {
  const { S, R, D, B, noise, answers, seed, init, jitter } = settings, V = S + R + noise + 1, A = R * D;
  const width = upTo4(V), columns = upTo4(A), facts = S * R, probed = facts * CONTEXTS, most = Math.max(B, probed);
  const { f, whole, k, vectors, room } = memoryOf(code, most * (width + columns + 3) + 3 * width * columns + width + most + 256);
  const counts = room(most * width), logits = room(most * columns), targets = room(most), terms = room(2 * most);
  const values = room(width * columns), weights = room(width), weighted = room(width * columns), grad = room(width * columns);
  // softmax over the answers, not over what pads them
  const everyAnswer = room(most);
  whole.fill(A, everyAnswer, everyAnswer + most);
  const begin = uniforms(seed, 0), jittered = (/** @type {number} */ count) => normals(begin, count, jitter).map((x) => init * (1 + x));
  const start = tables ?? { values: jittered(V * A), weights: jittered(V) };
  const put = (/** @type {Floats} */ from) => { for (let z = 0; z < V; z++) f.set(from.subarray(z * A, (z + 1) * A), values + z * columns); };
  put(start.values);
  f.set(start.weights, weights);

  /** The batch of a step. @param {number} step */
  function draw(step) {
    const uniform = uniforms(seed, step + 1);
    for (let b = 0; b < B; b++) {
      const s = Math.floor(uniform() * S), r = Math.floor(uniform() * R);
      fill(settings, uniform, f, counts + b * width, s, r);
      whole[targets + b] = answers[s][r];
    }
  }

  /** The logits of the first n rows of counts. */
  const forward = (/** @type {number} */ n) => {
    for (let z = 0; z < V; z++) for (let a = 0; a < A; a++) f[weighted + z * columns + a] = f[weights + z] * f[values + z * columns + a];
    k.product(counts, width, 1, weighted, columns, logits, columns, n, width, columns, 0, 0);
  };

  /**
   * The gradients of a batch of n whose counts and targets are there.
   * @param {number} n
   */
  function gradients(n) {
    forward(n);
    const right = k.crossEntropy(logits, columns, n, A, targets, 1 / n, terms);
    let loss = 0;
    for (let i = 0; i < n; i++) loss += (Math.log(f[terms + 2 * i]) - f[terms + 2 * i + 1]) / n;
    // counts^T times the gradient of the logits: both tables' gradients are read off it
    k.product(counts, 1, width, logits, columns, grad, columns, width, n, columns, 0, 0);
    return { n, loss, right };
  }

  /** The gradients of both tables. @returns {Tables} */
  function slopes() {
    const out = { values: new Float32Array(V * A), weights: new Float32Array(V) };
    for (let z = 0; z < V; z++) {
      let sum = 0;
      for (let a = 0; a < A; a++) {
        const slope = f[grad + z * columns + a];
        out.values[z * A + a] = f[weights + z] * slope;
        sum += slope * f[values + z * columns + a];
      }
      out.weights[z] = sum;
    }
    return out;
  }

  const held = () => {
    const all = new Float32Array(V * A);
    for (let z = 0; z < V; z++) all.set(f.subarray(values + z * columns, values + z * columns + A), z * A);
    return { values: all, weights: f.slice(weights, weights + V) };
  };

  const run = stepping({
    settings, vectors, chance: Math.log(A),
    gradients(step) {
      draw(step);
      return gradients(B);
    },
    update() {
      const { values: by, weights: of } = slopes(), { lr } = settings;
      for (let z = 0; z < V; z++) {
        f[weights + z] -= lr * of[z];
        for (let a = 0; a < A; a++) f[values + z * columns + a] -= lr * by[z * A + a];
      }
    },
    probes() {
      const uniform = uniforms(seed, 2 ** 31);
      for (let i = 0; i < probed; i++) {
        const s = Math.floor(i / CONTEXTS / R), r = Math.floor(i / CONTEXTS) % R;
        fill(settings, uniform, f, counts + i * width, s, r);
        whole[targets + i] = answers[s][r];
      }
      forward(probed);
      k.softmax(logits, columns, probed, columns, 1, everyAnswer);
      let truth = 0, valid = 0, best = 0;
      for (let i = 0; i < probed; i++) {
        const row = logits + i * columns, target = whole[targets + i], from = row + Math.floor(target / D) * D;
        let mass = 0, others = 0;
        for (let a = 0; a < D; a++) mass += f[from + a];
        for (let a = 0; a < A; a++) if (a !== target) others = Math.max(others, f[row + a]);
        best += Number(f[row + target] > others) / probed;
        truth += Math.log(Math.max(1e-30, f[row + target])) / probed;
        valid += Math.log(Math.max(1e-30, mass)) / probed;
      }
      // geometric means over questions, and the share of them whose likeliest answer is the true one
      return { truth: Math.exp(truth), valid: Math.exp(valid), best };
    },
    held, hold({ values: by, weights: of }) {
      put(by);
      f.set(of, weights);
    },
    /** For each subject the probabilities of all answers, (S, A), in a context whose noise is that of the average. */
    seen({ r }) {
      f.fill(0, counts, counts + S * width);
      for (let s = 0; s < S; s++) {
        for (let z = 0; z < noise; z++) f[counts + s * width + S + R + z] = (settings.T - 3) / noise;
        for (const token of [s, S + r, V - 1]) f[counts + s * width + token] = 1;
      }
      forward(S);
      k.softmax(logits, columns, S, columns, 1, everyAnswer);
      const p = new Float32Array(S * A);
      for (let s = 0; s < S; s++) p.set(f.subarray(logits + s * columns, logits + s * columns + A), s * A);
      return { p };
    },
    change({ lr }) { settings.lr = lr; },
  });
  return Object.assign(run, {
    held, slopes,
    /** The counts (B, V) of so many steps' batches, one after the other. @type {(steps: number) => number[]} */
    drawn: (steps) => Array.from({ length: steps * B }, (_, i) => {
      if (i % B === 0) draw(i / B);
      return [...f.subarray(counts + (i % B) * width, counts + (i % B) * width + V)];
    }).flat(),
    /** @type {(rows: number[][], answer: number[]) => { n: number, loss: number, right: number }} */
    measure(rows, answer) {
      rows.forEach((row, b) => { f.fill(0, counts + b * width, counts + (b + 1) * width); f.set(row, counts + b * width); });
      whole.set(answer, targets);
      return gradients(rows.length);
    },
  });
}
