// @ts-check
// Gradient steps on one associative memory: softmax regression with logits v_k . W u_i on pairs (u_i, v_i), pair i drawn
// with probability p_i in proportion to i^-a. A step goes along the gradient of the whole distribution, or along its polar
// factor, in which all singular values are 1.
import { memoryOf } from "./memory.js";
import { normals, uniforms } from "./random.js";
import { stepping } from "./stepping.js";

/** @typedef {Float32Array<ArrayBuffer>} Floats */
/** @typedef {{ N: number, d: number, a: number, way: "gradient" | "polar", lr: number, seed: number, every: number, steps: number }} Settings */

/** @param {number} n */
const upTo4 = (n) => (n + 3) & ~3;
/** Newton and Schulz's iteration lets a singular value grow by half each time, until it is 1. */
const ITERATIONS = 40;

/**
 * @param {Uint8Array<ArrayBuffer> | null} code of the kernels
 * @param {Settings} settings
 * @param {{ keys: Floats, values: Floats }} [pairs] (N, d) each, where they are not drawn from the seed
 */
export function memoryRunOf(code, settings, pairs) {
  const { N: count, d: width, a, seed } = settings, N = upTo4(count), d = upTo4(width), uniform = uniforms(seed, 0), std = 1 / Math.sqrt(width);
  const { keys, values } = pairs ?? { keys: normals(uniform, count * width, std), values: normals(uniform, count * width, std) };
  const { f, whole, k, vectors, room } = memoryOf(code, 4 * N * d + 2 * N * N + 6 * d * d + 8 * N + 256);
  const u = room(N * d), v = room(N * d), images = room(N * d), pulled = room(N * d), logits = room(N * N), W = room(d * d), grad = room(d * d);
  const square = room(d * d), next = room(d * d), none = room(d * d), everyValue = room(N), p = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    f.set(keys.subarray(i * width, (i + 1) * width), u + i * d);
    f.set(values.subarray(i * width, (i + 1) * width), v + i * d);
    p[i] = 1 / (i + 1) ** a;
  }
  whole.fill(count, everyValue, everyValue + N);
  const total = p.reduce((sum, one) => sum + one, 0);
  for (let i = 0; i < count; i++) p[i] /= total;

  /** The logits of all pairs, rows are keys. */
  function read() {
    k.inner(u, d, W, d, images, d, count, d, d, 0);
    k.inner(images, d, v, d, logits, N, count, d, N, 0);
  }

  /** For each pair whether its own value has the largest logit: 1 or 0; of equal logits none has. */
  const won = () => Array.from(p, (_, i) => Number(wins(i)));
  const wins = (/** @type {number} */ i) => {
    const row = logits + i * N;
    for (let j = 0; j < count; j++) if (j !== i && !(f[row + j] < f[row + i])) return false;
    return true;
  };

  /** Leaves the gradient in `grad`; returns the loss and how many pairs are right. */
  function gradients() {
    read();
    const right = won().reduce((sum, one) => sum + one, 0);
    let loss = 0;
    k.softmax(logits, N, count, N, 1, everyValue);
    for (let i = 0; i < count; i++) {
      const row = logits + i * N;
      loss -= p[i] * Math.log(Math.max(1e-30, f[row + i]));
      f[row + i] -= 1;
      for (let j = 0; j < count; j++) f[row + j] *= p[i];
    }
    k.product(logits, N, 1, v, d, pulled, d, count, count, d, 0, 0);
    k.product(pulled, 1, d, u, d, grad, d, d, count, d, 0, 0);
    return { n: count, loss, right };
  }

  /** The gradient becomes its polar factor. */
  function polar() {
    let norm = 0;
    for (let i = 0; i < d * d; i++) norm += f[grad + i] ** 2;
    norm = Math.sqrt(norm);
    if (norm === 0) return;
    for (let i = 0; i < d * d; i++) f[grad + i] /= norm;
    for (let turn = 0; turn < ITERATIONS; turn++) {
      // X := 1.5 X - 0.5 X X^T X
      k.inner(grad, d, grad, d, square, d, d, d, d, 0);
      k.product(square, d, 1, grad, d, next, d, d, d, d, 0, 0);
      for (let i = 0; i < d * d; i++) f[grad + i] = 1.5 * f[grad + i] - 0.5 * f[next + i];
    }
  }

  const take = (/** @type {number} */ at) => {
    const out = new Float32Array(width * width);
    for (let i = 0; i < width; i++) out.set(f.subarray(at + i * d, at + i * d + width), i * width);
    return out;
  };

  const run = stepping({
    settings, vectors, chance: Math.log(count), gradients,
    update() {
      if (settings.way === "polar") polar();
      k.sgd(W, grad, none, d * d, settings.lr, 0, 0);
    },
    probes() {
      read();
      const all = won(), stored = all.reduce((sum, one) => sum + one / count, 0), answered = all.reduce((sum, one, i) => sum + one * p[i], 0);
      return { stored, answered };
    },
    held: () => ({ W: take(W) }),
    hold({ W: kept }) {
      for (let i = 0; i < width; i++) f.set(kept.subarray(i * width, (i + 1) * width), W + i * d);
    },
    /** The logits (outputs, inputs) of all pairs. */
    seen() {
      read();
      const table = new Float32Array(count * count);
      for (let i = 0; i < count; i++) for (let j = 0; j < count; j++) table[j * count + i] = f[logits + i * N + j];
      return { table };
    },
    change({ lr }) { settings.lr = lr; },
  });
  return Object.assign(run, { W: () => take(W) });
}
