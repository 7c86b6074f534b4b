// @ts-check
// Tokens of the language model in bars and in sentences.
import { glyph, short, spoken as usual } from "../../widgets/kit.js";

/** @type {Record<string, string>} */
const SIGNS = { "\t": "⇥", "\u00a0": "(nbsp)" };

/** A number to two digits that count. @param {number} value */
export const two = (value) => (value >= 0.0001 && value < 99.5 ? value.toPrecision(2) : short(value, 2));

/** A token with its spaces to be seen. @param {string} word */
export const visible = (word) => [...word].map((c) => SIGNS[c] ?? glyph(c)).join("") || "(empty)";

/**
 * A token in a sentence: a word without its space.
 * @param {string} word
 */
export const spoken = (word) => ("\n ".includes(word) && word ? usual(word) : `“${visible(/^ [^ ]/.test(word) ? word.slice(1) : word)}”`);
