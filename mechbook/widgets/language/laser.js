// @ts-check
// LASER in the page: a matrix is decomposed once, and is then there at every rank, as two factors and never as a
// matrix. The shorter side's Gram matrix is G = S S^T = U diag(s^2) U^T, in float64, with S = W or W^T; the terms of W
// are the columns of U times the rows of A = U^T S, the largest first.
import { Refused } from "./refused.js";

/** @typedef {import("./model.js").Model} Model */
/** @typedef {import("./model.js").Factors} Factors */
/** @typedef {import("./shape.js").MatrixName} MatrixName */
/** @typedef {{ layer: number, name: MatrixName, factors: Factors, values: Float32Array, at: number }} Decomposed */

/** So many decompositions are kept, of about 5 MB each for the book's model. */
const KEPT = 4;
/** A stage of a decomposition goes through so many rows at a time. */
const STRETCH = 4;
const NAMES = ["q", "k", "v", "o", "mlp_in", "mlp_gate", "mlp_out"];

/**
 * The decompositions of a model's matrices; `of` makes one, or finds it.
 * @param {import("./room.js").Room} room
 * @param {Model} model
 */
export function decompositions(room, model) {
  const { k } = room, { shape, checkBlock } = model;
  const { d, wide, heads, size } = shape, own = heads * size;
  /** The largest matrix's: its two factors are as long together as its sides, for each of its terms. */
  const most = [[d, own], [d, wide]].map(([a, b]) => Math.min(a, b) * (a + b)).reduce((a, b) => Math.max(a, b));
  /** @type {Decomposed[]} */
  const kept = [];
  /**
   * Where work is done: of the largest matrix, made when first needed.
   * @type {{ S: number, A: number, G: number, Z: number, d: number, work: number, U: number } | null}
   */
  let place = null;

  function places() {
    const long = Math.max(d * wide, d * own), side = Math.max(...[[d, own], [d, wide]].map(([a, b]) => Math.min(a, b)));
    return {
      S: room.floats(long), A: room.floats(long), G: room.doubles(side * side), Z: room.doubles(side * side),
      d: room.doubles(side), work: room.doubles(3 * side),
      U: room.floats(side * side),
    };
  }

  /**
   * `from` (n, m) transposed into `to` (m, n), in numbers of the memory.
   * @param {number} from
   * @param {number} n
   * @param {number} m
   * @param {number} to
   */
  function transpose(from, n, m, to) {
    const { f } = room;
    for (let i = 0; i < n; i += 16) {
      for (let j = 0; j < m; j++) for (let r = i; r < Math.min(i + 16, n); r++) f[to + j * n + r] = f[from + r * m + j];
    }
  }

  /**
   * The eigenvalues of S S^T, S (n, m), and its eigenvectors as the rows of Z; whether they were found.
   * @param {number} n
   * @param {number} m
   */
  function eigen(n, m) {
    const { S, G, Z, d: values, work } = /** @type {NonNullable<typeof place>} */ (place);
    for (let i = 0; i < n; i += STRETCH) k.gram(S, n, m, G, i, i + STRETCH);
    for (let i = 0; i < n; i += STRETCH) k.tridiagonal(G, n, values, work, i, i + STRETCH);
    room.wide.fill(0, Z / 8, Z / 8 + n * n);
    for (let i = 0; i < n; i++) room.wide[Z / 8 + i * (n + 1)] = 1;
    for (let i = 0; i < n; i += STRETCH) if (!k.diagonal(values, work, Z, n, i, i + STRETCH)) return false;
    for (let i = 0; i < n; i += STRETCH) k.reflected(G, n, work, Z, i, i + STRETCH);
    return true;
  }

  /** @param {number} layer @param {MatrixName} name @param {number} at @returns {Decomposed} */
  function decompose(layer, name, at) {
    const W = shape.blocks[layer][name], { rows, width, kind } = W, wideW = rows <= width;
    const n = Math.min(rows, width), m = Math.max(rows, width);
    place ??= places();
    const { S, A, Z, U } = place, values = place.d;
    k.unpack(kind, room.place(W.offset), rows * width, wideW ? S : A);
    if (!wideW) transpose(A, rows, width, S);
    if (!eigen(n, m)) {
      throw new Refused(`Block ${layer}'s ${name} cannot be decomposed: it has numbers that are none.`);
    }
    const squares = room.wide.subarray(values / 8, values / 8 + n);
    const order = Array.from(squares.keys()).sort((a, b) => squares[b] - squares[a]);
    order.forEach((from, to) => room.f.set(room.wide.subarray(Z / 8 + from * n, Z / 8 + (from + 1) * n), U + to * n));
    k.product(U, n, 1, S, m, A, m, n, n, m, 0, 0);
    // wide: W = U A, left = A (n, width), right = U (rows, n)
    // high: W = A^T U^T, left = U^T (n, width), right = A^T (rows, n)
    const left = at, right = at + n * width;
    room.f.copyWithin(left, wideW ? A : U, (wideW ? A : U) + n * width);
    transpose(wideW ? U : A, n, rows, right);
    const singular = Float32Array.from(order, (i) => Math.sqrt(Math.max(0, squares[i])));
    return { layer, name, factors: { left, right, full: n }, values: singular, at };
  }

  return {
    /** @param {number} layer @param {string} name @returns {Decomposed} */
    of(layer, name) {
      checkBlock(layer);
      if (!NAMES.includes(name)) {
        throw new Refused(`There is no matrix ${JSON.stringify(name)}: a block has ${NAMES.join(", ")}.`);
      }
      const found = kept.findIndex((one) => one.layer === layer && one.name === name);
      const old = found >= 0 ? kept.splice(found, 1)[0] : null;
      const at = old?.at ?? (kept.length < KEPT ? room.floats(most) : /** @type {Decomposed} */ (kept.shift()).at);
      const one = old ?? decompose(layer, /** @type {MatrixName} */ (name), at);
      kept.push(one);
      return one;
    },
    /** The rank that a fraction of a matrix's stands for: floor(rho full). @param {number} rho @param {number} full */
    rank(rho, full) {
      if (!(rho >= 0 && rho <= 1)) {
        throw new Refused(`rho is ${rho}; the fraction of the rank that is kept lies between 0 and 1.`);
      }
      // 0.29 x 100 is 28.999999999999996 in floating point
      return Math.floor(rho * full + 1e-9);
    },
  };
}
