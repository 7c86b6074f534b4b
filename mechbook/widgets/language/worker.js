// @ts-check
// What runs beside the page: it takes a model's file in parts, and answers what the page asks of the model, in order.
import { describe } from "./gguf.js";
import { decompositions } from "./laser.js";
import { attribution, lens } from "./look.js";
import { modelOf } from "./model.js";
import { probable } from "./read_out.js";
import { Refused } from "./refused.js";
import { roomFor } from "./room.js";
import { shapeOf } from "./shape.js";
import { tokenizerOf } from "./tokenizer.js";

// each order has a number of its own, and its answer bears that number
/** @typedef {{ id: number, type: keyof typeof DOES } & Record<string, any>} Order */
/** @typedef {{ id: number, value?: any, refused?: string, failed?: string }} Answer */
/** @typedef {import("./model.js").Model} Model */
/** @typedef {import("./model.js").Seen} Seen */

/** @typedef {{ postMessage(message: Answer): void, onmessage: ((event: MessageEvent<Order>) => void) | null }} Port */

const port = /** @type {Port} */ (/** @type {unknown} */ (globalThis));
/** So many prompts are kept as the model has read them; and so many characters are looked at, at most. */
const PROMPTS = 6, CHARACTERS = 2000;

/** @type {import("./room.js").Room | null} */
let room = null;
/** @type {Model | null} */
let model = null;
/** @type {import("./tokenizer.js").Tokenizer | null} */
let tokenizer = null;
/** @type {ReturnType<typeof decompositions> | null} */
let laser = null;
let arrived = 0;
/** The prompts by their tokens, the latest last. @type {Map<string, Seen>} */
const prompts = new Map();

/** @template T @param {T | null} found @returns {T} */
function had(found) {
  if (found === null) throw new Refused("No model has been opened.");
  return found;
}

/** A prompt: its text, or its tokens. @typedef {{ text?: string, ids?: number[] }} Prompt */
/** @param {Prompt} prompt */
function tokensOf({ text = "", ids }) {
  if (text.length > CHARACTERS) {
    throw new Refused(`The prompt has ${text.length} characters; up to ${CHARACTERS} are read here.`);
  }
  return ids ?? had(tokenizer).encode(text);
}

/** A prompt that the model has read, or reads now. @param {Prompt} prompt */
function seen(prompt) {
  const ids = tokensOf(prompt);
  const key = ids.join(" "), found = prompts.get(key) ?? had(model).read(ids);
  prompts.delete(key);
  prompts.set(key, found);
  for (const old of prompts.keys()) if (prompts.size > PROMPTS) prompts.delete(old);
  return found;
}

const DOES = {
  /** A file of so many bytes is about to come. @param {{ code: Uint8Array<ArrayBuffer>, bytes: number }} order */
  begin({ code, bytes }) {
    room = model = tokenizer = laser = null;
    prompts.clear();
    arrived = 0;
    room = roomFor(code, bytes);
  },
  /** The next part of it. @param {{ part: ArrayBuffer }} order */
  part({ part }) {
    const { file } = had(room);
    if (arrived + part.byteLength > file.length) throw new Refused("More of the file has arrived than it should have.");
    file.set(new Uint8Array(part), arrived);
    arrived += part.byteLength;
    return arrived;
  },
  /** All has come: what the file says of itself, and its sizes. */
  end() {
    const open = had(room), { file } = open;
    if (arrived < file.length) throw new Refused(`The file is cut: ${arrived} of ${file.length} bytes have arrived.`);
    const described = describe(file), shape = shapeOf(described), read = tokenizerOf(described.values, shape.N);
    [model, tokenizer] = [modelOf(open, shape), read];
    laser = decompositions(open, model);
    const { about, d, heads, N, blocks } = shape;
    return { about, d, heads, N, blocks: blocks.length, longest: model.longest, bytes: open.bytes };
  },
  /** The tokens of texts, and what each stands for. @param {{ texts: string[] }} order */
  tokens({ texts }) {
    const { decode } = had(tokenizer);
    return texts.map((text) => tokensOf({ text })).map((ids) => ({ ids, pieces: ids.map((id) => decode([id])) }));
  },
  /**
   * The likeliest next tokens after a prompt.
   * @param {Prompt & { top?: number, watch?: number[], all?: boolean } & Changes} order
   */
  next({ text, ids, top = 10, watch = [], all = false, ...changes }) {
    const logits = had(model).next(seen({ text, ids }), changed(changes))[0], found = probable(logits, top, watch);
    return { ...found, pieces: pieces(found.top), logits: all ? logits.slice() : null };
  },
  /**
   * What each position of a prompt makes of the next: the likeliest tokens, and the probability of the token that
   * stands there.
   * @param {Prompt & { top?: number, watch?: number[] } & Changes} order
   */
  along({ text, ids, top = 5, watch = [], ...changes }) {
    const [run] = reread({ text, ids }, changes);
    return had(model).each(run.entering[run.entering.length - 1], (logits, t) => {
      const found = probable(logits, top, [...watch, run.ids[t + 1] ?? 0]);
      return { ...found, pieces: pieces(found.top) };
    });
  },
  /**
   * The singular values of a block's matrix, the largest first; from then on its cuts are immediate.
   * @param {{ layer: number, name: string }} order
   */
  decompose: ({ layer, name }) => had(laser).of(layer, name).values.slice(),
  /** Every head's attention in a block, (heads, T, T). @param {Prompt & { layer: number } & Changes} order */
  attention: ({ text, ids, layer, ...changes }) => had(model).attention(seen({ text, ids }), layer, changed(changes)),
  /**
   * What the model would answer if it ended before each block, and after the last, at a position.
   * @param {Prompt & { position?: number, top?: number, watch?: number[] } & Changes} order
   */
  lens({ text, ids, position = -1, top = 5, watch = [], ...changes }) {
    const [run] = reread({ text, ids }, changes);
    return lens(had(model), run, position, top, watch).map((found) => ({ ...found, pieces: pieces(found.top) }));
  },
  /**
   * What each head and MLP adds to the logit of one token less that of another, at the last position.
   * @param {Prompt & { tokens: [number, number] } & Changes} order
   */
  attribution({ text, ids, tokens, ...changes }) {
    const [run, change] = reread({ text, ids }, changes);
    return attribution(had(model), run, tokens, change);
  },
};

/**
 * The changed model's reading of a prompt.
 * @param {Prompt} prompt
 * @param {Changes} changes
 * @returns {[Seen, import("./model.js").Change]}
 */
function reread(prompt, changes) {
  const change = changed(changes);
  return [had(model).rerun(seen(prompt), change), change];
}

/** What the tokens stand for. @param {[number, number][]} top */
const pieces = (top) => top.map(([id]) => had(tokenizer).decode([id]));

/**
 * A matrix cut to a rank, or to the fraction rho of its rank, and heads switched off.
 * @typedef {{ layer: number, name: string, rho?: number, rank?: number }} Cut
 * @typedef {{ cut?: Cut | null, off?: [number, number][], where?: "all" | "last" }} Changes
 */
/** @param {Changes} changes @returns {import("./model.js").Change} */
function changed({ cut = null, off = [], where = "all" }) {
  if (!cut) return { off, where };
  const { layer, name, factors } = had(laser).of(cut.layer, cut.name);
  return { cut: { layer, name, factors, rank: cut.rank ?? had(laser).rank(cut.rho ?? 1, factors.full) }, off, where };
}

/** @param {MessageEvent<Order>} event */
port.onmessage = ({ data }) => {
  const { id, type } = data;
  try {
    port.postMessage({ id, value: DOES[type](/** @type {any} */ (data)) });
  } catch (error) {
    if (error instanceof Refused) port.postMessage({ id, refused: error.message });
    else port.postMessage({ id, failed: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
};
