// @ts-check
// kernels.ts without vectors, for browsers that have none: number for number the same results, as each sum has the same
// order and each operation is rounded to float32. What the functions do is said there.

const { fround, max, floor, sqrt } = Math;
const NONE = fround(-1e30);
/** exp's polynomial, from the highest power on, and what splits its argument. */
const POLYNOMIAL = [1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1].map(fround);
const LOG2_E = fround(1.4426950408889634), LN2_HIGH = fround(0.693359375), LN2_LOW = fround(-2.1219444e-4);
const powers = new Float32Array(1), bits = new Int32Array(powers.buffer);

/** @param {number} x */
function exponential(x) {
  if (x < -87) return 0;
  const n = floor(fround(fround(x * LOG2_E) + 0.5));
  if (!Number.isFinite(n)) return x > 0 ? Infinity : NaN;
  const r = fround(fround(x - fround(n * LN2_HIGH)) - fround(n * LN2_LOW));
  let p = POLYNOMIAL[0];
  for (let i = 1; i < 6; i++) p = fround(fround(p * r) + POLYNOMIAL[i]);
  p = fround(fround(fround(p * fround(r * r)) + r) + 1);
  bits[0] = (n + 127) << 23;
  return fround(p * powers[0]);
}

/** @param {number} n */
const upTo4 = (n) => (n + 3) & ~3;

/**
 * The functions of kernels.ts on a memory, seen as float32 and as int32.
 * @param {Float32Array<ArrayBuffer>} f
 * @param {Int32Array<ArrayBuffer>} whole
 */
export function plain(f, whole) {
  /** @type {(a: number, ai: number, ap: number, b: number, bi: number, c: number, ci: number, n: number, k: number, m: number, add: number, limits: number) => void} */
  function product(a, ai, ap, b, bi, c, ci, n, k, m, add, limits) {
    for (let i = 0; i < n; i++) {
      const pair = i + 1 < n && i % 2 === 0 ? i + 1 : i, end = limits ? Math.min(k, whole[limits + pair]) : k;
      for (let j = 0; j < m; j += 4) {
        const o = c + i * ci + j;
        let x0 = 0, x1 = 0, x2 = 0, x3 = 0;
        if (add) { x0 = f[o]; x1 = f[o + 1]; x2 = f[o + 2]; x3 = f[o + 3]; }
        let s = a + i * ai, q = b + j;
        for (let p = 0; p < end; p++) {
          const v = f[s];
          x0 = fround(x0 + fround(v * f[q]));
          x1 = fround(x1 + fround(v * f[q + 1]));
          x2 = fround(x2 + fround(v * f[q + 2]));
          x3 = fround(x3 + fround(v * f[q + 3]));
          s += ap;
          q += bi;
        }
        f[o] = x0; f[o + 1] = x1; f[o + 2] = x2; f[o + 3] = x3;
      }
    }
  }

  /** @type {(a: number, ai: number, b: number, bi: number, c: number, ci: number, n: number, k: number, m: number, limits: number) => void} */
  function inner(a, ai, b, bi, c, ci, n, k, m, limits) {
    for (let i = 0; i < n; i++) {
      const pair = i + 1 < n && i % 2 === 0 ? i + 1 : i, end = limits ? Math.min(m, whole[limits + pair]) : m;
      for (let j = 0; j < upTo4(end); j++) {
        const s = a + i * ai, q = b + j * bi;
        let x0 = 0, x1 = 0, x2 = 0, x3 = 0;
        for (let p = 0; p < k; p += 4) {
          x0 = fround(x0 + fround(f[s + p] * f[q + p]));
          x1 = fround(x1 + fround(f[s + p + 1] * f[q + p + 1]));
          x2 = fround(x2 + fround(f[s + p + 2] * f[q + p + 2]));
          x3 = fround(x3 + fround(f[s + p + 3] * f[q + p + 3]));
        }
        f[c + i * ci + j] = fround(fround(x0 + x2) + fround(x1 + x3));
      }
    }
  }

  /** @type {(row: number, count: number, scale: number) => number} */
  function exponentials(row, count, scale) {
    const end = row + upTo4(count);
    for (let p = row + count; p < end; p++) f[p] = NONE;
    let most = f[row];
    for (let p = row + 1; p < end; p++) most = max(most, f[p]);
    const lanes = [0, 0, 0, 0];
    for (let p = row; p < end; p++) {
      f[p] = exponential(fround(fround(f[p] - most) * scale));
      lanes[(p - row) & 3] = fround(lanes[(p - row) & 3] + f[p]);
    }
    return fround(fround(lanes[0] + lanes[2]) + fround(lanes[1] + lanes[3]));
  }

  /** @type {(x: number, xi: number, n: number, width: number, scale: number, limits: number) => void} */
  function softmax(x, xi, n, width, scale, limits) {
    const by = fround(scale);
    for (let i = 0; i < n; i++) {
      const row = x + i * xi, count = limits ? whole[limits + i] : width, end = row + upTo4(count);
      const share = fround(1 / exponentials(row, count, by));
      for (let p = row; p < end; p++) f[p] = fround(f[p] * share);
      f.fill(0, end, max(end, row + width));
    }
  }

  /** @type {(a: number, ai: number, g: number, gi: number, n: number, width: number, scale: number, limits: number) => void} */
  function softmaxBackward(a, ai, g, gi, n, width, scale, limits) {
    const by = fround(scale);
    for (let i = 0; i < n; i++) {
      const p = a + i * ai, q = g + i * gi, length = upTo4(limits ? whole[limits + i] : width), lanes = [0, 0, 0, 0];
      for (let o = 0; o < length; o++) lanes[o & 3] = fround(lanes[o & 3] + fround(f[p + o] * f[q + o]));
      const mean = fround(fround(lanes[0] + lanes[2]) + fround(lanes[1] + lanes[3]));
      for (let o = 0; o < length; o++) f[q + o] = fround(fround(f[p + o] * fround(f[q + o] - mean)) * by);
      f.fill(0, q + length, max(q + length, q + width));
    }
  }

  /** @type {(l: number, li: number, n: number, N: number, targets: number, weight: number, terms: number) => number} */
  function crossEntropy(l, li, n, N, targets, weight, terms) {
    const by = fround(weight);
    let right = 0;
    for (let i = 0; i < n; i++) {
      const row = l + i * li, own = row + whole[targets + i];
      let most = f[row];
      for (let p = row + 1; p < row + N; p++) most = max(most, f[p]);
      const below = fround(f[own] - most);
      if (below === 0) right++;
      const total = exponentials(row, N, 1), share = fround(by / total);
      f[terms + 2 * i] = total;
      f[terms + 2 * i + 1] = below;
      for (let p = row; p < row + upTo4(N); p++) f[p] = fround(f[p] * share);
      f[own] = fround(f[own] - by);
    }
    return right;
  }

  /** @type {(x: number, n: number) => void} */
  function relu(x, n) {
    for (let p = x; p < x + n; p++) f[p] = max(f[p], 0);
  }

  /** @type {(x: number, g: number, n: number) => void} */
  function reluBackward(x, g, n) {
    for (let p = 0; p < n; p++) if (!(f[x + p] > 0)) f[g + p] = 0;
  }

  /** @type {(table: number, d: number, first: number, z: number, T: number, out: number) => void} */
  function lookUp(table, d, first, z, T, out) {
    for (let t = 0; t < T; t++) {
      const a = table + whole[z + t] * d, b = table + (first + t) * d, o = out + t * d;
      for (let p = 0; p < d; p++) f[o + p] = fround(f[a + p] + f[b + p]);
    }
  }

  /** @type {(table: number, width: number, first: number, z: number, T: number, s: number, si: number, work: number) => void} */
  function lookUpScores(table, width, first, z, T, s, si, work) {
    for (let t = 0; t < T; t++) {
      const a = table + whole[z + t] * width, b = table + (first + t) * width, o = s + t * si;
      for (let p = 0; p < first; p++) f[work + p] = fround(f[a + p] + f[b + p]);
      for (let k = 0; k < upTo4(t + 1); k++) {
        f[o + k] = fround(fround(f[a + first + k] + f[b + first + k]) + f[work + whole[z + k]]);
      }
    }
  }

  /** @type {(g: number, gi: number, z: number, T: number, table: number, width: number, first: number, work: number) => void} */
  function addScores(g, gi, z, T, table, width, first, work) {
    for (let t = 0; t < T; t++) {
      const a = table + whole[z + t] * width, b = table + (first + t) * width, o = g + t * gi;
      f.fill(0, work, work + first);
      for (let k = 0; k < upTo4(t + 1); k++) {
        f[a + first + k] = fround(f[a + first + k] + f[o + k]);
        f[b + first + k] = fround(f[b + first + k] + f[o + k]);
      }
      for (let k = 0; k <= t; k++) f[work + whole[z + k]] = fround(f[work + whole[z + k]] + f[o + k]);
      for (let p = 0; p < first; p++) {
        f[a + p] = fround(f[a + p] + f[work + p]);
        f[b + p] = fround(f[b + p] + f[work + p]);
      }
    }
  }

  /** @type {(x: number, d: number, places: number, n: number, out: number, add: number) => void} */
  function gather(x, d, places, n, out, add) {
    for (let i = 0; i < n; i++) {
      const a = x + whole[places + i] * d, o = out + i * d;
      if (add) for (let p = 0; p < d; p++) f[a + p] = fround(f[a + p] + f[o + p]);
      else f.copyWithin(o, a, a + d);
    }
  }

  /** @type {(w: number, g: number, m: number, n: number, lr: number, momentum: number, decay: number) => void} */
  function sgd(w, g, m, n, lr, momentum, decay) {
    const rate = fround(lr), keep = fround(momentum), pull = fround(decay);
    for (let o = 0; o < n; o++) {
      const x = f[w + o], slope = fround(f[g + o] + fround(pull * x)), v = fround(fround(keep * f[m + o]) + slope);
      f[m + o] = v;
      f[w + o] = fround(x - fround(rate * v));
    }
  }

  /** @type {(w: number, g: number, m: number, v: number, n: number, step: number, root: number, shrink: number, beta1: number, beta2: number, epsilon: number) => void} */
  function adam(w, g, m, v, n, step, root, shrink, beta1, beta2, epsilon) {
    const by = fround(step), over = fround(root), less = fround(shrink), b1 = fround(beta1), b2 = fround(beta2);
    const c1 = fround(1 - b1), c2 = fround(1 - b2), tiny = fround(epsilon);
    for (let o = 0; o < n; o++) {
      const slope = f[g + o], first = fround(fround(b1 * f[m + o]) + fround(c1 * slope));
      const second = fround(fround(b2 * f[v + o]) + fround(c2 * fround(slope * slope)));
      f[m + o] = first;
      f[v + o] = second;
      const size = fround(fround(fround(sqrt(second)) / over) + tiny), x = fround(f[w + o] * less);
      f[w + o] = fround(x - fround(by * fround(first / size)));
    }
  }

  return { product, inner, softmax, softmaxBackward, crossEntropy, relu, reluBackward, lookUp, lookUpScores, addScores, gather, sgd, adam };
}
