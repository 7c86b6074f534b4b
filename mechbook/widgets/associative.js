// @ts-check
// Associative memories in the page. Draws of embeddings, outer-product memories, and population
// gradient descent. Embeddings are rows of row-major Float32Arrays; what is summed is summed in double precision.
import { apply, softmax } from "./tensors.js";

/** @typedef {import("./tensors.js").Floats} Floats */
/** @typedef {ArrayLike<number> & Iterable<number>} Targets the output f(i) of each input i */

/**
 * Uniform numbers on [0, 1) with 32 random bits each: Doty-Humphrey's small fast counting generator, whose state is
 * three words and a counter. Different (seed, stream) never share a state; the first 15 outputs are thrown away.
 * @param {number} seed
 * @param {number} stream
 */
export function uniforms(seed, stream) {
  let a = seed | 0, b = stream | 0, c = 0x6d656d | 0, counter = 1;
  const next = () => {
    const out = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + out) | 0;
    return (out >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 15; i++) next();
  return next;
}

/**
 * `rows` embeddings with independent N(0, 1/d) entries (Box and Muller); with more rows the first stay the same.
 * @param {number} seed
 * @param {number} stream
 * @param {number} rows
 * @param {number} d
 */
export function embeddings(seed, stream, rows, d) {
  const uniform = uniforms(seed, stream), out = new Float32Array(rows * d + 1);
  for (let i = 0; i < rows * d; i += 2) {
    // 1 - u is never 0.
    const radius = Math.sqrt((-2 * Math.log(1 - uniform())) / d), angle = 2 * Math.PI * uniform();
    out[i] = radius * Math.cos(angle);
    out[i + 1] = radius * Math.sin(angle);
  }
  return out.subarray(0, rows * d);
}

/**
 * Inner products of the rows of x (n, d) and y (m, d), as (n, m). Blocks of 2 x 4: each value that is read serves
 * several sums. Blocks at the edge repeat the last row, so that none needs a loop of its own.
 * @param {Floats} x
 * @param {number} n
 * @param {Floats} y
 * @param {number} m
 * @param {number} d
 */
export function inner(x, n, y, m, d) {
  const out = new Float32Array(n * m);
  for (let i = 0; i < n; i += 2) {
    const i1 = Math.min(i + 1, n - 1), x0 = i * d, x1 = i1 * d;
    for (let j = 0; j < m; j += 4) {
      const j1 = Math.min(j + 1, m - 1), j2 = Math.min(j + 2, m - 1), j3 = Math.min(j + 3, m - 1);
      const y0 = j * d, y1 = j1 * d, y2 = j2 * d, y3 = j3 * d;
      let a0 = 0, a1 = 0, a2 = 0, a3 = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0;
      for (let p = 0; p < d; p++) {
        const a = x[x0 + p], b = x[x1 + p], c0 = y[y0 + p], c1 = y[y1 + p], c2 = y[y2 + p], c3 = y[y3 + p];
        a0 += a * c0; a1 += a * c1; a2 += a * c2; a3 += a * c3;
        b0 += b * c0; b1 += b * c1; b2 += b * c2; b3 += b * c3;
      }
      const r0 = i * m, r1 = i1 * m;
      out[r0 + j] = a0; out[r0 + j1] = a1; out[r0 + j2] = a2; out[r0 + j3] = a3;
      out[r1 + j] = b0; out[r1 + j1] = b1; out[r1 + j2] = b2; out[r1 + j3] = b3;
    }
  }
  return out;
}

/**
 * W = sum_i v_f(i) u_i^T for inputs u (N, d) and outputs v (M, d).
 * @param {Floats} u
 * @param {Floats} v
 * @param {Targets} f
 * @param {number} d
 */
export function outerProducts(u, v, f, d) {
  const N = f.length, keys = new Float32Array(d * N), values = new Float32Array(d * N);
  for (let i = 0; i < N; i++) {
    for (let a = 0; a < d; a++) {
      keys[a * N + i] = u[i * d + a];
      values[a * N + i] = v[f[i] * d + a];
    }
  }
  return inner(values, d, keys, d, N);
}

/**
 * Every score v_j^T W u_i of the outer-product memory as (N, M), a row for each input, and of them: the share of
 * inputs whose right output scores highest, which those are, the mean right score, and the crosstalk's deviation.
 * @param {Floats} u
 * @param {Floats} v
 * @param {Targets} f
 * @param {number} d
 */
export function recall(u, v, f, d) {
  const N = f.length, M = v.length / d, read = inner(u, N, outerProducts(u, v, f, d), d, d);
  const scores = inner(read, N, v, M, d);
  const recalled = new Uint8Array(N);
  let count = 0, right = 0, squares = 0;
  for (let i = 0; i < N; i++) {
    const row = i * M, own = scores[row + f[i]];
    let most = -Infinity;
    for (let j = 0; j < M; j++) {
      if (j === f[i]) continue;
      most = Math.max(most, scores[row + j]);
      squares += scores[row + j] ** 2;
    }
    recalled[i] = own > most ? 1 : 0;
    count += recalled[i];
    right += own / N;
  }
  return { scores, recalled, share: count / N, right, crosstalk: Math.sqrt(squares / (N * (M - 1))) };
}

/**
 * The crosstalk's deviation over the draw of the embeddings, as mechbook.memories.outer_product.score_variance gives it.
 * @param {Targets} f
 * @param {number} M
 * @param {number} d
 */
export function expectedCrosstalk(f, M, d) {
  const N = f.length, held = new Float64Array(M), e = 1 + 2 / d;
  for (const k of f) held[k] += 1;
  // How many keys a wrong value holds, on average over the wrong scores.
  const others = held.reduce((sum, n) => sum + n * (N - n), 0) / (N * (M - 1));
  return Math.sqrt((e + others * e) / d + (N - 1 - others) / d ** 2);
}

/**
 * The logits U W y, (rows, N), for rows y.
 * @typedef {(y: Floats) => Float64Array} Read
 */

/**
 * Population gradient descent from W = 0 on softmax regression with logits U W x: the inputs x (n, d) are equally
 * likely, targets[i] is the output of x_i. Returns what `look` makes of each step's logits.
 *
 * W stays in the span of the w_U(k) x_i^T, so W = U^T C with C (N, d), and its step is (eta / n) sum_i (1{k} - p_ik) x_i.
 * @template Seen
 * @param {{
 *   U: Floats, x: Floats, targets: number[], d: number, eta: number, steps: number,
 *   look: (read: Read, logits: Float64Array<ArrayBuffer>) => Seen,
 * }} how
 */
export function descend({ U, x, targets, d, eta, steps, look }) {
  const n = targets.length, N = U.length / d, C = new Float64Array(N * d), gram = apply(U, N, d, U, N, new Float64Array(N * N));
  const transposed = new Float64Array(d * N), /** @type {Seen[]} */ seen = [];
  /** @param {Floats} y */
  const logits = (y) => {
    for (let k = 0; k < N; k++) for (let a = 0; a < d; a++) transposed[a * N + k] = C[k * d + a];
    const rows = y.length / d, products = new Float64Array(rows * N);
    for (let i = 0; i < rows; i++) {
      for (let a = 0; a < d; a++) {
        const value = y[i * d + a];
        for (let k = 0; k < N; k++) products[i * N + k] += value * transposed[a * N + k];
      }
    }
    return apply(products, rows, N, gram, N, new Float64Array(rows * N));
  };
  for (let step = 0; ; step++) {
    const now = logits(x), p = new Float64Array(N);
    seen.push(look(logits, now));
    if (step === steps) return seen;
    for (let i = 0; i < n; i++) {
      softmax(now, i * N, N, p);
      for (let k = 0; k < N; k++) {
        const factor = (eta / n) * ((targets[i] === k ? 1 : 0) - p[k]);
        for (let a = 0; a < d; a++) C[k * d + a] += factor * x[i * d + a];
      }
    }
  }
}
