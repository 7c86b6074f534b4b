// @ts-check
// Widget 3c: the reader trains the two-layer model in the page. What is computed lies in widgets/training.
import { curves } from "../../widgets/curves.js";
import { heatMap } from "../../widgets/heatmap.js";
import { expose, format, frame, h, legible, panels, range, remark, spoken, weightsOf, write } from "../../widgets/kit.js";
import * as parts from "../../widgets/parts.js";
import { fromLine, toLine } from "../../widgets/runs.js";
import { stateOf } from "../../widgets/state.js";
import { actsOf } from "../../widgets/training/acts.js";
import { beginnings, buttonsOf, seed, settings, speed } from "../../widgets/training/buttons.js";
import { player, remembered } from "../../widgets/training/player.js";
import { progress } from "../../widgets/training/teller.js";
import { hand, listens, taken } from "./handing.js";
import { nextCharacter } from "./next_character.js";
import { defaults, settingsOf } from "./trainer_settings.js";
import { LINES, teller } from "./trainer_words.js";

/** @typedef {import("../../widgets/training/worker.js").View} View */
/** @typedef {import("../../widgets/training/stepping.js").Point} Point */
/** @typedef {import("./trainer_settings.js").Size} Size */
/** @typedef {import("./trainer_settings.js").State} State */
/** @typedef {{ title: string, sizes: Record<string, Size> }} Settings */

const RATES = [0.001, 0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 1];
const SHOWN = 5;
/** @type {[string, string][]} */
const MATRICES = [["W_O2", "W_O2"], ["W_K2", "W_K2"], ["W_K1", "W_K1"]];
/**
 * Whether a model reads lines of text.
 * @param {Size} size
 */
const lines = ({ vocabulary }) => vocabulary.includes("\n");
/**
 * What a run is begun with: a change starts a new one. What else there is acts on the run that is there.
 * @param {State} state
 */
const begunWith = ({ size, triggers, K, optimizer, seed }) => JSON.stringify([size, triggers, K, optimizer, seed]);
/**
 * What runs have alike whose curves are drawn over each other.
 * @param {State} state
 */
const alike = ({ size, triggers, K, optimizer, lr }) => JSON.stringify([size, triggers, K, optimizer, lr]);

/**
 * A choice that brings other values along, in the page and in a link.
 * @param {Parameters<typeof parts.choice>[0]} how
 * @param {(value: any, values: import("../../widgets/state.js").Values | null) => object} bring
 * @returns {import("../../widgets/state.js").Declared}
 */
const bringing = (how, bring) => (key, change) => {
  /** @type {import("../../widgets/state.js").Values | null} */
  let known = null;
  const inner = parts.choice(how)(key, (next) => change({ ...next, ...bring(next[key], known) }));
  return {
    ...inner,
    show(values, anew) { known = values; inner.show(values, anew); },
    take(found, values) {
      const left = inner.take(found, values);
      if (Object.hasOwn(found, key) && !left.length) Object.assign(values, bring(values[key], values));
      return left;
    },
  };
};

/** How a run is held that begins with these frozen. @param {string[]} frozen */
const begunHeld = (frozen) => (frozen.length ? ` with ${frozen.join(", ")} frozen` : "");

/** @type {import("../../widgets/kit.js").Widget} */
export const induction_trainer = async ({ model, el }) => {
  const /** @type {Settings} */ { title, sizes } = model.get("settings"), tensors = await weightsOf(model);
  const name = model.get("name"), root = frame(el, { name, title }), first = Object.keys(sizes)[0];
  const kernel = listens(model) ? /** @type {import("./handing.js").Live} */ (model) : null;
  // with a kernel the notebook keeps what is to be kept
  const kept = kernel ? null : remembered(name), before = kept && sizes[kept.values.size] ? kept : null;
  const /** @type {State} */ start = {
    size: first, triggers: "random", seed: 0, frozen: [], .../** @type {any} */ (defaults(sizes[first])), .../** @type {any} */ (before?.values ?? {}),
  };
  const size = () => sizes[state.values.size], characters = () => [...size().vocabulary];
  const encode = (/** @type {string} */ text) => [...text].map((character) => characters().indexOf(character));
  /** @param {string} line */
  const check = (line) => {
    const typed = [...fromLine(line)], strange = typed.find((character) => !characters().includes(character));
    if (!typed.length) return "Type at least one character.";
    if (typed.length > size().T) return `The sequence has ${typed.length.toLocaleString("en")} characters; this model reads at most ${size().T}.`;
    return strange === undefined ? null : `The model does not know the character “${legible(strange)}”: it knows ${lines(size()) ? "letters, spaces, ↵ and !$&',-.3:;?" : `the letters ${size().vocabulary[0]} to ${size().vocabulary.at(-1)}`}.`;
  };

  /** @type {{ of: string, points: Point[] }[]} */
  let earlier = [];
  /** @type {View | null} */
  let view = null;
  /** @type {{ size: string, weights: import("./handing.js").Weights } | null} */
  let given = null;
  const random = h("button", { type: "button", click: () => { given = null; anew(); } }, "Random weights again");
  const source = h("p", { class: "mb-axes" }, "This run begins with the weights that Python gave; its seed draws the sequences alone. ", random);
  const ownWeights = () => (given && given.size === state.values.size ? given.weights : undefined);
  const where = h("p", { class: "mb-axes" }), tell = teller("Press Play: W_K1, W_K2 and W_O2, random at first, are trained here in this page, but for those that you freeze.", () => state.values.pace === "watch");
  const acts = actsOf(before?.values.acts);
  const chart = curves({
    title: "Memories stored, and accuracy", lines: LINES, dated: true,
    earlierIs: "Faint lines: runs before this one, of other seeds or held otherwise.", rangeIs: "Shaded: the range of this build's own runs.",
  });
  const maps = [1, 2].map((layer) => heatMap({
    title: `Attention of layer ${layer}`, rowName: "the character that looks", columnName: "the one it looks at",
    describe: (q, s, value) => `${spoken([...state.values.seq][q])} (${q + 1}) looks at ${spoken([...state.values.seq][s])} (${s + 1}): ${value.toFixed(3)}`,
  }));
  const memories = MATRICES.map(([matrix]) => heatMap({
    title: `What ${matrix} holds`, rowName: matrix === "W_O2" ? "the prediction" : "the query", columnName: matrix === "W_O2" ? "the attended character" : "the key",
    describe: (j, i, value) => `row ${matrix === "W_K1" ? j + 1 : spoken(characters()[j])}, column ${matrix === "W_K1" ? i + 1 : spoken(characters()[i])}: ${format(value)}`,
  }));
  const prediction = nextCharacter("The next character", SHOWN);

  const state = stateOf({
    name, root, start, followed: Boolean(before),
    parts: {
      size: bringing({ label: "Model", options: Object.entries(sizes).map(([key, one]) => [key, one.name]) }, (key) => defaults(sizes[key])),
      triggers: parts.choice({ label: "Triggers", options: [["random", "new in each sequence"], ["fixed", "always the same"]] }),
      K: parts.slider({ label: "Triggers K of a sequence", values: (values) => range(sizes[values.size].mostK).map((k) => k + 1) }),
      optimizer: bringing({ label: "Optimizer", options: [["sgd", "SGD with momentum"], ["adamw", "Adam"]] },
        (which, values) => ({ lr: sizes[values?.size ?? first].rates[/** @type {"sgd" | "adamw"} */ (which)] })),
      pace: speed(),
      lr: parts.slider({ label: "Learning rate", values: RATES }),
      seed: seed(),
      frozen: parts.ticks({ label: "Freeze", options: MATRICES }),
      seq: parts.sequence({ offers: [], check, toLine, fromLine, hint: (values) => `Attention and prediction are shown on this${lines(sizes[values.size]) ? "; ↵ is a line break" : ""}.` }),
    },
    draw(values, moved) {
      if (begunWith(values) !== begun) anew();
      else if (String(values.frozen) !== String(now.frozen) || values.lr !== now.lr) {
        if (values.lr !== now.lr) acts.did(view, "lr", `learning rate ${values.lr}`);
        if (String(values.frozen) !== String(now.frozen)) acts.did(view, "frozen", values.frozen.length ? `${values.frozen.join(", ")} frozen` : "nothing frozen");
        now = { lr: values.lr, frozen: values.frozen };
        run.change(now);
      }
      if (moved.has("seq")) run.look();
      if (moved.has("pace") && run.playing) run.go();
    },
  });

  let begun = begunWith(start);
  // what acts on a run under way, as the run has it; and how it was held when it began
  let now = { lr: start.lr, frozen: start.frozen }, how = /** @type {string} */ (before?.values.how ?? "");
  const held = () => (how + acts.told());

  /** A new run; the curve of the one before stays as a faint one where nothing but the seed or what is frozen is other. */
  function anew() {
    const { lr, frozen } = state.values, next = alike(state.values);
    const other = begunWith(state.values) !== begun || held() !== begunHeld(frozen);
    if (view && view.step > 0 && other) earlier.push({ of: lastAlike, points: view.points });
    earlier = earlier.filter(({ of }) => of === next).slice(-8);
    begun = begunWith(state.values);
    now = { lr, frozen };
    buttons.begin();
  }
  let lastAlike = alike(start);

  /** @param {View} next */
  function shown(next) {
    view = next;
    lastAlike = alike(state.values);
    const { step, latest, seen: { look, maps: stored } } = next, points = latest ? [...next.points, latest] : next.points, tokens = [...state.values.seq], last = tokens.length - 1, N = characters().length;
    const { range: build, steps } = size();
    if (ownWeights()) where.after(source);
    else source.remove();
    if (step === 0) {
      acts.begin();
      how = begunHeld(state.values.frozen);
    }
    buttons.show(next);
    chart.update({ last: steps, points, earlier: earlier.map((one) => one.points), range: build, marks: acts.steps() });
    for (const map of [...maps, ...memories]) map.speaks(!run.playing);
    if (look.logits.length === N * tokens.length) {
      const z = encode(state.values.seq);
      maps.forEach((map, index) => {
        const /** @type {import("../../widgets/heatmap.js").Cell[]} */ frames = [];
        if (index === 1) for (let q = 1; q <= last; q++) for (let s = 1; s <= q; s++) if (z[s - 1] === z[q]) frames.push([q, s]);
        map.update({ rows: tokens, columns: tokens, data: look.attention[index], causal: true, frames });
      });
      prediction.update(characters(), z, look.logits);
    }
    MATRICES.forEach(([matrix], index) => {
      const data = stored[/** @type {"W_K1" | "W_K2" | "W_O2"} */ (matrix)], labels = matrix === "W_K1" ? range(size().T).map((t) => String(t + 1)) : characters();
      let reach = 0;
      for (const value of data) reach = Math.max(reach, Math.abs(value));
      memories[index].update({ rows: labels, columns: labels, data, diverging: true, low: -reach, high: reach });
    });
    write(where, progress(next, steps, next.playing));
    if (kernel && next.kept && !run.playing && next.kept.step > 0) hand(kernel, settingsOf(size(), state.values, tensors), ownWeights() ?? null, next.kept);
    run.rest(tell.view(next, run, now.lr, held()));
    expose(root, { step, playing: run.playing, done: next.done, diverged: next.diverged, vectors: next.vectors, accuracy: points.at(-1)?.accuracy ?? 0 });
  }

  const run = player({
    name, root, kind: "two_layers", shown, kept: before?.kept, weights: ownWeights,
    settings: () => settingsOf(size(), state.values, tensors), query: () => encode(state.values.seq),
    pace: () => (state.values.pace === "watch" ? size().pace : 0), values: () => ({ ...state.values, acts: acts.keep(), how }),
  });
  const buttons = buttonsOf({ run, tell, anew, state });
  root.append(
    buttons.element, settings(state, "frozen", "pace", "lr"),
    panels({ element: h("div", {}, tell.element, chart.element, where) }, { element: h("div", {}, state.controls("seq"), prediction.element) }),
    beginnings(state, "size", "triggers", "K", "optimizer", "seed"), panels(...maps), remark("Dashed frames in layer 2: where an induction head looks, right after earlier copies of the same character. After a wrong answer the last row of that map tells which of two went wrong: it looked elsewhere, or it looked there and what the last character adds by itself, which is random and not trained, outweighs what is copied."),
    panels(...memories), remark("In these three orange is positive, purple negative."), state.link,
  );
  kernel?.on("change:given", () => {
    const key = kernel.get("given_size"), { vocabulary, T, d } = sizes[key];
    given = { size: key, weights: taken({ N: [...vocabulary].length, T, d }, kernel.get("given")) };
    if (state.values.size === key) anew();
    else state.set({ size: key, .../** @type {any} */ (defaults(sizes[key])) });
  });
  const stop = state.live(...maps, ...memories);
  return () => { run.stop(); stop(); };
};
