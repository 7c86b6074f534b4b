// @ts-check
// A GGUF file (llama.cpp's format) as bytes: what it says of itself and where its tensors lie. Nothing is unpacked.
import { Refused } from "./refused.js";

/**
 * A tensor where it lies: `offset` and `bytes` in the file, `width` numbers in each of `rows` rows, `kind` as the file
 * counts the ways to keep numbers.
 * @typedef {{ name: string, kind: number, width: number, rows: number, offset: number, bytes: number }} Tensor
 */
/** @typedef {{ values: Map<string, any>, tensors: Map<string, Tensor> }} Described */

/** The kinds that can be read: how many numbers share a block, and its bytes. */
export const KINDS = new Map([
  [0, { name: "F32", numbers: 1, bytes: 4 }],
  [1, { name: "F16", numbers: 1, bytes: 2 }],
  [3, { name: "Q4_1", numbers: 32, bytes: 20 }],
  [8, { name: "Q8_0", numbers: 32, bytes: 34 }],
]);
/** Other kinds by name, for the sentence that refuses them. */
const OTHERS = new Map([
  [2, "Q4_0"], [6, "Q5_0"], [7, "Q5_1"], [9, "Q8_1"], [10, "Q2_K"], [11, "Q3_K"], [12, "Q4_K"], [13, "Q5_K"],
  [14, "Q6_K"], [15, "Q8_K"], [16, "IQ2_XXS"], [17, "IQ2_XS"], [18, "IQ3_XXS"], [20, "IQ4_NL"], [23, "IQ4_XS"],
  [30, "BF16"],
]);
const READS = [...KINDS.values()].map(({ name }) => name).join(", ");
/** "GGUF" as a little-endian number. */
const MAGIC = 0x46554747;
const STRING = 8, ARRAY = 9;
/** Bytes of each type of value; a string has 8 at least, and so has a nested array (more, in truth). */
const SIZES = [1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8];
/** More than any model has; a larger number is a fault of the file. */
const MOST = 1e5, MOST_NUMBERS = 2 ** 40;

/**
 * Read the front of a file. Throws Refused for what is no GGUF, is cut, or says what cannot be.
 * @param {Uint8Array<ArrayBuffer>} file all its bytes
 * @returns {Described}
 */
export function describe(file) {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let at = 0;
  const cut = () => new Refused("The file is cut: it ends within its own description.");
  const absurd = (/** @type {string} */ what) => new Refused(`The file is damaged: it says ${what}.`);

  /** @param {number} bytes */
  function take(bytes) {
    if (at + bytes > file.length) throw cut();
    at += bytes;
    return at - bytes;
  }
  const u32 = () => view.getUint32(take(4), true);
  const u64 = () => Number(view.getBigUint64(take(8), true));

  /** @param {string} what */
  function count(what) {
    const found = u64();
    if (found > MOST) throw absurd(`it has ${found.toExponential(2)} ${what}`);
    return found;
  }

  function text() {
    const length = u64();
    if (length > file.length - at) throw cut();
    const start = take(length);
    return decoder.decode(file.subarray(start, start + length));
  }

  /** @type {((start: number) => any)[]} */
  const numbers = [
    (p) => view.getUint8(p), (p) => view.getInt8(p), (p) => view.getUint16(p, true), (p) => view.getInt16(p, true),
    (p) => view.getUint32(p, true), (p) => view.getInt32(p, true), (p) => view.getFloat32(p, true),
    (p) => view.getUint8(p) !== 0, cut, cut,
    (p) => Number(view.getBigUint64(p, true)), (p) => Number(view.getBigInt64(p, true)),
    (p) => view.getFloat64(p, true),
  ];

  /** @param {number} type @param {number} deep @returns {any} */
  function value(type, deep) {
    if (type >= SIZES.length) throw absurd(`a value is of type ${type}`);
    if (type === STRING) return text();
    if (type !== ARRAY) return numbers[type](take(SIZES[type]));
    const inner = u32(), length = u64();
    if (inner >= SIZES.length || deep > 2) throw absurd(`a list is of type ${inner}`);
    if (length * SIZES[inner] > file.length - at) throw cut();
    return Array.from({ length }, () => value(inner, deep + 1));
  }

  if (file.length < 24 || view.getUint32(0, true) !== MAGIC) {
    throw new Refused("This is no GGUF file: it does not begin as one.");
  }
  at = 4;
  const version = u32();
  if (version !== 2 && version !== 3) {
    throw new Refused(`The file is of GGUF's version ${version}; versions 2 and 3 are read here.`);
  }
  const tensors = count("tensors"), pairs = count("values");
  /** @type {Map<string, any>} */
  const values = new Map();
  for (let i = 0; i < pairs; i++) {
    const key = text();
    values.set(key, value(u32(), 0));
  }
  /** @type {Map<string, Tensor>} */
  const found = new Map();
  for (let i = 0; i < tensors; i++) {
    const name = text(), axes = u32();
    if (axes < 1 || axes > 4) throw absurd(`${name} has ${axes} axes`);
    const shape = Array.from({ length: axes }, u64), kind = u32(), offset = u64();
    const all = shape.reduce((product, size) => product * size, 1);
    if (!(all > 0 && all < MOST_NUMBERS)) throw absurd(`${name} has ${shape.join(" x ")} numbers`);
    if (found.has(name)) throw absurd(`it has ${name} twice`);
    found.set(name, { name, kind, width: shape[0], rows: all / shape[0], offset, bytes: 0 });
  }
  const step = values.get("general.alignment") ?? 32;
  if (!(Number.isInteger(step) && step >= 8 && step % 8 === 0)) throw absurd(`its alignment is ${step}`);
  const start = Math.ceil(at / step) * step;
  for (const tensor of found.values()) place(tensor, start, file.length);
  return { values, tensors: found };
}

/**
 * Completes a tensor's place in a file of `length` bytes, whose tensors begin at `start`.
 * @param {Tensor} tensor
 * @param {number} start
 * @param {number} length
 */
function place(tensor, start, length) {
  const { name, kind, width, rows } = tensor, known = KINDS.get(kind);
  if (!known) {
    const called = OTHERS.get(kind) ?? `kind ${kind}`;
    throw new Refused(`The file keeps ${name} as ${called}, which is not read here: take one in ${READS}.`);
  }
  if (width % known.numbers) {
    throw new Refused(`The file is damaged: rows of ${name} have ${width} numbers, which ${known.name} cannot keep.`);
  }
  tensor.bytes = (width / known.numbers) * known.bytes * rows;
  tensor.offset += start;
  if (!(tensor.offset + tensor.bytes <= length)) {
    throw new Refused(
      `The file is cut: ${name} ends at byte ${tensor.offset + tensor.bytes}, and the file at ${length}.`,
    );
  }
}
