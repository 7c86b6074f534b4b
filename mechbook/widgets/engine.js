// The models of the book in the page: mechbook.engine. Matrices are row-major Float32Arrays with a shape; embeddings are
// rows, d x d matrices act on column vectors, as in mechbook/models. Sums run in double precision.

// ---- weights as bytes ----------------------------------------------------------------------------------------------

let halves = null;

/** The value of every float16, by its 16 bits. */
function halfTable() {
  if (halves) return halves;
  halves = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const exponent = (bits >> 10) & 31, fraction = bits & 1023, sign = bits & 32768 ? -1 : 1;
    if (exponent === 31) halves[bits] = fraction ? NaN : sign * Infinity;
    else if (exponent === 0) halves[bits] = sign * fraction * 2 ** -24;
    else halves[bits] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  return halves;
}

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Tensors by name, from what mechbook/widgets/weights.py packed: part by part, each of all values. */
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

/** out = x W^T for x (n, k) and W (m, k); with `add` it is added to out. */
export function apply(x, n, k, W, m, out = new Float32Array(n * m), add = false) {
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

export function transpose({ shape: [n, m], data }) {
  const out = new Float32Array(n * m);
  for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) out[j * n + i] = data[i * m + j];
  return { shape: [m, n], data: out };
}

/** A B for tensors A (n, k) and B (k, m). */
export function product(A, B) {
  const [n, k] = A.shape, m = B.shape[1];
  return { shape: [n, m], data: apply(A.data, n, k, transpose(B).data, m) };
}

/** Softmax of values[from .. from + count - 1], in place or into a new array. */
export function softmax(values, from = 0, count = values.length, out = new Float32Array(count), at = 0) {
  let most = -Infinity, sum = 0;
  for (let i = 0; i < count; i++) most = Math.max(most, values[from + i]);
  const powers = new Float64Array(count);
  for (let i = 0; i < count; i++) sum += powers[i] = Math.exp(values[from + i] - most);
  for (let i = 0; i < count; i++) out[at + i] = powers[i] / sum;
  return out;
}

/** W = sum over the first `rank` of S_i U_i V_i^T, for the columns U (m, r), S (r,), V (n, r) of a given decomposition. */
export function truncate(U, S, V, rank) {
  const [m, r] = U.shape, n = V.shape[0], out = new Float32Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let p = 0; p < Math.min(rank, r); p++) sum += U.data[i * r + p] * S.data[p] * V.data[j * r + p];
      out[i * n + j] = sum;
    }
  }
  return { shape: [m, n], data: out };
}

// ---- associative memories ------------------------------------------------------------------------------------------

/** W = sum_i weight_i v_i u_i^T for keys u (n, d_in) and values v (n, d_out). */
export function associate(keys, values, weights = null) {
  const [n, k] = keys.shape, m = values.shape[1], out = new Float64Array(m * k);
  for (let i = 0; i < n; i++) {
    for (let a = 0; a < m; a++) {
      const v = values.data[i * m + a] * (weights ? weights[i] : 1);
      for (let b = 0; b < k; b++) out[a * k + b] += v * keys.data[i * k + b];
    }
  }
  return { shape: [m, k], data: Float32Array.from(out) };
}

/** The map (m, n) with entry [j, i] = v_j . W u_i, for keys u (n, d_in) and values v (m, d_out). */
export function memoryMap(W, keys, values) {
  const [n, k] = keys.shape, m = values.shape[0];
  const images = apply(keys.data, n, k, W.data, W.shape[0]);
  return { shape: [m, n], data: apply(values.data, m, W.shape[0], images, n) };
}

function best(map, i, count) {
  const n = map.shape[1];
  let found = 0;
  for (let j = 1; j < count; j++) if (map.data[j * n + i] > map.data[found * n + i]) found = j;
  return found;
}

/** The weighted share of columns i of a memory map whose largest entry is in row i. */
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

/** The share of rows t, start <= t < stop, of a (query, key) map whose largest entry at or before t is at t - 1. */
export function previousRecall(map, start = 1, stop = map.shape[0]) {
  const turned = transpose(map);
  let hit = 0;
  for (let t = start; t < stop; t++) hit += best(turned, t, t + 1) === t - 1 ? 1 : 0;
  return hit / (stop - start);
}

// ---- transformers --------------------------------------------------------------------------------------------------

/** Causal attention of one head: columns from .. from + width - 1 of queries and keys, which have `d` columns. */
export function attend(queries, keys, T, d, from = 0, width = d) {
  const map = new Float32Array(T * T), scores = new Float64Array(T), scale = 1 / Math.sqrt(width);
  for (let q = 0; q < T; q++) {
    let most = -Infinity, sum = 0;
    for (let s = 0; s <= q; s++) {
      let score = 0;
      for (let p = from; p < from + width; p++) score += queries[q * d + p] * keys[s * d + p];
      scores[s] = score *= scale;
      if (score > most) most = score;
    }
    for (let s = 0; s <= q; s++) sum += scores[s] = Math.exp(scores[s] - most);
    for (let s = 0; s <= q; s++) map[q * T + s] = scores[s] / sum;
  }
  return map;
}

/** Mix the values with an attention map, into the same columns of out. */
export function mix(map, values, T, d, out = new Float32Array(T * d), from = 0, width = d) {
  const row = new Float64Array(width);
  for (let q = 0; q < T; q++) {
    row.fill(0);
    for (let s = 0; s <= q; s++) {
      const weight = map[q * T + s];
      if (weight === 0) continue;
      for (let p = 0; p < width; p++) row[p] += weight * values[s * d + from + p];
    }
    out.set(row, q * d + from);
  }
  return out;
}

export function embed(tokens, W_E, P) {
  const [N, d] = W_E.shape, T = tokens.length;
  if (T < 1 || T > P.shape[0]) throw new RangeError(`The sequence has ${T} tokens; it must have 1 to ${P.shape[0]}.`);
  const x = new Float32Array(T * d);
  for (let t = 0; t < T; t++) {
    const z = tokens[t];
    if (!(Number.isInteger(z) && z >= 0 && z < N)) throw new RangeError(`${z} is no token; tokens are 0 to ${N - 1}.`);
    for (let p = 0; p < d; p++) x[t * d + p] = W_E.data[z * d + p] + P.data[t * d + p];
  }
  return x;
}

// Products of frozen matrices, by the one that comes last, so that checkpoints share them.
const products = new WeakMap();

function frozenProduct(W_O, W_V) {
  const known = products.get(W_O.data);
  if (known && known.of === W_V.data) return known.value;
  const value = product(W_O, W_V);
  products.set(W_O.data, { of: W_V.data, value });
  return value;
}

/** The simplified transformer of mechbook/shared/simplified.py; `feedForward` as its feed_forward. */
export function simplified(w, { feedForward = "none" } = {}) {
  const [N, d] = w.W_E.shape;
  const layers = w.W_K2 ? 2 : 1;
  const first = frozenProduct(w.W_O1, w.W_V1);
  return {
    N, d, length: w.P.shape[0],
    forward(tokens) {
      const T = tokens.length, x = embed(tokens, w.W_E, w.P);
      const initial = x.slice(), attention = [], streams = [x.slice()];
      for (let l = 1; l <= layers; l++) {
        const map = attend(x, apply(x, T, d, w[`W_K${l}`].data, d), T, d);
        let mixed = mix(map, x, T, d);
        // What is trained is applied as it is: a product of its own for each checkpoint would cost more.
        if (l === 1) apply(mixed, T, d, first.data, d, x, true);
        else apply(apply(mixed, T, d, w.W_V2.data, d), T, d, w.W_O2.data, d, x, true);
        attention.push(map);
        streams.push(x.slice());
      }
      if (feedForward !== "none") {
        apply(feedForward === "before_attention" ? initial : x.slice(), T, d, w.W_F.data, d, x, true);
        streams.push(x.slice());
      }
      return { T, N, attention, streams, logits: apply(x, T, d, w.W_U.data, N) };
    },
  };
}

export function normalize(x, T, d, { weight, bias }, epsilon = 1e-5) {
  const out = new Float32Array(T * d);
  for (let t = 0; t < T; t++) {
    let mean = 0, square = 0;
    for (let p = 0; p < d; p++) mean += x[t * d + p] / d;
    for (let p = 0; p < d; p++) square += (x[t * d + p] - mean) ** 2 / d;
    const scale = 1 / Math.sqrt(square + epsilon);
    for (let p = 0; p < d; p++) out[t * d + p] = (x[t * d + p] - mean) * scale * weight.data[p] + bias.data[p];
  }
  return out;
}

/** The vanilla transformer of mechbook/shared/vanilla.py, from its state dict's own names. */
export function vanilla(w, { n_layers: layers, n_heads: heads }) {
  const [N, d] = w.W_E.shape, width = d / heads;
  const norm = (name) => ({ weight: w[`${name}.weight`], bias: w[`${name}.bias`] });
  return {
    N, d, length: w.P.shape[0],
    forward(tokens) {
      const T = tokens.length, x = embed(tokens, w.W_E, w.P), attention = [], streams = [x.slice()];
      for (let l = 0; l < layers; l++) {
        const own = (name) => w[`blocks.${l}.${name}`];
        const y = normalize(x, T, d, norm(`blocks.${l}.norm_1`));
        const [queries, keys, values] = ["W_Q", "W_K", "W_V"].map((name) => apply(y, T, d, own(name).data, d));
        const mixed = new Float32Array(T * d), maps = [];
        for (let h = 0; h < heads; h++) {
          const map = attend(queries, keys, T, d, h * width, width);
          mix(map, values, T, d, mixed, h * width, width);
          maps.push(map);
        }
        apply(mixed, T, d, own("W_O").data, d, x, true);
        const wide = own("b_in").shape[0];
        const hidden = apply(normalize(x, T, d, norm(`blocks.${l}.norm_2`)), T, d, own("W_in").data, wide);
        for (let i = 0; i < hidden.length; i++) hidden[i] = Math.max(0, hidden[i] + own("b_in").data[i % wide]);
        apply(hidden, T, wide, own("W_out").data, d, x, true);
        for (let i = 0; i < x.length; i++) x[i] += own("b_out").data[i % d];
        attention.push(maps);
        streams.push(x.slice());
      }
      return { T, N, attention, streams, logits: apply(normalize(x, T, d, norm("norm")), T, d, w.W_U.data, N) };
    },
  };
}
