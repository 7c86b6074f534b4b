// @ts-check
// The memory that the kernels work on, and the kernels: WebAssembly's, or the plain ones where a browser has no vectors.
import { plain } from "./plain.js";

/** @typedef {ReturnType<typeof plain>} Kernels */
/**
 * A memory as float32 and as int32 numbers, its kernels, whether they are WebAssembly's, and what takes room for `count`
 * numbers (0 each), which starts at a multiple of 4.
 * @typedef {{ f: Float32Array<ArrayBuffer>, whole: Int32Array<ArrayBuffer>, k: Kernels, vectors: boolean, room(count: number): number }} Memory
 */

const PAGE = 65536;

/**
 * Whether this browser runs the compiled kernels.
 * @param {Uint8Array<ArrayBuffer> | null} code
 */
export const runs = (code) => code !== null && typeof WebAssembly === "object" && WebAssembly.validate(code);

/**
 * The kernels; null where a page's rules forbid to compile what they could run, and then the plain ones do.
 * @param {Uint8Array<ArrayBuffer>} code
 */
function allowed(code) {
  try {
    return new WebAssembly.Module(code);
  } catch (error) {
    if (error instanceof WebAssembly.CompileError) return null;
    throw error;
  }
}

/**
 * A memory with room for `count` numbers; without code that this browser runs, with the plain kernels.
 * @param {Uint8Array<ArrayBuffer> | null} code
 * @param {number} count
 * @returns {Memory}
 */
export function memoryOf(code, count) {
  const pages = Math.ceil((4 * count) / PAGE) + 1;
  let used = 16;
  /** @param {ArrayBuffer} buffer */
  const views = (buffer) => ({
    f: new Float32Array(buffer), whole: new Int32Array(buffer),
    room(/** @type {number} */ wanted) {
      const start = used;
      used += (wanted + 3) & ~3;
      if (used > pages * (PAGE / 4)) throw new RangeError("The memory is full.");
      return start;
    },
  });
  const compiled = code && runs(code) ? allowed(code) : null;
  if (compiled) {
    const memory = new WebAssembly.Memory({ initial: pages });
    const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
    return { ...views(memory.buffer), k: /** @type {any} */ (exports), vectors: true };
  }
  const { f, whole, room } = views(new ArrayBuffer(pages * PAGE));
  return { f, whole, room, k: plain(f, whole), vectors: false };
}
