// The checkpoints of one run, for the widgets that show it: mechbook.induction.runs.
import { simplified } from "./engine.js";
import { weightsOf } from "./kit.js";

// A line of text holds no line break: there it is an arrow.
export const toLine = (text) => text.replaceAll("\n", "↵");
export const fromLine = (line) => line.replaceAll("↵", "\n").replaceAll("␣", " ");

/** The run: its models by step, and what may be typed. */
export async function open(model) {
  const settings = model.get("settings"), tensors = await weightsOf(model), models = new Map();
  const token = new Map([...settings.vocabulary].map((character, index) => [character, index]));
  const weights = (step) => ({
    ...tensors, ...Object.fromEntries(settings.trained.map((name) => [name, tensors[`${step}/${name}`]])),
  });
  return {
    ...settings, weights,
    characters: [...settings.vocabulary],
    encode: (text) => [...text].map((character) => token.get(character)),
    model(step) {
      if (!models.has(step)) models.set(step, simplified(weights(step), settings));
      return models.get(step);
    },
    /** null, or what is wrong with a sequence. */
    check(text) {
      const typed = [...fromLine(text)];
      if (typed.length === 0) return "Type at least one character.";
      if (typed.length > settings.T) {
        return `The sequence has ${typed.length.toLocaleString("en")} characters; this model reads at most ${settings.T}.`;
      }
      const strange = typed.find((character) => !token.has(character));
      if (strange === undefined) return null;
      return `The model does not know the character “${strange}”: it knows letters, spaces, line breaks (↵) and !$&',-.3:;?${settings.also ?? ""}`;
    },
  };
}

export const nearest = (steps, step) => steps.reduce((a, b) => (Math.abs(b - step) < Math.abs(a - step) ? b : a));
