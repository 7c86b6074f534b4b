// @ts-check
// Tensors in the page: from bytes, algebra, associative memories. Matrices are row-major Float32Arrays with a shape;
// embeddings are rows, d x d matrices act on column vectors, as in the package's models. Sums run in double precision,
// but for large products of float32, which the compiled kernels take over where there are some.

/** @typedef {Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>} Floats */
/** @typedef {{ shape: number[], data: Float32Array<ArrayBuffer> }} Tensor a row-major array and its sizes */
/** @typedef {Record<string, Tensor>} Tensors tensors by name, such as a model's weights */
/** @typedef {{ dtype: string, count: number, tensors: { name: string, shape: number[], offset: number }[] }} Description */

/** @type {Float32Array | null} */
let halves = null;

/** The value of every float16, by its 16 bits. */
function halfTable() {
  if (halves) return halves;
  const found = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const exponent = (bits >> 10) & 31, fraction = bits & 1023, sign = bits & 32768 ? -1 : 1;
    if (exponent === 31) found[bits] = fraction ? NaN : sign * Infinity;
    else if (exponent === 0) found[bits] = sign * fraction * 2 ** -24;
    else found[bits] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  return (halves = found);
}

/** @param {Uint8Array<ArrayBuffer>} bytes */
async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/**
 * Tensors by name, from what mechbook/widgets/weights.py packed: part by part, each of all values.
 * @param {Description} description
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @returns {Promise<Tensors>}
 */
export async function unpack({ dtype, count, tensors }, bytes) {
  const raw = await inflate(bytes), all = new Float32Array(count);
  if (dtype === "float16") {
    const table = halfTable(), low = raw.length > 2 * count;
    for (let i = 0; i < count; i++) {
      all[i] = table[(raw[i] << 10) | (raw[count + i] << 2) | (low ? raw[2 * count + i] : 0)];
    }
  } else if (dtype === "float32") {
    const words = new Uint32Array(all.buffer);
    for (let i = 0; i < count; i++) {
      words[i] = raw[i] | (raw[count + i] << 8) | (raw[2 * count + i] << 16) | (raw[3 * count + i] << 24);
    }
  } else {
    throw new TypeError(`The weights have the type ${dtype}; it must be float16 or float32.`);
  }
  return Object.fromEntries(tensors.map(({ name, shape, offset }) => {
    const size = shape.reduce((a, b) => a * b, 1);
    return [name, { shape, data: all.subarray(offset, offset + size) }];
  }));
}

// ---- algebra -------------------------------------------------------------------------------------------------------

/** @typedef {(x: Float32Array<ArrayBuffer>, n: number, k: number, W: Float32Array<ArrayBuffer>, m: number, out: Float32Array<ArrayBuffer>, add: boolean) => void} Product */

/** Multiplications from which on copying into the kernels' memory pays. */
const LARGE = 1 << 15;
/** @type {(() => Product | null) | null} */
let make = null;
/** @type {Product | null} */
let compiled = null;

/**
 * Let large products be computed by what `from` makes, when the first one comes; null where it can make nothing.
 * @param {(() => Product | null) | null} from
 */
export function useProduct(from) { [make, compiled] = [from, null]; }

/**
 * out = x W^T for x (n, k) and W (m, k); with `add` it is added to out.
 * @template {Floats} [F=Float32Array<ArrayBuffer>]
 * @param {Floats} x
 * @param {number} n
 * @param {number} k
 * @param {Floats} W
 * @param {number} m
 * @param {F} out
 * @param {boolean} add
 * @returns {F}
 */
export function apply(x, n, k, W, m, out = /** @type {F} */ (new Float32Array(n * m)), add = false) {
  if (make && n * k * m >= LARGE && x instanceof Float32Array && W instanceof Float32Array && out instanceof Float32Array) {
    compiled ??= make();
    if (compiled) {
      compiled(x, n, k, W, m, out, add);
      return out;
    }
    make = null;
  }
  for (let i = 0; i < n; i++) {
    const row = i * k;
    let j = 0;
    // Four outputs at a time: each value of x is read once for all of them.
    for (; j + 3 < m; j += 4) {
      const w0 = j * k, w1 = w0 + k, w2 = w1 + k, w3 = w2 + k;
      let a = 0, b = 0, c = 0, e = 0;
      for (let p = 0; p < k; p++) {
        const v = x[row + p];
        a += v * W[w0 + p];
        b += v * W[w1 + p];
        c += v * W[w2 + p];
        e += v * W[w3 + p];
      }
      const at = i * m + j;
      if (add) { out[at] += a; out[at + 1] += b; out[at + 2] += c; out[at + 3] += e; }
      else { out[at] = a; out[at + 1] = b; out[at + 2] = c; out[at + 3] = e; }
    }
    for (; j < m; j++) {
      let sum = 0;
      for (let p = 0; p < k; p++) sum += x[row + p] * W[j * k + p];
      out[i * m + j] = add ? out[i * m + j] + sum : sum;
    }
  }
  return out;
}

/**
 * @param {Tensor} matrix
 * @returns {Tensor}
 */
export function transpose({ shape: [n, m], data }) {
  const out = new Float32Array(n * m);
  for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) out[j * n + i] = data[i * m + j];
  return { shape: [m, n], data: out };
}

/**
 * A B for tensors A (n, k) and B (k, m).
 * @param {Tensor} A
 * @param {Tensor} B
 * @returns {Tensor}
 */
export function product(A, B) {
  const [n, k] = A.shape, m = B.shape[1];
  return { shape: [n, m], data: apply(A.data, n, k, transpose(B).data, m) };
}

/**
 * Softmax of values[from .. from + count - 1], into out[at ..] or a new array.
 * @template {Floats} [F=Float32Array<ArrayBuffer>]
 * @param {Floats} values
 * @param {F} out
 * @returns {F}
 */
export function softmax(values, from = 0, count = values.length, out = /** @type {F} */ (new Float32Array(count)), at = 0) {
  let most = -Infinity, sum = 0;
  for (let i = 0; i < count; i++) most = Math.max(most, values[from + i]);
  const powers = new Float64Array(count);
  for (let i = 0; i < count; i++) sum += powers[i] = Math.exp(values[from + i] - most);
  for (let i = 0; i < count; i++) out[at + i] = powers[i] / sum;
  return out;
}

// ---- associative memories ------------------------------------------------------------------------------------------

/**
 * The map (m, n) with entry [j, i] = v_j . W u_i, for keys u (n, d_in) and values v (m, d_out).
 * @param {Tensor} W
 * @param {Tensor} keys
 * @param {Tensor} values
 * @returns {Tensor}
 */
export function memoryMap(W, keys, values) {
  const [n, k] = keys.shape, m = values.shape[0];
  const images = apply(keys.data, n, k, W.data, W.shape[0]);
  return { shape: [m, n], data: apply(values.data, m, W.shape[0], images, n) };
}

/**
 * The row of the largest of the first `count` entries of column i; of equals the first.
 * @param {Tensor} map
 * @param {number} i
 * @param {number} count
 */
function best(map, i, count) {
  const n = map.shape[1];
  let found = 0;
  for (let j = 1; j < count; j++) if (map.data[j * n + i] > map.data[found * n + i]) found = j;
  return found;
}

/**
 * The weighted share of columns i of a memory map whose largest entry is in row i.
 * @param {Tensor} map
 * @param {number[] | null} weights
 */
export function recall(map, weights = null) {
  const [m, n] = map.shape;
  let hit = 0, all = 0;
  for (let i = 0; i < n; i++) {
    const weight = weights ? weights[i] : 1;
    all += weight;
    if (best(map, i, m) === i) hit += weight;
  }
  return hit / all;
}

/**
 * The share of rows t, start <= t < stop, of a (query, key) map whose largest entry at or before t is at t - 1.
 * @param {Tensor} map
 */
export function previousRecall(map, start = 1, stop = map.shape[0]) {
  const turned = transpose(map);
  let hit = 0;
  for (let t = start; t < stop; t++) hit += best(turned, t, t + 1) === t - 1 ? 1 : 0;
  return hit / (stop - start);
}
