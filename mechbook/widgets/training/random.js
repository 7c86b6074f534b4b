// @ts-check
// Random numbers that are the same for a seed in every browser: nothing but additions, products, quotients and roots,
// which every browser rounds alike. Math.log and Math.cos may differ in the last digit.
import { uniforms } from "../associative.js";

export { uniforms };

const words = new DataView(new ArrayBuffer(8));

/**
 * The natural logarithm of x > 0: of its power of two, and a series in (m - 1) / (m + 1) for the rest, 0.7 < m < 1.42.
 * @param {number} x
 */
export function logarithm(x) {
  words.setFloat64(0, x);
  const high = words.getUint32(0);
  let exponent = (high >>> 20) - 1023;
  words.setUint32(0, (high & 0xfffff) | 0x3ff00000);
  let m = words.getFloat64(0);
  if (m > 1.4142135623730951) { m /= 2; exponent += 1; }
  const s = (m - 1) / (m + 1), square = s * s;
  let sum = 0;
  for (let k = 23; k >= 1; k -= 2) sum = sum * square + 1 / k;
  return exponent * 0.6931471805599453 + 2 * s * sum;
}

/**
 * `count` independent N(0, std^2) numbers by the polar method.
 * @param {() => number} uniform
 * @param {number} count
 * @param {number} std
 */
export function normals(uniform, count, std) {
  const out = new Float32Array(count + 1);
  for (let i = 0; i < count;) {
    const x = 2 * uniform() - 1, y = 2 * uniform() - 1, square = x * x + y * y;
    if (square >= 1 || square === 0) continue;
    const factor = std * Math.sqrt((-2 * logarithm(square)) / square);
    out[i++] = x * factor;
    out[i++] = y * factor;
  }
  return out.subarray(0, count);
}

/**
 * The alias table of a distribution over 0, 1, ..., N - 1: of each cell the share that stays, and who gets the rest.
 * @param {ArrayLike<number>} weights
 */
export function aliasTable(weights) {
  const N = weights.length, keep = new Float64Array(N).fill(1), other = Int32Array.from({ length: N }, (_, i) => i);
  let total = 0;
  for (let i = 0; i < N; i++) total += weights[i];
  const left = Float64Array.from(weights, (weight) => (weight / total) * N), open = new Uint8Array(N).fill(1);
  // The emptiest cell is filled from the fullest one: each then holds two tokens at most.
  for (let round = 1; round < N; round++) {
    let low = -1, high = -1;
    for (let i = 0; i < N; i++) {
      if (!open[i]) continue;
      if (low < 0 || left[i] < left[low]) low = i;
      if (high < 0 || left[i] > left[high]) high = i;
    }
    keep[low] = Math.min(1, Math.max(0, left[low]));
    other[low] = high;
    left[high] -= 1 - keep[low];
    open[low] = 0;
  }
  return { keep, other };
}

/**
 * One draw from a table.
 * @param {ReturnType<typeof aliasTable>} table
 * @param {() => number} uniform
 */
export function pick({ keep, other }, uniform) {
  const u = uniform() * keep.length, column = Math.floor(u);
  return u - column < keep[column] ? column : other[column];
}
