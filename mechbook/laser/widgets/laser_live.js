// @ts-check
// Widget 5d: the language model itself, in the reader's browser: any prompt, any matrix at any rate, heads, a look inside.
import { bars } from "../../widgets/charts.js";
import { expose, frame, h, legible, panels, range, remark, sentence, write } from "../../widgets/kit.js";
import { opening } from "../../widgets/language/opening.js";
import * as parts from "../../widgets/parts.js";
import { stateOf } from "../../widgets/state.js";
import { asker } from "./live_asking.js";
import { inside } from "./live_inside.js";
import { spoken, two, visible } from "./tokens.js";

/** @typedef {import("../../widgets/language/client.js").Language} Language */
/** @typedef {import("./live_asking.js").Answers} Answers */
/** @typedef {import("./live_asking.js").After} After */
/** @typedef {{ block: number, matrix: string, rho: number }} Edit blocks count from 1 */
/**
 * `hints`: for each matrix and block (from 0) what the map found, for each task the largest factor on the ratio and its rho.
 * @typedef {{
 *   title: string, tasks: string[], chosen: Edit[], prompts: { text: string, answer: string, other: string }[], right: string,
 *   matrices: string[], hints: Record<string, [factor: number, rho: number][][]>, blocks: number,
 *   heads: [words: string, heads: [number, number][]][], engine: import("../../widgets/language/opening.js").Engine | null,
 * }} Settings
 */
/** @typedef {{ text: string, answer: string, right: string, other: string, off: string[] } & Edit} State */

const ASIDE = "The other widgets of this chapter need no model.";
const FIRST = `No model is open yet. Load one, and type: what follows your prompt stands here, before and after the cut. ${ASIDE}`;
/** The rates of the slider: every hundredth of the full rank. */
const RATES = range(101).map((i) => i / 100);

/** @type {import("../../widgets/kit.js").Widget} */
export const laser_live = async ({ model, el }) => {
  const /** @type {Settings} */ settings = model.get("settings"), name = model.get("name");
  const { title, tasks, chosen, prompts, right, matrices, hints, heads, engine } = settings, root = frame(el, { name, title });
  root.classList.add("mb-tokens", "mb-laser-live");
  const says = sentence(), hint = remark(""), cost = h("p", { class: "mb-cost" }), time = remark("");
  const sides = ["Full model", "Changed model"].map((words) => bars({ title: words }));
  let blocks = settings.blocks;
  /** @type {Record<string, (problem: string | null) => void>} */
  const problems = {};
  const ready = (/** @type {string} */ key) => (/** @type {(problem: string | null) => void} */ say) => { problems[key] = say; };
  const any = () => null;
  const look = inside({ heads, switched: (off, set) => state.set({ ...(set && off.length ? prompts[1] : {}), off }), attention: async (block) => asking?.attention(block) ?? null });

  const /** @type {import("../../widgets/state.js").Presets<State>} */ goals = [
    ...chosen.map((edit, i) => /** @type {[string, Partial<State>]} */ ([`Chosen for ${tasks[i]}`, { ...prompts[i], ...edit, off: [] }])),
    ["Nothing cut", { rho: 1, off: [] }],
  ];
  const state = stateOf({
    name, root, start: /** @type {State} */ ({ ...prompts[0], right, ...chosen[0], off: [] }),
    parts: {
      text: parts.line({ label: "Prompt", hint: "What the model reads; it goes on from here. Spaces at the end are left out.", check: any, ready: ready("text") }),
      answer: parts.line({ label: "Answer", hint: "One token of the model, after a space; watched beside “the”.", check: any, ready: ready("answer") }),
      block: parts.slider({ label: "Block, from 1", wide: true, values: () => range(blocks).map((i) => i + 1), words: (value) => `${value} of ${blocks}` }),
      matrix: parts.choice({ label: "Matrix", options: matrices.map((own) => [own, own]) }),
      rho: parts.slider({ label: "ρ, the rank that stays", wide: true, values: RATES, words: (value) => value.toFixed(2) }),
      right: parts.line({ label: "A sentence where “the” is right", hint: "What the same cut costs there.", check: any, ready: ready("right") }),
      other: parts.line({ label: "Against", hint: "One token: heads are judged by what they add to the answer’s logit, less this one’s.", check: any, ready: ready("other") }),
      off: look.part,
    },
    presets: { label: "Cuts", options: goals },
    settle(now) { now.block = Math.min(now.block, blocks); },
    draw: (now) => {
      write(hint, hinted(now));
      again();
    },
  });

  /** What the chapter's map knows of a place. @param {State} now */
  function hinted({ block, matrix }) {
    if (blocks !== settings.blocks) return "The map above is that of another model.";
    const found = hints[matrix]?.[block - 1], best = chosen[0];
    const gains = tasks.map((task, i) => (found?.[i][0] ? `${task} × ${two(found[i][0])} (at ρ = ${found[i][1]})` : `${task} not cut here`)).join(", ");
    return `The best that the map above has here, for the ratio P(answer)/P(the) on few prompts: ${gains}. Worth a look: block ${best.block}, ${best.matrix}; then its other matrices.`;
  }

  /** @type {ReturnType<typeof asker> | null} */
  let asking = null;
  const weights = opening({
    engine, aside: ASIDE,
    opened(language, said) {
      blocks = said.blocks;
      look.begin(said);
      asking = asker(language, { shown, problem, waiting: (words) => write(time, words), lost: weights.lost, stale: (is) => expose(root, { stale: is }) });
      says.say("The model is open. What follows your prompt stands here, before and after the cut.");
      state.set({ block: Math.min(state.values.block, blocks) });
      expose(root, { open: true });
    },
    closed() {
      asking = null;
      for (const side of sides) side.update([]);
      write(cost, "");
      write(time, "");
      look.clear();
      says.say(FIRST);
      expose(root, { open: false, drawn: 0 });
    },
  });

  /** @param {string} key @param {string | null} words */
  const problem = (key, words) => problems[key](words && legible(words));

  /** @param {After} found @param {Answers} all */
  function entries({ top, answer, the }, { word, right: isThe }) {
    /** @typedef {[label: string, value: number, role?: string, mark?: string]} Entry */
    const /** @type {Entry[]} */ watched = [[word, answer, "correct", "answer"]];
    if (!isThe) watched.push([" the", the, "noise", "“the”"]);
    const entry = (/** @type {Entry} */ [label, value, role, mark]) =>
      ({ label: legible(visible(label)), value, role, mark, text: value < 0.0005 ? "<0.001" : value.toFixed(3) });
    const low = watched.filter(([own]) => !top.some(([token]) => token === own)).sort((a, b) => b[1] - a[1]);
    return [
      ...top.map(([token, p]) => entry(watched.find(([own]) => own === token) ?? [token, p])),
      ...low.map(([token, p, role, mark]) => entry([token, p, role, `${mark}, rank > ${top.length}`])),
    ];
  }

  /** @param {Answers} all */
  function sentenceOf({ asked, word, rank, full, cut, whole, right: isThe }) {
    const { text, block, matrix, rho, off } = asked, end = [...text].length > 60 ? `… ${[...text].slice(-58).join("")}` : text;
    const how = [
      rank === null ? "" : `block ${block}’s ${matrix} cut to rank ${rank} of ${whole} (ρ = ${rho})`,
      off.length ? `${off.length === 1 ? `head ${off[0]}` : `${off.length} heads`} off` : "",
    ].filter(Boolean).join(" and ");
    const first = [full, cut].map(({ top }) => legible(spoken(top[0][0]))), own = legible(spoken(word));
    if (!how) return `“${legible(end)}” goes on with ${first[0]}, says the full model; ${own} has ${two(full.answer)}, “the” ${two(full.the)}. Move ρ below 1 to cut a matrix.`;
    const gain = cut.answer / cut.the / (full.answer / full.the);
    const likeliest = first[0] === first[1] ? `The likeliest token stays ${first[0]}.` : `The likeliest token was ${first[0]}; now it is ${first[1]}.`;
    const takes = isThe ? "" : `“the” from ${two(full.the)} to ${two(cut.the)} and `;
    const ratio = isThe ? "" : `; P(answer)/P(the) from ${two(full.answer / full.the)} to ${two(cut.answer / cut.the)} (times ${two(gain)})`;
    return `“${legible(end)}” with ${how} takes ${takes}${own} from ${two(full.answer)} to ${two(cut.answer)}${ratio}. ${likeliest}`;
  }

  let room = 0, roomFor = "";
  /** @param {Answers} all */
  function shown(all) {
    const { full, cut, cost: price, asked, ms } = all;
    sides[0].update(entries(full, all));
    sides[1].update(entries(cut, all));
    says.say(sentenceOf(all));
    // as much room as this prompt has needed at this width: what follows does not move with the slider
    const line = says.element, of = `${line.clientWidth} ${asked.text}`;
    if (of !== roomFor) [roomFor, room, line.style.minHeight] = [of, 0, ""];
    room = Math.max(room, line.offsetHeight);
    line.style.minHeight = `${room}px`;
    write(cost, price ? `What it costs: after “${legible(asked.right.slice(-80))}” P(the) goes from ${two(price.full)} to ${two(price.cut)}.` : "");
    write(time, `Probability of the next token, the likeliest first. Computed in this page in ${Math.round(ms)} ms.`);
    if (all.inside) look.show(all.inside, all);
    expose(root, {
      text: asked.text, block: asked.block, matrix: asked.matrix, rho: asked.rho, off: asked.off.join(","), rank: all.rank ?? "", answer: full.answer, the: full.the,
      cutAnswer: cut.answer, cutThe: cut.the, costFull: price?.full ?? "", costCut: price?.cut ?? "", drawn: all.serial,
    });
  }

  /** Ask for what is set now; heads that the model does not have are none that are off. */
  function again() {
    asking?.want({ ...state.values, off: state.values.off.filter(look.exists), inside: look.open() });
  }
  look.element.addEventListener("toggle", again);
  root.append(
    weights.element, state.presets, state.controls("text", "answer"), hint, state.controls("block", "matrix", "rho"), says.element, panels(...sides), time,
    state.controls("right"), cost, look.element, state.link,
  );
  look.place(state.controls("other"));
  says.say(FIRST);
  expose(root, { open: false });
  await weights.begin();
  const stop = state.live(look.map);
  return () => { weights.stop(); stop(); };
};
