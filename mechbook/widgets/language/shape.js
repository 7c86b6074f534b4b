// @ts-check
// Which model a file holds: its sizes, and each tensor in its place. Another kind of model is refused, in one sentence.
import { Refused } from "./refused.js";

/** @typedef {import("./gguf.js").Tensor} Tensor */
/**
 * A block's matrices, by the book's names.
 * @typedef {"q" | "k" | "v" | "o" | "mlp_in" | "mlp_gate" | "mlp_out"} MatrixName
 */
/** @typedef {{ norm1: Tensor, norm2: Tensor } & Record<MatrixName, Tensor>} BlockTensors */
/**
 * A model: width d, blocks, heads and key-value heads of `size` numbers each, the MLP's width, N tokens; where numbers
 * lie; what the file says of its origin.
 * @typedef {{
 *   d: number, heads: number, groups: number, size: number, wide: number, N: number, context: number, epsilon: number,
 *   base: number, blocks: BlockTensors[], embed: Tensor, norm: Tensor, out: Tensor, about: Record<string, string>,
 * }} Shape
 */

/** @type {Record<string, MatrixName | "norm1" | "norm2">} */
const PARTS = {
  attn_norm: "norm1", attn_q: "q", attn_k: "k", attn_v: "v", attn_output: "o", ffn_norm: "norm2", ffn_up: "mlp_in",
  ffn_gate: "mlp_gate", ffn_down: "mlp_out",
};
const WHOLE = ["token_embd.weight", "output_norm.weight", "output.weight"];
/** What of the architecture is honoured, or changes nothing that is computed. */
const KNOWN = new Set([
  "context_length", "embedding_length", "block_count", "feed_forward_length", "vocab_size", "attention.head_count",
  "attention.head_count_kv", "attention.layer_norm_rms_epsilon", "attention.key_length", "attention.value_length",
  "rope.freq_base", "rope.dimension_count", "rope.scaling.type", "rope.scaling.factor", "rope.scale_linear",
  "rope.scaling.original_context_length",
]);
const F32 = 0;

/**
 * The shape of a Llama in a file that `describe` has read. Throws Refused for another model, and impossible sizes.
 * @param {import("./gguf.js").Described} described
 * @returns {Shape}
 */
export function shapeOf({ values, tensors }) {
  const kind = values.get("general.architecture");
  if (kind !== "llama") {
    throw new Refused(
      `The file holds a model of the architecture ${JSON.stringify(kind ?? "none")}; Llama's are read here.`,
    );
  }
  if ((values.get("split.count") ?? 1) > 1) {
    throw new Refused("The file is one of several parts of a model: join them first.");
  }
  for (const key of values.keys()) {
    if (key.startsWith("llama.") && !KNOWN.has(key.slice(6))) {
      throw new Refused(`The file says ${key}, which may change what is computed and is unknown here.`);
    }
  }
  /** @param {string} key @param {number} [otherwise] @returns {number} */
  function size(key, otherwise) {
    const found = values.get(`llama.${key}`) ?? otherwise;
    if (Number.isInteger(found) && found > 0 && found < 1e7) return found;
    throw new Refused(
      `The file is damaged: llama.${key} is ${JSON.stringify(found ?? "missing")}, where a whole number above 0 is ` +
        "needed.",
    );
  }
  /** @param {string} key @param {number} [otherwise] @returns {number} */
  function number(key, otherwise) {
    const found = values.get(`llama.${key}`) ?? otherwise;
    if (typeof found === "number" && found > 0 && found < Infinity) return found;
    throw new Refused(
      `The file is damaged: llama.${key} is ${JSON.stringify(found ?? "missing")}, where a number above 0 is needed.`,
    );
  }
  const scaled = values.get("llama.rope.scaling.type") ?? "none";
  const factors = ["scaling.factor", "scale_linear"].map((key) => values.get(`llama.rope.${key}`) ?? 1);
  if (scaled !== "none" || factors.some((factor) => factor !== 1)) {
    throw new Refused(`The file scales its positions (${scaled}); models that leave them as they are are read here.`);
  }
  const d = size("embedding_length"), wide = size("feed_forward_length"), count = size("block_count");
  const heads = size("attention.head_count"), groups = size("attention.head_count_kv", heads);
  const each = size("attention.key_length", Math.max(1, Math.floor(d / heads)));
  if (size("rope.dimension_count", each) !== each || size("attention.value_length", each) !== each) {
    throw new Refused("The file's heads rotate a part of their numbers only, which is not read here.");
  }
  if (heads % groups || each % 4 || d % 4 || wide % 4) {
    throw new Refused(
      `The file's sizes do not fit: ${heads} heads, ${groups} with keys, of ${each} numbers, width ${d}, MLP ${wide}.`,
    );
  }
  if (count > tensors.size) {
    throw new Refused(`The file is damaged: it says that it has ${count} blocks, and has ${tensors.size} tensors.`);
  }
  /** @param {string} name @param {number} width @param {number} [rows] */
  function tensor(name, width, rows) {
    const found = tensors.get(name);
    if (!found) throw new Refused(`The file lacks ${name}.`);
    if (found.width !== width || (rows && found.rows !== rows)) {
      throw new Refused(
        `The file is damaged: ${name} is ${found.width} x ${found.rows}, where ${width} x ${rows ?? "any"} is needed.`,
      );
    }
    return found;
  }
  for (const name of tensors.keys()) {
    const [front, block, part, end, more] = name.split(".");
    const inBlock = front === "blk" && Number(block) < count && part in PARTS && end === "weight" && more === undefined;
    if (!inBlock && !WHOLE.includes(name)) {
      throw new Refused(`The file has ${name}, which a plain Llama does not have.`);
    }
  }
  const embed = tensor("token_embd.weight", d), N = embed.rows, own = heads * each, shared = groups * each;
  /** @type {Record<MatrixName | "norm1" | "norm2", [number, number]>} */
  const sizes = {
    norm1: [d, 1], q: [d, own], k: [d, shared], v: [d, shared], o: [own, d],
    norm2: [d, 1], mlp_in: [d, wide], mlp_gate: [d, wide], mlp_out: [wide, d],
  };
  const blocks = Array.from({ length: count }, (_, i) => /** @type {BlockTensors} */ (Object.fromEntries(
    Object.entries(PARTS).map(([part, name]) => [name, tensor(`blk.${i}.${part}.weight`, ...sizes[name])]),
  )));
  const norm = tensor("output_norm.weight", d, 1);
  const out = tensors.has("output.weight") ? tensor("output.weight", d, N) : embed;
  for (const one of [norm, ...blocks.flatMap(({ norm1, norm2 }) => [norm1, norm2])]) {
    if (one.kind !== F32) throw new Refused(`The file keeps ${one.name} in fewer bits than a norm has here: F32.`);
  }
  const said = ["name", "organization", "license", "size_label"].map((key) => [key, values.get(`general.${key}`)]);
  return {
    d, heads, groups, size: each, wide, N, blocks, embed, norm, out,
    context: size("context_length"), epsilon: number("attention.layer_norm_rms_epsilon"),
    base: number("rope.freq_base", 10000),
    about: Object.fromEntries(said.filter(([, value]) => typeof value === "string")),
  };
}
