// @ts-check
// Widget 5a: what follows a prompt, in the whole model and after any truncation of the map.
import { bars } from "../../widgets/charts.js";
import { expose, frame, panels, range, remark, sentence, weightsOf } from "../../widgets/kit.js";
import * as parts from "../../widgets/parts.js";
import { stateOf } from "../../widgets/state.js";
import { spoken, two, visible } from "./tokens.js";

/** @typedef {import("../../widgets/tensors.js").Tensor} Tensor */
/**
 * @typedef {object} Settings
 * @property {string} title
 * @property {{ text: string, task: string, answer: number }[]} prompts the answer by its number among the words
 * @property {string[]} words the tokens that appear
 * @property {[matrix: string, rho: number][]} columns of the map
 * @property {number} blocks how many, the map's rows
 * @property {({ task: string, words: string } & Edit)[]} best the edit of each task's largest ratio
 * @property {number} early a block near the beginning
 * @property {string} plain the task of ordinary text, where “the” is in nobody's way
 * @property {string} note
 */
/** @typedef {{ matrix: string, block: number, rho: number }} Edit blocks count from 1 */
/** @typedef {{ prompt: number } & Edit} State prompts count from 1 */
/** @typedef {{ answer: number, the: number, tokens: number[], p: ArrayLike<number> }} After probabilities after a prompt */

const THE = " the";
/** The most characters of a prompt in the choice of prompts. */
const BRIEF = 28;
/**
 * A prompt as a choice on a phone can show it, its beginning and its end; the sentence has the whole of it.
 * @param {string} text
 */
export function brief(text) {
  const words = text.split(" "), begin = words.slice(0, 2).join(" ");
  for (let from = 3; text.length > BRIEF && from < words.length; from++) {
    const short = `${begin} […] ${words.slice(from).join(" ")}`;
    if (short.length <= BRIEF || from === words.length - 1) return short;
  }
  return text;
}

/** @type {import("../../widgets/kit.js").Widget} */
export const laser_tokens = async ({ model, el }) => {
  const /** @type {Settings} */ settings = model.get("settings"), tensors = await weightsOf(model), name = model.get("name");
  const { title, prompts, columns, blocks, words, best, early, plain } = settings, root = frame(el, { name, title });
  root.classList.add("mb-tokens");
  // the number of “the” among the tokens that appear: −1 where it never does
  const n = prompts.length, top = tensors.tokens.shape[2], the = words.indexOf(THE);
  const matrices = [...new Set(columns.map(([matrix]) => matrix))];
  const rates = (/** @type {string} */ matrix) => columns.filter(([own]) => own === matrix).map(([, rho]) => rho);
  /**
   * The edit of a task's largest ratio.
   * @param {{ matrix: string, block: number, rho: number }} one
   * @returns {Edit}
   */
  const edit = ({ matrix, block, rho }) => ({ matrix, block, rho });

  /**
   * What follows a prompt: the whole model's (row 0), or an edit's.
   * @param {number} prompt
   * @param {number} row
   * @returns {After}
   */
  function after(prompt, row) {
    const at = row * n + prompt - 1;
    const own = (/** @type {Tensor} */ tensor, /** @type {number} */ size) => tensor.data.subarray(at * size, (at + 1) * size);
    const [sure, generic] = own(tensors.p, 2);
    return { answer: sure, the: generic, tokens: [...own(tensors.tokens, top)], p: own(tensors.p_top, top) };
  }
  /** @param {Edit} edit */
  const rowOf = ({ matrix, block, rho }) =>
    1 + (block - 1) * columns.length + columns.findIndex(([own, rate]) => own === matrix && rate === rho);

  /**
   * The bars of a panel: the most probable tokens, then the answer and, where it is in its way, “the”, if they are not there.
   * @param {number} prompt
   * @param {After} found
   */
  function entries(prompt, found) {
    const { answer, task } = prompts[prompt - 1];
    /** @typedef {[token: number, value: number, role?: string, mark?: string]} Entry */
    const entry = (/** @type {Entry} */ [token, value, role, mark]) =>
      ({ label: visible(words[token] ?? THE), value, role, mark, text: value < 0.0005 ? "<0.001" : value.toFixed(3) });
    const /** @type {Entry[]} */ watched = [[answer, found.answer, "correct", "answer"]];
    if (task !== plain && answer !== the) watched.push([the, found.the, "noise", "“the”"]);
    const list = found.tokens.map((token, k) => entry(watched.find(([own]) => own === token) ?? [token, found.p[k]]));
    const low = watched.filter(([token]) => !found.tokens.includes(token)).sort((a, b) => b[1] - a[1]);
    return [...list, ...low.map(([token, value, role, mark]) => entry([token, value, role, `${mark}, rank > ${top}`]))];
  }

  /**
   * @param {State} state
   * @param {After} full
   * @param {After} cut
   * @param {number} gain
   */
  function sentenceOf({ prompt, block, matrix, rho }, full, cut, gain) {
    const { text, answer, task } = prompts[prompt - 1], right = spoken(words[answer]);
    const move = (/** @type {number} */ a, /** @type {number} */ b) => `from ${two(a)} to ${two(b)}`;
    const first = [full, cut].map(({ tokens }) => spoken(words[tokens[0]]));
    const likeliest = first[0] === first[1] ? `The likeliest token stays ${first[0]}.` : `The likeliest token was ${first[0]}; now it is ${first[1]}.`;
    const head = `${text}: LASER at block ${block}, ${matrix}, ρ = ${rho} takes`;
    if (task === plain) return `${head} ${right}, which is right here, ${move(full.answer, cut.answer)}. ${likeliest}`;
    const [before, now] = [full, cut].map((p) => p.answer / p.the);
    const way = Math.abs(gain - 1) < 0.005 ? `stays ${two(before)}` : `${gain > 1 ? "rises" : "falls"} ${move(before, now)} (times ${two(gain)})`;
    return `${head} “the” ${move(full.the, cut.the)} and ${right} ${move(full.answer, cut.answer)}: the ratio ${way}. ${likeliest}`;
  }

  /**
   * The edit that presets start from, the best of the prompt's task; for ordinary text that of the first task.
   * @param {number} prompt
   */
  const aim = (prompt) => edit(best.find(({ task }) => task === prompts[prompt - 1].task) ?? best[0]);
  const firstOf = (/** @type {(prompt: Settings["prompts"][number]) => boolean} */ test) => prompts.findIndex(test) + 1;
  const costs = firstOf(({ task, answer }) => task === plain && answer === the) || firstOf(({ task }) => task === plain);
  /** @type {import("../../widgets/state.js").Presets<State>} */
  const goals = [
    ...best.map((one) => /** @type {[string, (now: State) => State]} */ ([one.words, ({ prompt }) => ({
      prompt: prompts[prompt - 1].task === one.task ? prompt : firstOf(({ task }) => task === one.task), ...edit(one),
    })])),
    ["An early block", ({ prompt }) => ({ prompt, ...aim(prompt), block: early })],
  ];
  if (costs) goals.push(["What it costs", () => ({ prompt: costs, ...aim(costs) })]);

  const sides = ["Full model", "After the truncation"].map((words) => bars({ title: words })), says = sentence();
  const state = stateOf({
    name, root, start: { prompt: 1, ...edit(best[0]) },
    parts: {
      prompt: parts.choice({
        label: "Prompt", wide: true,
        options: prompts.map(({ text, answer }, i) => [i + 1, `${brief(text)} … ${visible(words[answer]).replace("␣", "")}`]),
      }),
      block: parts.slider({
        label: "Block, counted from 1", wide: true, values: range(blocks).map((i) => i + 1), words: (value) => `${value} of ${blocks}`,
      }),
      matrix: parts.choice({ label: "Matrix", options: matrices.map((own) => [own, own]) }),
      // Not every matrix has every rate.
      rho: parts.choice({ label: "ρ", options: (now) => rates(now.matrix).map((rate) => [rate, String(rate)]) }),
    },
    presets: { label: "Truncations", options: goals },
    settle(now) { now.rho = parts.nearest(rates(now.matrix), now.rho); },
    draw(now) {
      const full = after(now.prompt, 0), cut = after(now.prompt, rowOf(now)), gain = cut.answer / cut.the / (full.answer / full.the);
      [full, cut].forEach((found, which) => sides[which].update(entries(now.prompt, found)));
      says.say(sentenceOf(now, full, cut, gain));
      expose(root, { ...now, gain });
    },
  });
  root.append(
    state.presets, state.controls(), says.element, panels(...sides),
    remark(`Probability of the next token, the ${top} likeliest tokens. ${settings.note}`), state.link,
  );
  return state.live();
};
