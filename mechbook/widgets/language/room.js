// @ts-check
// The memory that a model lies in: its file as it is, and behind it whatever is computed. The kernels see both.
import { Refused } from "./refused.js";

/**
 * The functions of kernels.ts. Addresses count float32 numbers, those of packed weights and of float64 numbers bytes.
 * @typedef {{
 *   multiply(kind: number, w: number, rows: number, k: number, x: number, xi: number, n: number, y: number, yi: number,
 *     work: number): void,
 *   unpack(kind: number, source: number, count: number, out: number): void,
 *   inner(a: number, ai: number, b: number, bi: number, c: number, ci: number, n: number, k: number, m: number,
 *     limits: number): void,
 *   product(a: number, ai: number, ap: number, b: number, bi: number, c: number, ci: number, n: number, k: number,
 *     m: number, add: number, limits: number): void,
 *   softmax(x: number, xi: number, n: number, width: number, scale: number, limits: number): void,
 *   rms(x: number, xi: number, weights: number, out: number, oi: number, n: number, d: number, epsilon: number): void,
 *   rotate(x: number, xi: number, n: number, heads: number, d: number, cosines: number, sines: number): void,
 *   gated(g: number, u: number, n: number): void, add(x: number, y: number, n: number): void,
 *   gram(s: number, n: number, k: number, g: number, from: number, to: number): void,
 *   tridiagonal(A: number, n: number, d: number, work: number, from: number, to: number): void,
 *   diagonal(d: number, work: number, Z: number, n: number, from: number, to: number): number,
 *   reflected(A: number, n: number, work: number, Z: number, from: number, to: number): void,
 * }} Kernels
 */
/** @typedef {ReturnType<typeof roomFor>} Room */

/** Where the file begins: a multiple of the alignment of its tensors. */
const FIRST = 1024, PAGE = 65536;
/** Addresses are int32 numbers. */
const MOST = 2 ** 31 - 2 ** 28;

/**
 * A memory for a file of so many bytes. Throws Refused where it is too large, or the browser has no such memory.
 * @param {Uint8Array<ArrayBuffer>} code the compiled kernels
 * @param {number} bytes
 */
export function roomFor(code, bytes) {
  if (typeof WebAssembly !== "object" || !WebAssembly.validate(code)) {
    throw new Refused("This browser has no WebAssembly with vectors, which the model needs.");
  }
  if (!(bytes >= 0 && bytes <= MOST)) {
    throw new Refused(
      `The file has ${Math.round(bytes / 1e6)} MB; at most ${Math.round(MOST / 1e6)} can be opened here.`,
    );
  }
  const little = () => new Refused(`There is not enough memory for a model of ${Math.round(bytes / 1e6)} MB.`);
  /** @template T @param {() => T} make @returns {T} */
  function had(make) {
    try {
      return make();
    } catch (error) {
      if (error instanceof WebAssembly.CompileError) throw new Refused("This page may not run WebAssembly, which the model needs.");
      throw error instanceof RangeError ? little() : error;
    }
  }
  let end = FIRST + bytes;
  const memory = had(() => new WebAssembly.Memory({ initial: Math.ceil(end / PAGE) + 1 }));
  const { exports } = had(() => new WebAssembly.Instance(new WebAssembly.Module(code), { env: { memory } }));
  const views = () => /** @type {const} */ ([
    new Float32Array(memory.buffer), new Int32Array(memory.buffer), new Float64Array(memory.buffer),
  ]);
  let [f, whole, wide] = views();

  /** `count` bytes more, from a multiple of 64 on. @param {number} count */
  function more(count) {
    const start = Math.ceil(end / 64) * 64, missing = start + count - memory.buffer.byteLength;
    if (start + count > MOST + 2 ** 27) throw little();
    if (missing > 0) {
      had(() => memory.grow(Math.ceil(missing / PAGE)));
      [f, whole, wide] = views();
    }
    end = start + count;
    return start;
  }

  return {
    k: /** @type {Kernels} */ (/** @type {unknown} */ (exports)),
    /** The whole memory as float32, int32 and float64 numbers: to be asked for anew where room was taken since. */
    get f() { return f; },
    get whole() { return whole; },
    get wide() { return wide; },
    get bytes() { return memory.buffer.byteLength; },
    /** The file's bytes. */
    get file() { return new Uint8Array(memory.buffer, FIRST, bytes); },
    /** Where a byte of the file lies in the memory. @param {number} offset */
    place: (offset) => FIRST + offset,
    /** Room for so many float32 numbers: where it begins, in such numbers. @param {number} count */
    floats: (count) => more(4 * count) / 4,
    /** Room for so many float64 numbers: where it begins, in bytes. @param {number} count */
    doubles: (count) => more(8 * count),
  };
}
