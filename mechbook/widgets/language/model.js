// @ts-check
// A Llama's forward pass over one prompt, block by block, from any block on. What entered each block is kept with the
// prompt, so that a change in block l costs the blocks from l on, and everything but the file is small.
import { Refused } from "./refused.js";

/** @typedef {import("./room.js").Room} Room */
/** @typedef {import("./shape.js").Shape} Shape */
/** @typedef {import("./shape.js").MatrixName} MatrixName */
/** @typedef {import("./gguf.js").Tensor} Tensor */
/**
 * The two factors of a matrix W cut to the rank r: y = right[:, :r] (left[:r] x); `left` has rows of W's width, `right`
 * rows of `full` numbers. Addresses count float32 numbers.
 * @typedef {{ left: number, right: number, full: number }} Factors
 */
/**
 * What is done to the model: one matrix cut to a rank, and heads, each [block, head], whose values are 0 from all
 * positions on or at the last one only.
 * @typedef {{ layer: number, name: MatrixName, rank: number, factors: Factors }} Cut
 * @typedef {{ cut?: Cut | null, off?: [number, number][], where?: "all" | "last" }} Change
 */
/**
 * A prompt as the model has read it: what entered each block and what left the last one, (blocks + 1) times (T, d), and
 * what each block's heads gave at the last position, (heads x size) numbers.
 * @typedef {{ ids: number[], entering: Float32Array[], values: Float32Array[] }} Seen
 */
/** @typedef {ReturnType<typeof modelOf>} Model */

/** How many rows of logits there is room for. */
export const ROWS = 8;
const WORK = 8 * 768;

/** @param {number} n */
const upTo4 = (n) => (n + 3) & ~3;

/**
 * @param {Room} room with the whole file
 * @param {Shape} shape
 * @param {number} [most] the longest prompt, in tokens
 */
export function modelOf(room, shape, most = 128) {
  const { k } = room, { d, heads, groups, size, wide, N, blocks, epsilon } = shape;
  const own = heads * size, shared = groups * size;
  const longest = Math.min(most, shape.context), rows = upTo4(Math.max(longest, heads));
  const of = (/** @type {number} */ width) => room.floats(rows * width);
  const x = of(d), h = of(d), a = of(d), q = of(own), z = of(own), keys = of(shared), values = of(shared);
  const scores = of(rows), gate = of(wide), up = of(wide), low = of(Math.max(d, own, wide));
  const cosines = of(size), sines = of(size), limits = of(1);
  const work = room.floats(WORK), read = room.floats(ROWS * d), out = room.floats(ROWS * upTo4(N));
  for (let t = 0; t < rows; t++) {
    room.whole[limits + t] = t + 1;
    for (let i = 0; i < size; i++) {
      const angle = t * shape.base ** (-2 * (i >> 1) / size);
      room.f[cosines + t * size + i] = Math.cos(angle);
      room.f[sines + t * size + i] = i % 2 ? Math.sin(angle) : -Math.sin(angle);
    }
  }

  /**
   * y (n, rows of W) = x (n, width of W) times W transposed.
   * @param {Tensor} W
   * @param {number} from
   * @param {number} n
   * @param {number} to
   */
  function packed({ kind, offset, rows: high, width }, from, n, to) {
    k.multiply(kind, room.place(offset), high, width, from, width, n, to, high, work);
  }

  /**
   * The same with a matrix of a block, cut where it is to be.
   * @type {(layer: number, name: MatrixName, from: number, n: number, to: number, change: Change) => void}
   */
  function matrix(layer, name, from, n, to, { cut }) {
    const W = blocks[layer][name];
    if (!cut || cut.layer !== layer || cut.name !== name || cut.rank >= cut.factors.full) return packed(W, from, n, to);
    const { rank, factors: { left, right, full } } = cut, padded = upTo4(rank);
    if (!rank) return void room.f.fill(0, to, to + n * W.rows);
    k.inner(from, W.width, left, W.width, low, padded, n, W.width, padded, 0);
    for (let i = 0; i < n; i++) room.f.fill(0, low + i * padded + rank, low + (i + 1) * padded);
    k.inner(low, padded, right, full, to, W.rows, n, padded, W.rows, 0);
  }

  /**
   * A block on the n rows of x; with `from`, only rows from there on are computed further. `patterns`, where given,
   * becomes the heads' attention, (heads, n - from, n).
   * @type {(layer: number, n: number, from: number, change: Change, patterns?: Float32Array | null) => void}
   */
  function block(layer, n, from, change, patterns = null) {
    const { norm1, norm2 } = blocks[layer], m = n - from, stride = upTo4(n), lengths = limits + from;
    const mine = x + from * d;
    k.rms(x, d, room.place(norm1.offset) / 4, h, d, n, d, epsilon);
    matrix(layer, "q", h + from * d, m, q, change);
    matrix(layer, "k", h, n, keys, change);
    matrix(layer, "v", h, n, values, change);
    k.rotate(q, own, m, heads, size, cosines + from * size, sines + from * size);
    k.rotate(keys, shared, n, groups, size, cosines, sines);
    for (let head = 0; head < heads; head++) {
      const group = Math.floor((head * groups) / heads) * size;
      k.inner(q + head * size, own, keys + group, shared, scores, stride, m, size, n, lengths);
      k.softmax(scores, stride, m, stride, 1 / Math.sqrt(size), lengths);
      for (let t = 0; patterns && t < m; t++) {
        const row = scores + t * stride;
        patterns.set(room.f.subarray(row, row + n), (head * m + t) * n);
      }
      k.product(scores, stride, 1, values + group, shared, z + head * size, own, m, n, size, 0, lengths);
    }
    for (const [at, head] of change.off ?? []) {
      if (at !== layer) continue;
      for (let t = change.where === "last" ? m - 1 : 0; t < m; t++) {
        const one = z + t * own + head * size;
        room.f.fill(0, one, one + size);
      }
    }
    matrix(layer, "o", z, m, a, change);
    k.add(mine, a, m * d);
    k.rms(mine, d, room.place(norm2.offset) / 4, h, d, m, d, epsilon);
    matrix(layer, "mlp_gate", h, m, gate, change);
    matrix(layer, "mlp_in", h, m, up, change);
    k.gated(gate, up, m * wide);
    matrix(layer, "mlp_out", gate, m, a, change);
    k.add(mine, a, m * d);
  }

  /** The rows of x. @param {number} n */
  const stream = (n) => room.f.slice(x, x + n * d);

  /**
   * The logits of up to 8 rows of the residual stream, row by row: views that hold until something else is computed.
   * @param {Float32Array} from
   */
  function logits(from) {
    const n = from.length / d, stride = upTo4(N);
    room.f.set(from, read);
    k.rms(read, d, room.place(shape.norm.offset) / 4, read, d, n, d, epsilon);
    k.multiply(shape.out.kind, room.place(shape.out.offset), N, d, read, d, n, out, stride, work);
    return Array.from({ length: n }, (_, i) => room.f.subarray(out + i * stride, out + i * stride + N));
  }

  /** The blocks that a change touches. @param {Change} change */
  const touched = ({ cut, off }) => [...(cut ? [cut.layer] : []), ...(off ?? []).map(([layer]) => layer)];

  /** The first block that a change touches; how many there are where none is. @param {Change} change */
  const first = (change) => Math.min(blocks.length, ...touched(change));

  /** A change of blocks or heads that there are not is refused. @param {Change} change */
  function check(change) {
    const { cut, off } = change;
    touched(change).forEach(checkBlock);
    for (const [, head] of off ?? []) if (!(Number.isInteger(head) && head >= 0 && head < heads)) {
      throw new Refused(`There is no head ${head}: a block has heads 0 to ${heads - 1}.`);
    }
    if (cut && !(Number.isInteger(cut.rank) && cut.rank >= 0 && cut.rank <= cut.factors.full)) {
      throw new Refused(`The rank is ${cut.rank}; of this matrix it is between 0 and ${cut.factors.full}.`);
    }
  }
  /** @param {number} layer */
  function checkBlock(layer) {
    if (!(Number.isInteger(layer) && layer >= 0 && layer < blocks.length)) {
      throw new Refused(`There is no block ${layer}: the model has blocks 0 to ${blocks.length - 1}.`);
    }
  }

  /**
   * Run the blocks from the first that a change touches to before `stop` over a prompt; returns what entered each block
   * and its heads' values, of the prompt itself where nothing changed.
   * @param {Seen} seen
   * @param {Change} change
   * @param {number} [stop]
   * @param {number} [begin] an earlier block
   * @returns {Seen}
   */
  function rerun(seen, change, stop = blocks.length, begin = first(change)) {
    check(change);
    const n = seen.ids.length, start = Math.min(begin, stop);
    const entering = seen.entering.slice(0, start + 1), kept = seen.values.slice(0, start);
    room.f.set(seen.entering[start], x);
    for (let layer = start; layer < stop; layer++) {
      block(layer, n, 0, change);
      entering.push(stream(n));
      kept.push(room.f.slice(z + (n - 1) * own, z + n * own));
    }
    return { ids: seen.ids, entering, values: kept };
  }

  return {
    shape, longest, checkBlock,
    /** A prompt of token numbers, read by the model as it is. @param {number[]} ids */
    read(ids) {
      if (!ids.length) throw new Refused("The prompt is empty: the model needs a word to go on from.");
      if (ids.length > longest) {
        throw new Refused(`The prompt has ${ids.length} tokens; up to ${longest} are read here.`);
      }
      if (ids.some((id) => !(Number.isInteger(id) && id >= 0 && id < N))) {
        throw new Refused(`A token lies outside of the ${N} that there are.`);
      }
      const { kind, offset, bytes } = shape.embed;
      ids.forEach((id, t) => k.unpack(kind, room.place(offset + (id * bytes) / N), d, x + t * d));
      return rerun({ ids: [...ids], entering: [stream(ids.length)], values: [] }, {}, blocks.length, 0);
    },
    rerun,
    /**
     * The logits that follow a prompt, (N): the same as of `rerun`, and nothing but them is computed or kept.
     * @param {Seen} seen
     * @param {Change} change
     */
    next(seen, change) {
      check(change);
      const n = seen.ids.length, start = first(change);
      room.f.set(seen.entering[start], x);
      for (let layer = start; layer < blocks.length; layer++) {
        block(layer, n, layer === blocks.length - 1 ? n - 1 : 0, change);
      }
      return logits(room.f.slice(x + (n - 1) * d, x + n * d));
    },
    /**
     * Every head's attention in a block, (heads, T, T), each row from its position to those before and itself.
     * @param {Seen} seen
     * @param {number} layer
     * @param {Change} change
     */
    attention(seen, layer, change) {
      checkBlock(layer);
      const n = seen.ids.length, before = rerun(seen, change, layer), patterns = new Float32Array(heads * n * n);
      room.f.set(before.entering[layer], x);
      block(layer, n, 0, change, patterns);
      return patterns;
    },
    /**
     * What a block's output matrix of the heads, cut or not, writes for rows of their values: (n, d).
     * @type {(layer: number, from: Float32Array, change: Change) => Float32Array}
     */
    written(layer, from, change) {
      const n = from.length / own;
      room.f.set(from, z);
      matrix(layer, "o", z, n, a, change);
      return room.f.slice(a, a + n * d);
    },
    /** `count` packed numbers of the file. @param {number} kind @param {number} offset @param {number} count */
    unpacked(kind, offset, count) {
      k.unpack(kind, room.place(offset), count, gate);
      return room.f.slice(gate, gate + count);
    },
    /**
     * `use` of the logits of each row of the residual stream, any number of them.
     * @template T
     * @param {Float32Array} from
     * @param {(logits: Float32Array, row: number) => T} use
     */
    each(from, use) {
      /** @type {T[]} */
      const all = [];
      for (let t = 0; t < from.length / d; t += ROWS) {
        logits(from.subarray(t * d, (t + ROWS) * d)).forEach((row, i) => all.push(use(row, t + i)));
      }
      return all;
    },
  };
}
