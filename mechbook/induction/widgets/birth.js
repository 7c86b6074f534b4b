// @ts-check
// The landing page's trainer: one button, and sentences that say what is happening while it happens.
import { roles } from "../../widgets/book.js";
import { curves } from "../../widgets/curves.js";
import { expose, frame, h, panels, percent, remark, spoken, weightsOf } from "../../widgets/kit.js";
import { player, remembered } from "../../widgets/training/player.js";
import { PLAIN } from "../../widgets/training/teller.js";
import { nextCharacter } from "./next_character.js";
import { defaults, settingsOf } from "./trainer_settings.js";
import { LINES } from "./trainer_words.js";

/** @typedef {import("../../widgets/training/worker.js").View} View */
/** @typedef {{ title: string, size: import("./trainer_settings.js").Size }} Settings */

const BEGIN = "Three matrices of a small transformer are random. Press, and they are trained, in your browser.";
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

/** The story of a run in lines that stay: what was said can still be read, and nothing moves when more is said. */
function storyOf() {
  const lines = STORY.map(([, words]) => {
    // room for its longest words, which a screen reader does not read
    const longest = words.map((one) => `Step 999: ${one}`).reduce((x, y) => (y.length > x.length ? y : x));
    return h("p", { "data-longest": longest }, h("span", {}, words[0]));
  });
  return {
    element: h("div", { class: "mb-says mb-story", role: "status", "aria-live": "polite", "aria-atomic": "false" }, ...lines),
    /** @param {import("../../widgets/training/stepping.js").Point[]} points */
    update(points) {
      STORY.forEach(([key, words], i) => {
        // what was there at the start, by chance, is nothing learned
        const at = LEVELS.map((level) => points.find((point) => point.step > 0 && point[key] >= level)?.step);
        const reached = at[1] === undefined ? (at[0] === undefined ? 0 : 1) : 2;
        const text = reached ? `Step ${at[reached - 1]}: ${words[reached]}` : words[0];
        const line = /** @type {HTMLElement} */ (lines[i].firstChild);
        if (line.textContent !== text) line.textContent = text;
      });
    },
  };
}

/** @type {import("../../widgets/kit.js").Widget} */
export const induction_birth = async ({ model, el }) => {
  const /** @type {Settings} */ { title, size } = model.get("settings"), tensors = await weightsOf(model);
  const name = model.get("name"), root = frame(el, { name, title }), before = remembered(name), characters = [...size.vocabulary];
  const z = [...size.seq].map((character) => characters.indexOf(character)), last = z.length - 1;
  const story = storyOf();
  const chart = curves({ title: "Stored in each matrix, and answers that are right", lines: LINES });
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
    story.update(points);
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
    }
  });
  const run = player({
    name, root, kind: "two_layers", kept: before?.kept, settings: () => settingsOf(size, start, tensors), query: () => z, pace: () => size.pace,
    values: () => ({}), shown: (view) => { ended = view.done; shown(view); },
  });
  root.append(
    remark(BEGIN), h("div", { class: "mb-presets" }, play), without, story.element,
    panels(chart, { element: h("div", {}, strip, remark("A bar under a letter: how much the last one looks at it, in layer 2."), prediction.element) }),
  );
  return () => run.stop();
};
