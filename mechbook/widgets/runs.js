// @ts-check
// The checkpoints of one run, for the widgets that show it.
import { simplified } from "./engine.js";
import { legible, weightsOf } from "./kit.js";

/** @typedef {import("./kit.js").Model} Model */
/** @typedef {import("./tensors.js").Tensors} Tensors */
/**
 * What Python sends of a run.
 * @typedef {object} Settings
 * @property {number} T the longest sequence
 * @property {string} vocabulary the character of each token
 * @property {string} [also] what may be typed beside letters and signs, in words
 * @property {number[]} steps of the checkpoints
 * @property {[step: number, words: string][]} presets
 * @property {[name: string, text: string][]} sequences on offer
 * @property {string} [feedForward]
 */
/**
 * A run: its weights and models by step, and what may be typed.
 * @typedef {object} Run
 * @property {Tensors} tensors all that were sent, those of a step as `step/name`
 * @property {string[]} characters
 * @property {(text: string) => number[]} encode
 * @property {(step: number) => Tensors} weights
 * @property {(step: number) => import("./engine.js").Transformer} model
 * @property {(text: string) => string | null} check null, or what is wrong with a sequence
 */

/**
 * A text as a line, where a line break is an arrow.
 * @param {string} text
 */
export const toLine = (text) => text.replaceAll("\n", "↵");

/** @param {string} line */
export const fromLine = (line) => line.replaceAll("↵", "\n").replaceAll("␣", " ");

/**
 * Where the reader starts in a run: its last checkpoint, and the first sequence on offer or another one.
 * @param {Settings} run
 */
export const atTheEnd = (run, sequence = 0) => ({ step: run.steps[run.steps.length - 1], seq: run.sequences[sequence][1] });

/**
 * The run of a widget, with what else its settings hold.
 * @template {Settings} S
 * @param {Model} model
 * @returns {Promise<S & Run>}
 */
export async function open(model) {
  const /** @type {S} */ settings = model.get("settings"), tensors = await weightsOf(model);
  const characters = [...settings.vocabulary], models = new Map();
  const token = new Map(characters.map((character, index) => [character, index]));
  /** @param {number} step */
  const weights = (step) => {
    const prefix = `${step}/`, own = Object.entries(tensors).filter(([name]) => name.startsWith(prefix));
    return { ...tensors, ...Object.fromEntries(own.map(([name, values]) => [name.slice(prefix.length), values])) };
  };
  return {
    ...settings, tensors, characters, weights,
    encode: (text) => [...text].map((character) => token.get(character) ?? -1),
    model(step) {
      if (!models.has(step)) models.set(step, simplified(weights(step), settings));
      return models.get(step);
    },
    check(text) {
      const typed = [...fromLine(text)];
      if (typed.length === 0) return "Type at least one character.";
      if (typed.length > settings.T) {
        return `The sequence has ${typed.length.toLocaleString("en")} characters; this model reads at most ${settings.T}.`;
      }
      const strange = typed.find((character) => !token.has(character));
      if (strange === undefined) return null;
      return `The model does not know the character “${legible(strange)}”: it knows letters, spaces, line breaks (↵) and !$&',-.3:;?${settings.also ?? ""}`;
    },
  };
}
