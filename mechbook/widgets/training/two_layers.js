// @ts-check
// Two layers of attention in training, on the positions that the context decides: layer 1 with a frozen value matrix, and
// what follows layer 2 as read_out.js or noisy_out.js has it. What saves work is what simplified_step.py saves: embeddings
// are frozen, so layer 1's scores and values are looked up; layer 2 has queries where the loss has terms; the gradient is
// written by hand.
import { memoryOf } from "./memory.js";
import { readOut } from "./read_out.js";

/** @typedef {Float32Array<ArrayBuffer>} Floats */
/** @typedef {"W_K1" | "W_K2" | "W_O2"} Trained */
/** @typedef {Record<string, Floats>} Weights by name, row by row: W_E (N, d), P (T, d), W_U (N, d) and (d, d) matrices */
/** @typedef {{ N: number, T: number, d: number, B: number }} Sizes tokens, positions, width, and sequences in a batch */
/**
 * A trained matrix: its sizes, its address, and those of its gradient and of what the optimizers keep.
 * @typedef {{ rows: number, columns: number, stride: number, count: number, w: number, g: number, m: number, v: number }} Held
 */
/** @typedef {import("./memory.js").Memory} Memory */
/**
 * What an ending has to work with: the memory, padded sizes and the width without padding, the frozen W_U (N, d) and its
 * transpose, the queries' streams `own` and what layer 2 mixed for them (q, d), the logits or their gradient (q, N), and
 * where the gradients of the first two go. `matrix` makes room for a trained matrix, `square` for a frozen one (d, d).
 * @typedef {{
 *   memory: Memory, N: number, d: number, width: number, Q: number, W_U: number, W_U_T: number, own: number, mixed: number, logits: number,
 *   ownGrad: number, mixedGrad: number, frozen: Set<string>,
 *   matrix(name: string, rows: number, columns: number): Held, square(name: string): number,
 * }} Place
 */
/**
 * What follows layer 2. `begin` prepares a step; `forward` leaves the logits of q queries; `backward` takes their gradient
 * to mixedGrad and to its own matrices, `addOwn` to ownGrad; `finish` ends the gradients of its own matrices.
 * @typedef {{
 *   held: Record<string, Held>, begin(): void, forward(q: number): void, backward(q: number): void, addOwn(q: number): void,
 *   finish(): void,
 * }} Ending
 */
/**
 * @template {Ending} E
 * @typedef {{ room(sizes: { N: number, d: number, Q: number }): number, make(place: Place): E }} Endings how much room an ending needs, and the ending
 */

/** @type {Trained[]} */
export const TRAINED = ["W_K1", "W_K2", "W_O2"];
/** Numbers that the sequences of a group keep: more leave the cache. */
const GROUP = 100_000;

/** @param {number} n */
const upTo4 = (n) => (n + 3) & ~3;

/**
 * The simplified transformer of mechbook/shared/simplified.py: W_K1, W_K2 and W_O2 are trained.
 * @param {Uint8Array<ArrayBuffer> | null} code
 * @param {Sizes} sizes
 * @param {Weights} weights
 */
export const twoLayers = (code, sizes, weights) => attentionLayers(code, sizes, weights, readOut);

/**
 * @template {Ending} E
 * @param {Uint8Array<ArrayBuffer> | null} code
 * @param {Sizes} sizes
 * @param {Weights} weights
 * @param {Endings<E>} endings
 */
export function attentionLayers(code, { N: tokens, T: length, d: width, B }, weights, endings) {
  // Everything is padded with zeros to multiples of 4; they stay zeros.
  const N = upTo4(tokens), T = upTo4(length), d = upTo4(width), M = N + T, scale = 1 / Math.sqrt(width);
  const G = Math.max(1, Math.min(B, Math.floor(GROUP / (T * (d + T))))), Q = Math.max(G * length, N);
  const size = M * d * 3 + 2 * M * M + N * d * 2 + 11 * d * d + G * T * (d + T) + 2 * T * d + T * T + Q * (6 * d + N + 2 * T + 5)
    + B * T * 4 + 4 * T + N + 1024 + endings.room({ N, d, Q });
  const memory = memoryOf(code, size), { f, whole, k } = memory;
  const room = (/** @type {number} */ count) => memory.room(count);

  /** @type {(values: Floats, rows: number, columns: number, stride: number, at: number) => void} */
  const put = (values, rows, columns, stride, at) => {
    for (let i = 0; i < rows; i++) f.set(values.subarray(i * columns, (i + 1) * columns), at + i * stride);
  };
  /** @type {(at: number, rows: number, columns: number, stride: number) => Floats} */
  const take = (at, rows, columns, stride) => {
    const out = new Float32Array(rows * columns);
    for (let i = 0; i < rows; i++) out.set(f.subarray(at + i * stride, at + i * stride + columns), i * columns);
    return out;
  };
  const square = (/** @type {string} */ name) => {
    const at = room(d * d);
    put(weights[name], width, width, d, at);
    return at;
  };
  /** @type {(name: string, rows: number, columns: number) => Held} */
  const matrix = (name, rows, columns) => {
    const stride = upTo4(columns), count = upTo4(rows) * stride, [w, g, m, v] = [0, 1, 2, 3].map(() => room(count));
    put(weights[name], rows, columns, stride, w);
    return { rows, columns, stride, count, w, g, m, v };
  };

  // ---- what never changes
  const rows = room(M * d), values = room(M * d), W_U = room(N * d), W_U_T = room(d * N);
  put(weights.W_E, tokens, width, d, rows);
  put(weights.P, length, width, d, rows + N * d);
  put(weights.W_U, tokens, width, d, W_U);
  for (let j = 0; j < tokens; j++) for (let p = 0; p < width; p++) f[W_U_T + p * N + j] = f[W_U + j * d + p];
  const turned = room(M * d);
  if (weights.W_O1) {
    k.inner(rows, d, square("W_V1"), d, turned, d, M, d, d, 0);
    k.inner(turned, d, square("W_O1"), d, values, d, M, d, d, 0);
  } else k.inner(rows, d, square("W_V1"), d, values, d, M, d, d, 0);
  const ramp = room(T);
  for (let t = 0; t < T; t++) whole[ramp + t] = t + 1;

  // ---- room for one step
  const table = room(M * M), tableGrad = room(M * M);
  const x = room(G * T * d), first = room(G * T * T), value = room(T * d), xGrad = room(T * d), firstGrad = room(T * T), work = room(N);
  const own = room(Q * d), mapped = room(Q * d), mixed = room(Q * d), mixedGrad = room(Q * d), mappedGrad = room(Q * d), ownGrad = room(Q * d);
  const logits = room(Q * N), second = room(Q * T), secondGrad = room(Q * T), terms = room(2 * Q), limits = room(Q);
  const z = room(B * T), counts = room(B), places = room(B * length), targets = room(B * length);
  const frozen = /** @type {Set<string>} */ (new Set()), W_K1 = matrix("W_K1", width, width), W_K2 = matrix("W_K2", width, width);
  const ending = endings.make({ memory, N, d, width, Q, W_U, W_U_T, own, mixed, logits, ownGrad, mixedGrad, frozen, matrix, square });
  const held = /** @type {Record<string, Held>} */ ({ W_K1, W_K2, ...ending.held });
  // softmax over the tokens, not over what pads them
  const everyToken = room(Q);
  whole.fill(tokens, everyToken, everyToken + Q);
  const batch = {
    z: whole.subarray(z, z + B * T), stride: T, counts: whole.subarray(counts, counts + B),
    places: whole.subarray(places, places + B * length), targets: whole.subarray(targets, targets + B * length),
  };

  /** The table of layer 1's scores, and what the ending prepares. */
  function tables() {
    k.product(rows, d, 1, W_K1.w, d, turned, d, M, d, d, 0, 0);
    k.inner(turned, d, rows, d, table, M, M, d, M, 0);
    ending.begin();
  }

  /**
   * Both layers for the sequences from..to, whose queries start with number `start`; returns how many those are.
   * @type {(from: number, to: number, start: number) => number}
   */
  function forward(from, to, start) {
    let q = 0;
    for (let b = from; b < to; b++) {
      const n = whole[counts + b];
      if (n === 0) continue;
      const here = b - from, seen = whole[places + start + q + n - 1] + 1, map = first + here * T * T, stream = x + here * T * d;
      k.lookUpScores(table, M, N, z + b * T, seen, map, T, work);
      k.softmax(map, T, seen, upTo4(seen), scale, ramp);
      k.lookUp(values, d, N, z + b * T, seen, value);
      k.lookUp(rows, d, N, z + b * T, seen, stream);
      k.product(map, T, 1, value, d, stream, d, seen, seen, d, 1, ramp);
      k.gather(stream, d, places + start + q, n, own + q * d, 0);
      for (let i = 0; i < n; i++) whole[limits + q + i] = whole[places + start + q + i] + 1;
      q += n;
    }
    k.product(own, d, 1, W_K2.w, d, mapped, d, q, d, d, 0, 0);
    for (let b = from, i = 0; b < to; i += whole[counts + b++]) {
      const n = whole[counts + b];
      if (n === 0) continue;
      const stream = x + (b - from) * T * d, seen = whole[limits + i + n - 1];
      k.inner(mapped + i * d, d, stream, d, second + i * T, T, n, d, upTo4(seen), limits + i);
      k.softmax(second + i * T, T, n, upTo4(seen), scale, limits + i);
      k.product(second + i * T, T, 1, stream, d, mixed + i * d, d, n, seen, d, 0, limits + i);
    }
    ending.forward(q);
    return q;
  }

  /**
   * The gradient's part of the same sequences and their q queries, from that of the logits.
   * @type {(from: number, to: number, q: number) => void}
   */
  function backward(from, to, q) {
    ending.backward(q);
    if (frozen.has("W_K1") && frozen.has("W_K2")) return;
    for (let b = from, i = 0; b < to; i += whole[counts + b++]) {
      const n = whole[counts + b];
      if (n === 0) continue;
      const stream = x + (b - from) * T * d, seen = whole[limits + i + n - 1], grad = secondGrad + i * T;
      k.inner(mixedGrad + i * d, d, stream, d, grad, T, n, d, upTo4(seen), limits + i);
      k.softmaxBackward(second + i * T, T, grad, T, n, upTo4(seen), scale, limits + i);
      k.product(grad, T, 1, stream, d, mappedGrad + i * d, d, n, seen, d, 0, limits + i);
    }
    if (!frozen.has("W_K2")) k.product(own, 1, d, mappedGrad, d, W_K2.g, d, d, q, d, 1, 0);
    if (frozen.has("W_K1")) return;
    k.inner(mappedGrad, d, W_K2.w, d, ownGrad, d, q, d, d, 0);
    ending.addOwn(q);
    for (let b = from, i = 0; b < to; i += whole[counts + b++]) {
      const n = whole[counts + b];
      if (n === 0) continue;
      const seen = whole[limits + i + n - 1], at = places + (i + started);
      k.product(second + i * T, 1, T, mixedGrad + i * d, d, xGrad, d, seen, n, d, 0, 0);
      k.product(secondGrad + i * T, 1, T, mapped + i * d, d, xGrad, d, seen, n, d, 1, 0);
      k.gather(xGrad, d, at, n, ownGrad + i * d, 1);
      k.lookUp(values, d, N, z + b * T, seen, value);
      k.inner(xGrad, d, value, d, firstGrad, T, seen, d, upTo4(seen), ramp);
      k.softmaxBackward(first + (b - from) * T * T, T, firstGrad, T, seen, upTo4(seen), scale, ramp);
      k.addScores(firstGrad, T, z + b * T, seen, tableGrad, M, N, work);
    }
  }
  let started = 0;

  /**
   * The gradients of the batch in `batch`, which has n positions; returns its loss and how many positions are right.
   * @param {number} n
   */
  function gradients(n) {
    tables();
    f.fill(0, tableGrad, tableGrad + M * M);
    for (const { g, count } of Object.values(held)) f.fill(0, g, g + count);
    let loss = 0, right = 0;
    started = 0;
    for (let from = 0; from < B; from += G) {
      const to = Math.min(B, from + G), q = forward(from, to, started);
      right += k.crossEntropy(logits, N, q, tokens, targets + started, 1 / n, terms);
      for (let i = 0; i < q; i++) loss += (Math.log(f[terms + 2 * i]) - f[terms + 2 * i + 1]) / n;
      backward(from, to, q);
      started += q;
    }
    if (!frozen.has("W_K1")) {
      k.product(tableGrad, M, 1, rows, d, turned, d, M, M, d, 0, 0);
      k.product(rows, 1, d, turned, d, W_K1.g, d, d, M, d, 0, 0);
    }
    ending.finish();
    return { loss, right };
  }

  /**
   * One update of what is not frozen; `t` counts Adam's updates from 1.
   * @param {{ optimizer: string, lr: number, momentum: number, decay: number, t: number }} how
   */
  function update({ optimizer, lr, momentum, decay, t }) {
    for (const [name, { w, g, m, v, count }] of Object.entries(held)) {
      if (frozen.has(name)) continue;
      if (optimizer === "sgd") k.sgd(w, g, m, count, lr, momentum, decay);
      else k.adam(w, g, m, v, count, lr / (1 - 0.9 ** t), Math.sqrt(1 - 0.999 ** t), 1 - lr * decay, 0.9, 0.999, 1e-8);
    }
  }

  return {
    batch, frozen, gradients, update, vectors: memory.vectors, ending,
    /** @type {(name: string, part?: "w" | "g" | "m" | "v") => Floats} */
    matrix: (name, part = "w") => take(held[name][part], held[name].rows, held[name].columns, held[name].stride),
    /** @type {(name: string, part: "w" | "m" | "v", values: Floats) => void} */
    set: (name, part, values) => put(values, held[name].rows, held[name].columns, held[name].stride, held[name][part]),
    /**
     * The probabilities at each position of the batch that counts, one after the other.
     * @param {(index: number, probabilities: Floats) => void} visit
     */
    evaluate(visit) {
      tables();
      let from = 0;
      for (let b = 0; b < B; b += G) {
        const q = forward(b, Math.min(B, b + G), from);
        k.softmax(logits, N, q, N, 1, everyToken);
        for (let i = 0; i < q; i++) visit(from + i, f.subarray(logits + i * N, logits + i * N + tokens));
        from += q;
      }
    },
    /** The memories in their bases, as induction_memory_maps: rows are queries, or what the values predict. */
    maps() {
      tables();
      k.product(rows, d, 1, W_K2.w, d, turned, d, N, d, d, 0, 0);
      k.inner(turned, d, values, d, tableGrad, M, N, d, N, 0);
      const seconds = take(tableGrad, tokens, tokens, M);
      f.copyWithin(mixed, rows, rows + tokens * d);
      f.fill(0, own, own + tokens * d);
      ending.forward(tokens);
      const from = take(logits, tokens, tokens, N), copies = from.map((_, at) => from[(at % tokens) * tokens + Math.floor(at / tokens)]);
      return { W_K1: take(table + N * M + N, length, length, M), W_K2: seconds, W_O2: copies };
    },
    /**
     * Both attention maps (t, t) and the logits (t, N) on one sequence of t tokens.
     * @param {number[]} sequence
     */
    look(sequence) {
      const t = sequence.length, kept = [z, counts, places].map((at) => whole.slice(at, at + T));
      whole.set(sequence, z);
      whole[counts] = t;
      for (let i = 0; i < t; i++) whole[places + i] = i;
      tables();
      forward(0, 1, 0);
      [z, counts, places].forEach((at, i) => whole.set(kept[i], at));
      return { attention: [take(first, t, t, T), take(second, t, t, T)], logits: take(logits, t, tokens, N) };
    },
  };
}
