// @ts-check
// The landing page's trainer: one button, and sentences that say what is happening while it happens.
import { roles } from "../../widgets/book.js";
import { curves } from "../../widgets/curves.js";
import { expose, frame, h, panels, percent, remark, spoken, weightsOf, write } from "../../widgets/kit.js";
import { heldSentence, HOLD_MS, RACED_MS } from "../../widgets/training/held.js";
import { player, remembered } from "../../widgets/training/player.js";
import { PLAIN } from "../../widgets/training/teller.js";
import { nextCharacter } from "./next_character.js";
import { defaults, settingsOf } from "./trainer_settings.js";
import { LINES } from "./trainer_words.js";

/** @typedef {import("../../widgets/training/worker.js").View} View */
/** @typedef {{ title: string, size: import("./trainer_settings.js").Size }} Settings */

const LEVELS = [0.5, 0.9], AT = ["half at step", "nine tenths at"];
/**
 * Of each number: what it counts, and what has happened once it reaches LEVELS.
 * @type {[key: string, counts: string, words: [half: string, most: string]][]}
 */
const STORY = [
  ["W_O2", "To copy what it looks at (W_O2)", ["half of what it needs to copy is stored, in W_O2", "it copies whatever it looks at (W_O2); where to look comes next"]],
  ["W_K2", "To know which note to look for (W_K2)", ["for half of the letters it knows which note to look for (W_K2)", "for nearly every letter it knows which note to look for (W_K2)"]],
  ["W_K1", "To note which letter came before (W_K1)", ["half of the places note which letter came before (W_K1)", "nearly every place notes which letter came before (W_K1)"]],
  ["accuracy", "Right answers", ["half of its answers are right", "nine tenths of its answers are right: an induction head is born"]],
];
const SHOWN = 3;
/** Steps a second of the run that is watched. */
const SLOW = 120;

/**
 * What is asked, of the sequence in the page: its last letter came before.
 * @param {string} seq
 */
function question(seq) {
  const last = seq[seq.length - 1], after = seq[seq.indexOf(last) + 1];
  return `Here “${last}” is always followed by “${after}”. Can three random matrices learn that?`;
}
const begun = (/** @type {number} */ batch) => `Training: each step reads ${batch} sequences and moves the matrices a little.`;
const ended = (/** @type {number} */ steps, /** @type {number} */ accuracy) =>
  `Trained: after ${steps} steps ${percent(accuracy)} of its answers are right. Watch it slowly.`;
const WHAT = "An induction head: it finds the same letter before, copies what followed.";
const line = (/** @type {readonly [step: number, words: string]} */ [step, words]) => `Step ${step}: ${words}.`;
const count = (/** @type {string} */ counts, /** @type {number} */ value, /** @type {number[]} */ steps) =>
  `${counts}: ${percent(value)}${steps.map((step, k) => `${k ? ", " : "; "}${AT[k]} ${step}`).join("")}.`;

/** The story of a run in lines that grow: what was said can still be read, and nothing moves when more is said. */
function storyOf() {
  const lines = STORY.map(([, counts]) => h("p", { "data-longest": count(counts, 1, [999, 999]) }, count(counts, 0, [])));
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
      STORY.forEach(([key, counts, words], i) => {
        // what was there at the start, by chance, is nothing learned
        const reached = LEVELS.flatMap((level, k) => {
          const point = points.find(({ step, due, [key]: value }) => step > 0 && due !== 0 && value >= level);
          return point ? [/** @type {const} */ ([point.step, words[k]])] : [];
        });
        write(lines[i], count(counts, points.at(-1)?.[key] ?? 0, reached.map(([step]) => step)));
        for (const one of reached) {
          if (told.has(one[1])) continue;
          told.add(one[1]);
          news.push(one);
        }
      });
      return news.sort(([one], [other]) => one - other).map(line);
    },
  };
}

/** @type {import("../../widgets/kit.js").Widget} */
export const induction_birth = async ({ model, el }) => {
  const /** @type {Settings} */ { title, size } = model.get("settings"), tensors = await weightsOf(model);
  const name = model.get("name"), root = frame(el, { name, title }), before = remembered(name), characters = [...size.vocabulary];
  const z = [...size.seq].map((character) => characters.indexOf(character)), last = z.length - 1;
  const said = STORY.flatMap(([, , words]) => words.map((one) => line([999, one]))), begin = question(size.seq);
  // the first run is raced; whoever watches again watches slowly, and the run waits for them
  let slow = false;
  const story = storyOf(), now = heldSentence([begin, begun(size.batch), ...said, ended(999, 0.999), WHAT], { patient: () => slow, hold: () => (slow ? HOLD_MS : RACED_MS) });
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
  function shown({ step, points: probed, latest, seen: { look }, done, vectors }) {
    const points = latest ? [...probed, latest] : probed;
    if (step === 0) {
      story.begin();
      now.clear();
    }
    const news = story.update(points);
    if (done && !over) news.push(slow ? WHAT : ended(step, points.at(-1)?.accuracy ?? 0));
    over = done;
    // a run that was left and is there again has nothing new
    if (news.length && (run.playing || done) && !first) {
      now.happened(news);
      if (!done) run.rest(now.left());
    } else if (news.length) now.say(news[news.length - 1]);
    else if (!story.told) now.say(step || run.playing ? begun(size.batch) : begin);
    first = false;
    chart.update({ last: size.steps, points, earlier: [], range: null });
    marks.forEach(({ item, fill }, s) => {
      const mass = look.attention[1][last * z.length + s];
      fill.style.width = `${100 * mass}%`;
      item.setAttribute("aria-label", `${spoken(size.seq[s])}: ${percent(mass)}`);
    });
    prediction.update(characters, z, look.logits);
    without.textContent = vectors ? "" : PLAIN;
    play.textContent = run.playing ? "Pause" : done ? (slow ? "Watch again" : "Watch it slowly") : step ? "Go on" : "Train it now";
    expose(root, { step, done, playing: run.playing, accuracy: points.at(-1)?.accuracy ?? 0 });
  }

  const play = h("button", { type: "button", class: "mb-main" }, "Train it now"), without = h("p", { class: "mb-axes" });
  let over = false, first = true;
  play.addEventListener("click", () => {
    if (run.playing) run.pause();
    else {
      if (over) {
        slow = true;
        run.reset();
      }
      run.play();
      // on a small screen what is started would else lie below it
      chart.element.scrollIntoView({ block: "nearest" });
    }
  });
  const run = player({
    name, root, kind: "two_layers", kept: before?.kept, settings: () => settingsOf(size, start, tensors), query: () => z, pace: () => (slow ? SLOW : size.pace),
    values: () => ({}), shown,
  });
  root.append(
    h("div", { class: "mb-presets" }, play), now.element, without,
    panels(chart, { element: h("div", {}, strip, remark("A bar under a letter: how much the last one looks at it, in layer 2."), prediction.element, story.element) }),
  );
  return () => run.stop();
};
