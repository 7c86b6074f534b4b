// @ts-check
// The landing page's trainer: one button, and sentences that say what is happening while it happens.
import { roles } from "../../widgets/book.js";
import { curves } from "../../widgets/curves.js";
import { expose, frame, h, panels, percent, remark, spoken, weightsOf, write } from "../../widgets/kit.js";
import { heldSentence } from "../../widgets/training/held.js";
import { player, remembered } from "../../widgets/training/player.js";
import { PLAIN } from "../../widgets/training/teller.js";
import { nextCharacter } from "./next_character.js";
import { defaults, settingsOf } from "./trainer_settings.js";
import { LINES } from "./trainer_words.js";

/** @typedef {import("../../widgets/training/worker.js").View} View */
/** @typedef {{ title: string, size: import("./trainer_settings.js").Size }} Settings */

const BEGIN = "Three matrices are random. Press, and they are trained, here in your browser.";
const begun = (/** @type {number} */ batch) => `Training: each step reads ${batch} sequences and moves the matrices a little.`;
const BORN = "nine tenths of its answers are right: an induction head is born";
/**
 * Of each number: what holds before it reaches LEVELS, and what once it has.
 * @type {[key: string, before: string, words: [half: string, most: string]][]}
 */
const STORY = [
  ["W_O2", "It cannot copy yet (W_O2).", ["it begins to copy (W_O2)", "it copies what it sees"]],
  ["W_K2", "It does not know where to look yet (W_K2).", ["it begins to look back (W_K2)", "it knows where to look"]],
  ["W_K1", "No letter knows the one before it yet (W_K1).", ["it begins to mark letters with the one before (W_K1)", "most are marked"]],
  ["accuracy", "Its answers are guesses.", ["half of its answers are right", "nine tenths are"]],
];
const LEVELS = [0.5, 0.9];
const SHOWN = 3;

/**
 * A line of the story: a half sentence for each level that was reached, at its step.
 * @param {(readonly [step: number, words: string])[]} reached
 */
const line = (reached) => `Step ${reached.map(([step, words]) => `${step}: ${words}`).join("; ")}.`;

/** The story of a run in lines that grow: what was said can still be read, and nothing moves when more is said. */
function storyOf() {
  const lines = STORY.map(([, before, words]) => h("p", { "data-longest": line(words.map((one) => [999, one])) }, before));
  /** @type {Set<string>} */
  let told = new Set();
  return {
    element: h("div", { class: "mb-story" }, ...lines),
    begin() { told = new Set(); },
    get told() { return told.size > 0; },
    /**
     * Returns what has happened since it was last called, in words and in order.
     * @param {import("../../widgets/training/stepping.js").Point[]} points
     */
    update(points) {
      const /** @type {(readonly [number, string])[]} */ news = [];
      STORY.forEach(([key, before, words], i) => {
        // what was there at the start, by chance, is nothing learned
        const reached = LEVELS.flatMap((level, k) => {
          const point = points.find(({ step, [key]: value }) => step > 0 && value >= level);
          return point ? [/** @type {const} */ ([point.step, words[k]])] : [];
        });
        write(lines[i], reached.length ? line(reached) : before);
        for (const one of reached) {
          if (told.has(one[1])) continue;
          told.add(one[1]);
          news.push(one[1] === STORY[3][2][1] ? [one[0], BORN] : one);
        }
      });
      return news.sort(([one], [other]) => one - other).map((one) => line([one]));
    },
  };
}

/** @type {import("../../widgets/kit.js").Widget} */
export const induction_birth = async ({ model, el }) => {
  const /** @type {Settings} */ { title, size } = model.get("settings"), tensors = await weightsOf(model);
  const name = model.get("name"), root = frame(el, { name, title }), before = remembered(name), characters = [...size.vocabulary];
  const z = [...size.seq].map((character) => characters.indexOf(character)), last = z.length - 1;
  const said = STORY.flatMap(([, , words]) => words.map((one) => line([[999, one]])));
  const story = storyOf(), now = heldSentence([BEGIN, begun(size.batch), ...said, line([[999, BORN]])]);
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
    if (step === 0) {
      story.begin();
      now.clear();
    }
    const news = story.update(points);
    // a run that was left and is there again has nothing new
    if (news.length && (run.playing || done) && !first) now.happened(news);
    else if (news.length) now.say(news[news.length - 1]);
    else if (!story.told) now.say(step || run.playing ? begun(size.batch) : BEGIN);
    first = false;
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
  let ended = false, first = true;
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
    h("div", { class: "mb-presets" }, play), now.element, without,
    panels({ element: h("div", {}, chart.element, story.element) }, { element: h("div", {}, strip, remark("A bar under a letter: how much the last one looks at it, in layer 2."), prediction.element) }),
  );
  return () => run.stop();
};
