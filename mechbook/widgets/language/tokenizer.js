// @ts-check
// Text as the model's tokens and back: byte-pair encoding on bytes, with the tokens and merges that the file has.
import { Refused } from "./refused.js";

/** @typedef {ReturnType<typeof tokenizerOf>} Tokenizer */

/** A text is split into these before anything is merged: as GPT-2's, with spaces as Unicode has them. */
const WORDS = new RegExp(
  [
    "'s|'t|'re|'ve|'m|'ll|'d", " ?\\p{L}+", " ?\\p{N}+", " ?[^\\p{White_Space}\\p{L}\\p{N}]+",
    "\\p{White_Space}+(?!\\P{White_Space})", "\\p{White_Space}+",
  ].join("|"),
  "gu",
);
/** SmolLM's splits digits off first, each by itself. */
const DIGITS = /\p{N}|\P{N}+/gu;
/** What a file calls its way to split. */
const SPLITS = new Map([["gpt-2", false], ["smollm", true]]);
/** Types of tokens that stand for themselves in a text: control tokens, and ones that a user defined. */
const CONTROL = 3, DEFINED = 4;
/** A pair of tokens as one number. */
const PAIR = 2 ** 24;

/** The letter that stands for each byte: itself where it is printed, otherwise one from 256 on. */
function letters() {
  let other = 256;
  /** @param {number} byte */
  const printed = (byte) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printed(byte) ? byte : other++));
}

/**
 * The tokenizer of a file. Throws Refused for another kind of tokenizer, and one that does not fit together.
 * @param {Map<string, any>} values what the file says
 * @param {number} N how many tokens the model has
 */
export function tokenizerOf(values, N) {
  const kind = values.get("tokenizer.ggml.model"), split = values.get("tokenizer.ggml.pre") ?? "gpt-2";
  if (kind !== "gpt2") {
    throw new Refused(
      `The file's tokenizer is ${JSON.stringify(kind ?? "missing")}; byte pairs ("gpt2") are read here.`,
    );
  }
  const digits = SPLITS.get(split);
  if (digits === undefined) {
    throw new Refused(
      `The file's tokenizer splits texts as ${JSON.stringify(split)}; ${[...SPLITS.keys()].join(" and ")} are known ` +
        "here.",
    );
  }
  const tokens = strings("tokens"), types = values.get("tokenizer.ggml.token_type") ?? [];
  if (tokens.length > N) {
    throw new Refused(
      `The file's tokenizer has ${tokens.length} tokens and its model ${N}: they belong to two models.`,
    );
  }
  const numbers = new Map(tokens.map((token, id) => [token, id])), alphabet = letters();
  const byteOf = new Map(alphabet.map((letter, byte) => [letter, byte]));
  /** The token of each byte. @type {(number | undefined)[]} */
  const single = alphabet.map((letter) => numbers.get(letter));
  /**
   * For a pair of tokens the order of its merge, and the token that it becomes.
   * @type {Map<number, [number, number]>}
   */
  const merges = new Map();
  for (const [rank, merge] of strings("merges").entries()) {
    const [left, right] = merge.split(" ");
    const [a, b, both] = [left, right, left + right].map((token) => numbers.get(token));
    if (a === undefined || b === undefined || both === undefined) {
      throw new Refused(`The file's tokenizer merges ${JSON.stringify(merge)}, and has no token for it.`);
    }
    if (!merges.has(a * PAIR + b)) merges.set(a * PAIR + b, [rank, both]);
  }
  const special = tokens.filter((token, id) => token && (types[id] === CONTROL || types[id] === DEFINED));
  // the longest first, where one begins like another
  const quoted = special.sort((a, b) => b.length - a.length).map((one) => one.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&"));
  const apart = quoted.length ? new RegExp(quoted.join("|"), "g") : null;
  const encoder = new TextEncoder(), decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  /** Words that were merged before. @type {Map<string, number[]>} */
  const known = new Map();

  /** @param {string} what @returns {string[]} */
  function strings(what) {
    const found = values.get(`tokenizer.ggml.${what}`);
    if (Array.isArray(found) && found.every((one) => typeof one === "string")) return found;
    throw new Refused(`The file has no ${what} of a tokenizer.`);
  }

  /**
   * The tokens of a word: of all pairs the one that was merged first, the leftmost of equals, until none is left.
   * @param {string} word
   */
  function merged(word) {
    const found = known.get(word);
    if (found) return found;
    // a byte without a token is left out
    const parts = [...encoder.encode(word)].flatMap((byte) => single[byte] ?? []);
    for (;;) {
      let best = Infinity, at = -1, becomes = 0;
      for (let i = 0; i + 1 < parts.length; i++) {
        const merge = merges.get(parts[i] * PAIR + parts[i + 1]);
        if (merge && merge[0] < best) [best, becomes, at] = [...merge, i];
      }
      if (at < 0) break;
      parts.splice(at, 2, becomes);
    }
    if (word.length < 64) known.set(word, parts);
    return parts;
  }

  /** @param {string} text without special tokens */
  function plain(text) {
    const pieces = digits ? (text.match(DIGITS) ?? []) : [text];
    return pieces.flatMap((piece) => (piece.match(WORDS) ?? []).flatMap(merged));
  }

  return {
    /** The tokens of a text, nothing added. @param {string} text @returns {number[]} */
    encode(text) {
      /** @type {number[]} */
      const all = [];
      let from = 0;
      for (const found of apart ? text.matchAll(apart) : []) {
        all.push(...plain(text.slice(from, found.index)), /** @type {number} */ (numbers.get(found[0])));
        from = found.index + found[0].length;
      }
      return [...all, ...plain(text.slice(from))];
    },
    /** What tokens stand for; what is no whole letter becomes U+FFFD. @param {number[]} ids */
    decode(ids) {
      let text = "", /** @type {number[]} */ bytes = [];
      for (const token of ids.map((id) => tokens[id] ?? "")) {
        const own = [...token].map((letter) => byteOf.get(letter));
        if (own.every((byte) => byte !== undefined)) bytes.push(.../** @type {number[]} */ (own));
        else {
          text += decoder.decode(Uint8Array.from(bytes)) + token;
          bytes = [];
        }
      }
      return text + decoder.decode(Uint8Array.from(bytes));
    },
  };
}
