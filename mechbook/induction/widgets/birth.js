// @ts-check
// The landing page's trainer: one button, and sentences that say what is happening while it happens.
import { roles } from "../../widgets/book.js";
import { curves } from "../../widgets/curves.js";
import { expose, frame, h, longestOf, panels, percent, remark, spoken, weightsOf, write } from "../../widgets/kit.js";
import { player, remembered } from "../../widgets/training/player.js";
import { PLAIN } from "../../widgets/training/teller.js";
import { nextCharacter } from "./next_character.js";
import { defaults, settingsOf } from "./trainer_settings.js";
import { LINES } from "./trainer_words.js";

/** @typedef {import("../../widgets/training/worker.js").View} View */
/** @typedef {{ title: string, size: import("./trainer_settings.js").Size }} Settings */

const BEGIN = "Three matrices are random. Press, and they are trained, here in your browser.";
const begun = (/** @type {number} */ batch) => `Training: each step reads ${batch} sequences and moves the matrices a little.`;
/**
 * Of each number: what holds before it reaches LEVELS, and what once it has.
 * @type {[key: string, words: string[]][]}
 */
const STORY = [
  ["W_O2", ["It cannot copy yet.", "it begins to copy (W_O2).", "it copies what it sees (W_O2)."]],
  ["W_K2", ["It does not know where to look yet.", "it begins to look back (W_K2).", "it knows where to look (W_K2)."]],
  ["W_K1", ["No letter knows the one before it yet.", "it begins to mark letters with the one before (W_K1).", "it marks letters with the one before (W_K1)."]],
  ["accuracy", ["Its answers are guesses.", "half of its answers are right.", "nine tenths of its answers are right: an induction head is born."]],
];
const LEVELS = [0.5, 0.9];
const SHOWN = 3;

/** @param {number} step @param {string} words */
const told = (step, words) => `Step ${step}: ${words}`;
/** All that a line of the story may say. @param {string[]} words */
const sayings = ([before, ...after]) => [before, ...after.map((one) => told(999, one))];

/** The story of a run in lines that stay: what was said can still be read, and nothing moves when more is said. */
function storyOf() {
  // room for their longest words, which a screen reader does not read
  const lines = STORY.map(([, words]) => h("p", { "data-longest": longestOf(sayings(words)) }, words[0]));
  return {
    element: h("div", { class: "mb-story", role: "status", "aria-live": "polite", "aria-atomic": "false" }, ...lines),
    /**
     * Returns what happened last, in words, or null.
     * @param {import("../../widgets/training/stepping.js").Point[]} points
     */
    update(points) {
      let newest = /** @type {string | null} */ (null), at = 0;
      STORY.forEach(([key, words], i) => {
        // what was there at the start, by chance, is nothing learned
        const steps = LEVELS.map((level) => points.find((point) => point.step > 0 && point[key] >= level)?.step ?? null);
        const reached = steps.findLastIndex((step) => step !== null), step = steps[reached] ?? 0;
        const text = reached < 0 ? words[0] : told(step, words[reached + 1]);
        if (lines[i].textContent !== text) lines[i].textContent = text;
        if (step && step >= at) [newest, at] = [text, step];
      });
      return newest;
    },
  };
}

/** @type {import("../../widgets/kit.js").Widget} */
export const induction_birth = async ({ model, el }) => {
  const /** @type {Settings} */ { title, size } = model.get("settings"), tensors = await weightsOf(model);
  const name = model.get("name"), root = frame(el, { name, title }), before = remembered(name), characters = [...size.vocabulary];
  const z = [...size.seq].map((character) => characters.indexOf(character)), last = z.length - 1;
  // what is heard are the story's lines
  const story = storyOf(), now = h("p", { class: "mb-says", "data-longest": longestOf([BEGIN, begun(size.batch), ...STORY.flatMap(([, words]) => sayings(words))]) });
  const chart = curves({ title: "Memories stored, and accuracy", lines: LINES });
  const strip = h("ol", { class: "mb-strip", "aria-label": "What the last letter looks at" }), prediction = nextCharacter("The next letter", SHOWN);
  const marks = z.map((_, s) => {
    const fill = h("span", { class: "mb-mass", "aria-hidden": "true" }), item = h("li", { class: "mb-token" }, size.seq[s], fill);
    fill.style.background = roles.W_K2.colour;
    item.classList.toggle("mb-last", s === last);
    strip.append(item);
    return { item, fill };
  });
  const /** @type {any} */ start = { size: "letters", triggers: "random", seed: 0, frozen: [], ...defaults(size) };

  /** @param {View} view */
  function shown({ step, points, seen: { look }, done, vectors }) {
    const newest = story.update(points), born = story.element.lastElementChild?.textContent ?? "";
    write(now, done ? born : newest ?? (step || run.playing ? begun(size.batch) : BEGIN));
    chart.update({ last: size.steps, points, earlier: [], range: null });
    marks.forEach(({ item, fill }, s) => {
      const mass = look.attention[1][last * z.length + s];
      fill.style.width = `${100 * mass}%`;
      item.setAttribute("aria-label", `${spoken(size.seq[s])}: ${percent(mass)}`);
    });
    prediction.update(characters, z, look.logits);
    without.textContent = vectors ? "" : PLAIN;
    play.textContent = run.playing ? "Pause" : done ? "Watch again" : step ? "Go on" : "Train it now";
    expose(root, { step, done, playing: run.playing, accuracy: points.at(-1)?.accuracy ?? 0 });
  }

  const play = h("button", { type: "button", class: "mb-main" }, "Train it now"), without = h("p", { class: "mb-axes" });
  let ended = false;
  play.addEventListener("click", () => {
    if (run.playing) run.pause();
    else {
      if (ended) run.reset();
      run.play();
      // on a small screen what is started would else lie below it
      chart.element.scrollIntoView({ block: "nearest" });
    }
  });
  const run = player({
    name, root, kind: "two_layers", kept: before?.kept, settings: () => settingsOf(size, start, tensors), query: () => z, pace: () => size.pace,
    values: () => ({}), shown: (view) => { ended = view.done; shown(view); },
  });
  root.append(
    h("div", { class: "mb-presets" }, play), now, without,
    panels({ element: h("div", {}, chart.element, story.element) }, { element: h("div", {}, strip, remark("A bar under a letter: how much the last one looks at it, in layer 2."), prediction.element) }),
  );
  return () => run.stop();
};
