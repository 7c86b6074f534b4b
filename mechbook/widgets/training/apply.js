// @ts-check
// The products of the models that only read: the compiled kernels serve them too, where they pay.
import { code } from "./client.js";
import { memoryOf, runs } from "./memory.js";

/** @typedef {Float32Array<ArrayBuffer>} Floats */

/** @param {number} n */
const upTo4 = (n) => (n + 3) & ~3;

/**
 * What adds x W^T to `out`, for x (n, k) and W (m, k), or sets it; or null where this browser has no vectors.
 * @returns {import("../tensors.js").Product | null}
 */
export function compiledProduct() {
  const compiled = code();
  if (!runs(compiled)) return null;
  let size = 0, /** @type {import("./memory.js").Memory | null} */ memory = null;
  /** @type {(values: Floats, rows: number, columns: number, stride: number, at: number) => void} */
  const put = (values, rows, columns, stride, at) => {
    const { f } = /** @type {import("./memory.js").Memory} */ (memory);
    if (stride === columns) f.set(values.subarray(0, rows * columns), at);
    else {
      for (let i = 0; i < rows; i++) {
        f.set(values.subarray(i * columns, (i + 1) * columns), at + i * stride);
        f.fill(0, at + i * stride + columns, at + (i + 1) * stride);
      }
    }
  };
  return (x, n, k, W, m, out, add) => {
    const stride = upTo4(k), columns = upTo4(m), wanted = n * stride + columns * stride + n * columns + 64;
    if (!memory || wanted > size) memory = memoryOf(compiled, size = wanted);
    const { f, k: { inner } } = memory, rows = 16, other = rows + n * stride, found = other + columns * stride;
    put(x, n, k, stride, rows);
    put(W, m, k, stride, other);
    inner(rows, stride, other, stride, found, columns, n, stride, columns, 0);
    for (let i = 0; i < n; i++) {
      const row = f.subarray(found + i * columns, found + i * columns + m);
      if (!add) out.set(row, i * m);
      else for (let j = 0; j < m; j++) out[i * m + j] += row[j];
    }
  };
}
