// @ts-check
// Widget 6c: a model learns facts in the page, and answers questions in words meanwhile.
import { roles } from "../../widgets/book.js";
import { bars } from "../../widgets/charts.js";
import { curves } from "../../widgets/curves.js";
import { expose, frame, h, longestOf, panels, percent, range, remark, write } from "../../widgets/kit.js";
import * as parts from "../../widgets/parts.js";
import { stateOf } from "../../widgets/state.js";
import { actsOf } from "../../widgets/training/acts.js";
import { beginnings, buttonsOf, seed, settings, speed } from "../../widgets/training/buttons.js";
import { player, remembered } from "../../widgets/training/player.js";
import { progress, tellerOf } from "../../widgets/training/teller.js";

/** @typedef {import("../../widgets/training/worker.js").View} View */
/**
 * People, and questions with their possible answers; `{}` stands for the name. `run` is all that decides a run but the
 * learning rate and the seed.
 * @typedef {{
 *   title: string, people: string[], questions: { text: string, answers: string[] }[], rates: number[], lr: number,
 *   run: Omit<import("../../widgets/training/facts_run.js").Settings, "lr" | "seed">,
 * }} Settings
 */
/** @typedef {{ s: number, r: number, lr: number, seed: number, pace: string }} State */

/** @type {import("../../widgets/curves.js").Line[]} */
const LINES = [
  { key: "valid", name: "of the right kind", role: "predicted" },
  { key: "truth", name: "that are true", role: "correct" },
];
const EVENTS = [
  { key: "valid", level: 0.5, words: "it has begun to learn which answers go with a question, whoever is asked about" },
  { key: "valid", level: 0.9, words: "nearly every answer is of the right kind, and which one of them is chance as yet: it hallucinates" },
  { key: "best", level: 0.4, words: "it has begun to look at who is asked about: two in five of its best guesses are right, where chance has one in eight" },
  { key: "best", level: 0.9, words: "nine in ten of its best guesses are right, though it is not sure of them" },
  { key: "truth", level: 0.9, words: "it recalls the facts, and is sure of them" },
];
/** Steps a second where one wants to watch, and how long an answer stays then. */
const WATCH = 600, READ_MS = 700;
/** What is said of an answer. */
const VERDICTS = {
  nothing: "It does not know anything yet", right: "That is right", unsure: "Right, though it is not sure", hardly: "Right, but hardly surer than of another",
  kind: "Plausible, and wrong", wrong: "Not even the right kind of answer",
};

/** @type {import("../../widgets/kit.js").Widget} */
export const fact_learning = async ({ model, el }) => {
  const /** @type {Settings} */ { title, people, questions, rates, lr, run: given } = model.get("settings");
  const name = model.get("name"), root = frame(el, { name, title }), { D, answers } = given;
  const before = remembered(name);
  const /** @type {State} */ start = { s: 0, r: 0, lr, seed: 0, pace: "watch", .../** @type {any} */ (before?.values ?? {}) };
  const where = h("p", { class: "mb-axes" }), acts = actsOf(before?.values.acts);
  const tell = tellerOf({
    events: EVENTS,
    begin: `Press Play: the model reads ${people.length * questions.length} facts, each again and again among noise, and knows nothing yet.`,
    patient: () => state.values.pace === "watch",
    ended: (step, last, how) => `Trained for ${step} steps${how}: on average the true answer has probability ${percent(last.truth)}.`,
  });
  const chart = curves({ title: "Average probability of answers", lines: LINES, dated: true, earlierIs: "Faint lines: other seeds at this learning rate, trained before." });
  const answering = (/** @type {string} */ text, /** @type {string} */ person, /** @type {string} */ found, /** @type {string} */ verdict) => `${text.replace("{}", person)} ${found}. ${verdict}.`;
  const surely = (/** @type {string} */ word, /** @type {number} */ p) => `“${word}”, with ${percent(p)}`;
  const answer = h("p", {
    class: "mb-answer",
    "data-longest": longestOf(questions.map(({ text, answers: all }) => answering(text, longestOf(people), surely(longestOf(all), 0.999), longestOf(Object.values(VERDICTS))))),
  });
  const heard = h("p", { class: "mb-heard", role: "status", "aria-live": "polite" });
  const probable = bars({ title: "Its answers" });
  const table = h("ul", { class: "mb-people" });
  const cells = people.map((person) => {
    const said = h("span", {}), item = h("li", {}, h("span", { class: "mb-person" }, person), said);
    table.append(item);
    return { item, said };
  });
  /** @type {View | null} */
  let view = null;
  /** @type {import("../../widgets/training/stepping.js").Point[][]} */
  let earlier = [], earlierRate = start.lr;
  let begun = start.seed;

  const state = stateOf({
    name, root, start, followed: Boolean(before),
    parts: {
      s: parts.choice({ label: "Ask about", options: people.map((person, s) => [s, person]) }),
      r: parts.choice({ label: "Question", options: questions.map(({ text }, r) => [r, text.replace("{}", "…")]) }),
      pace: speed(),
      lr: parts.slider({ label: "Learning rate", values: rates }),
      seed: seed(),
    },
    draw(values, moved) {
      if (values.seed !== begun) anew();
      else if (moved.has("lr") && values.lr !== rate) {
        acts.did(view, "lr", `learning rate ${values.lr}`);
        run.change({ lr: rate = values.lr });
      }
      if (moved.has("s") || moved.has("r")) {
        asked = view !== null;
        run.look();
      }
      if (moved.has("pace") && run.playing) run.go();
    },
  });
  let rate = start.lr, asked = false, said = 0;

  function anew() {
    if (earlierRate !== state.values.lr) earlier = [];
    if (view && view.step > 0 && state.values.seed !== begun && rate === state.values.lr && !acts.keep().length) earlier = [...earlier, view.points].slice(-8);
    earlierRate = state.values.lr;
    [begun, rate] = [state.values.seed, state.values.lr];
    buttons.begin();
  }

  /**
   * The answers to a question, all of one moment: what is said of one person, and everybody's.
   * @param {Float32Array} p (people, answers)
   */
  function answered(p) {
    const { s, r } = state.values, A = p.length / people.length, own = p.subarray(s * A, (s + 1) * A);
    const truth = answers[s][r], { text, answers: words } = questions[r];
    const best = (/** @type {ArrayLike<number>} */ row) => range(A).reduce((a, b) => (row[b] > row[a] ? b : a));
    const wordOf = (/** @type {number} */ a) => questions[Math.floor(a / D)].answers[a % D];
    const top = best(own), kind = Math.floor(top / D) === r;
    const surer = range(A).every((a) => a === top || own[top] >= 2 * own[a]);
    const verdict = own[top] < 1.5 / A ? "nothing" : top === truth ? (own[top] > 0.5 ? "right" : surer ? "unsure" : "hardly") : kind ? "kind" : "wrong";
    const whole = answering(text, people[s], own[top] < 1.5 / A ? "No answer stands out" : surely(wordOf(top), own[top]), VERDICTS[verdict]);
    write(answer, whole);
    if (asked) write(heard, whole);
    asked = false;
    const valid = range(D).map((i) => r * D + i), elsewhere = 1 - valid.reduce((sum, a) => sum + own[a], 0);
    probable.update([
      ...valid.map((a) => ({ label: words[a % D], value: own[a], role: a === truth ? "correct" : "predicted", mark: a === truth ? "true" : "" })),
      { label: "other kinds", value: elsewhere, mark: "" },
    ]);
    cells.forEach(({ item, said }, i) => {
      const row = p.subarray(i * A, (i + 1) * A), guess = best(row), knows = row[guess] >= 1.5 / A, right = guess === answers[i][r];
      write(said, knows ? `${wordOf(guess)} ${right ? "✓" : "✗"}` : "–");
      item.style.borderColor = knows ? roles[right ? "correct" : "predicted"].colour : "";
      item.setAttribute("aria-label", `${people[i]}: ${knows ? `${wordOf(guess)}, ${right ? "right" : "wrong"}` : "nothing yet"}`);
      item.classList.toggle("mb-asked-about", i === s);
    });
    expose(root, { answer: wordOf(top), truth: own[truth] });
  }

  /** @param {View} next */
  function shown(next) {
    view = next;
    const { step, latest } = next, points = latest ? [...next.points, latest] : next.points;
    if (step === 0) acts.begin();
    buttons.show(next);
    chart.update({ last: given.steps, points, earlier, range: null, marks: acts.steps() });
    // what was on its way when the question changed answers another; and while it trains, answers stay to be read
    if (next.asked.r === state.values.r && (asked || !next.playing || performance.now() - said > READ_MS)) {
      said = performance.now();
      answered(next.seen.p);
    }
    write(where, progress(next, given.steps, next.playing));
    run.rest(tell.view(next, run, state.values.lr, acts.told()));
    expose(root, { step, playing: run.playing, done: next.done, diverged: next.diverged });
  }

  const run = player({
    name, root, kind: "facts", shown, kept: before?.kept, pace: () => (state.values.pace === "watch" ? WATCH : 0), values: () => ({ ...state.values, acts: acts.keep() }),
    settings: () => ({ ...given, lr: state.values.lr, seed: state.values.seed }), query: () => ({ r: state.values.r }),
  });
  const buttons = buttonsOf({ run, tell, anew, state });
  root.append(
    buttons.element, settings(state, "pace", "lr"),
    panels({ element: h("div", {}, tell.element, chart.element, where, beginnings(state, "seed")) }, { element: h("div", {}, settings(state, "s", "r"), answer, heard, probable.element) }),
    h("p", { class: "mb-axes" }, "Its best guess for everybody:"), table, remark("✓ right, ✗ wrong, – nothing stands out yet."),
    state.link,
  );
  const stop = state.live();
  return () => { run.stop(); stop(); };
};
