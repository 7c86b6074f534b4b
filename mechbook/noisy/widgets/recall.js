// @ts-check
// Widget 4c: noisy recall is trained in the page, and F_2 can be dropped at any moment of it.
import { bars } from "../../widgets/charts.js";
import { curves } from "../../widgets/curves.js";
import { heatMap } from "../../widgets/heatmap.js";
import { expose, frame, h, legible, panels, percent, range, remark, spoken, write } from "../../widgets/kit.js";
import * as parts from "../../widgets/parts.js";
import { stateOf } from "../../widgets/state.js";
import { softmax } from "../../widgets/tensors.js";
import { actsOf } from "../../widgets/training/acts.js";
import { beginnings, buttonsOf, seed, settings, speed } from "../../widgets/training/buttons.js";
import { player, remembered } from "../../widgets/training/player.js";
import { progress, tellerOf } from "../../widgets/training/teller.js";

/** @typedef {import("../../widgets/training/worker.js").View} View */
/** @typedef {import("../../widgets/training/stepping.js").Point} Point */
/**
 * `letters` of the task and the sign of the noise; the first letter is the trigger. `run` is what decides a run beside the
 * state.
 * @typedef {{
 *   title: string, letters: string, noise: string, alphas: number[], rates: number[], start: { alpha: number, lr: number, seq: string },
 *   run: { T: number, d: number, B: number, every: number, steps: number },
 * }} Settings
 */
/** @typedef {{ cut: string[], alpha: number, lr: number, seed: number, pace: string, seq: string }} State */

/** @type {import("../../widgets/curves.js").Line[]} */
const LINES = [
  { key: "correct", name: "the right output", role: "correct" },
  { key: "noise", name: "the noise", role: "noise" },
];
const EVENTS = [
  { key: "share", level: 0.8, words: "the model answers the trigger with the noise, about as often as it comes: right on average, without looking" },
  { key: "found", level: 0.5, words: "attention begins to find what followed the trigger in this sequence" },
  { key: "gain", level: 0.08, words: "without F_2 the right output would have 8 percentage points more, or above: F_2 speaks over what attention finds, as the switch shows" },
];
const WATCH = 200, SHOWN = 5;

/**
 * The points of one state of the switch, and what the events are about: the noise and what attention finds as shares of
 * how often they are right.
 * @param {Point[]} points
 * @param {boolean} cut
 * @param {number} alpha
 */
const lines = (points, cut, alpha) => points.map((point) => ({
  ...point, correct: point[cut ? "correct cut" : "correct"], noise: point[cut ? "noise cut" : "noise"],
  share: point.noise / alpha, found: point["correct cut"] / (1 - alpha), gain: point["correct cut"] - point.correct,
}));

/**
 * What the switch does, at the last probe.
 * @param {Point} last
 * @param {boolean} cut
 */
function switched(last, cut) {
  const [before, now] = cut ? ["", " cut"] : [" cut", ""], of = (/** @type {string} */ key) => `from ${percent(last[key + before])} to ${percent(last[key + now])}`;
  return `Step ${last.step}, ${cut ? "F_2 dropped" : "F_2 brought back"}: the noise goes ${of("noise")}, the right output ${of("correct")}.`;
}

/** @type {import("../../widgets/kit.js").Widget} */
export const noisy_recall = async ({ model, el }) => {
  const /** @type {Settings} */ { title, letters, noise, alphas, rates, start: given, run: sizes } = model.get("settings");
  const name = model.get("name"), root = frame(el, { name, title }), signs = [...letters, noise], N = letters.length;
  const before = remembered(name);
  const /** @type {State} */ start = { cut: [], seed: 0, pace: "watch", ...given, .../** @type {any} */ (before?.values ?? {}) };
  const encode = (/** @type {string} */ text) => [...text].map((sign) => signs.indexOf(sign));
  const said = (/** @type {string} */ sign) => (sign === noise ? "the noise" : spoken(sign));
  const where = h("p", { class: "mb-axes" }), acts = actsOf(before?.values.acts);
  const tell = tellerOf({
    events: EVENTS,
    begin: `Press Play. After the trigger “${letters[0]}” comes the sequence's own output, or, with probability α, the noise ${noise}.`,
    patient: () => state.values.pace === "watch",
    ended: (step, last, how) => `Trained for ${step} steps${how}. The right output has probability ${percent(last.correct)}, the noise ${percent(last.noise)}; without F_2 they have ${percent(last["correct cut"])} and ${percent(last["noise cut"])}.`,
  });
  const chart = curves({ title: "Probability after the trigger", lines: LINES, earlierIs: "Faint: the same model, the switch the other way." });
  const most = remark(""), prediction = bars({ title: "The next token" });
  const map = heatMap({
    title: "Attention of layer 2", rowName: "the token that looks", columnName: "the one it looks at",
    describe: (q, s, value) => `${said([...state.values.seq][q])} (${q + 1}) looks at ${said([...state.values.seq][s])} (${s + 1}): ${value.toFixed(3)}`,
  });
  /** @param {string} line */
  const check = (line) => {
    const typed = [...line], strange = typed.find((sign) => !signs.includes(sign));
    if (!typed.length) return "Type at least one letter.";
    if (typed.length > sizes.T) return `The sequence has ${typed.length.toLocaleString("en")} tokens; this model reads at most ${sizes.T}.`;
    return strange === undefined ? null : `The model does not know “${legible(strange)}”: it knows the letters ${letters[0]} to ${letters[N - 1]} and the noise ${noise}.`;
  };
  /** @type {View | null} */
  let view = null;
  const begunWith = (/** @type {State} */ { alpha, seed }) => JSON.stringify([alpha, seed]);
  let begun = begunWith(start), rate = start.lr, dropped = start.cut.length > 0;

  const state = stateOf({
    name, root, start, followed: Boolean(before),
    parts: {
      cut: parts.ticks({ label: "Switch", options: [["F2", "drop F_2 from what is shown; training goes on with it"]] }),
      alpha: parts.slider({ label: "Probability α of noise", values: alphas }),
      pace: speed(),
      lr: parts.slider({ label: "Learning rate", values: rates }),
      seed: seed(),
      seq: parts.sequence({
        offers: [], check, toLine: String, fromLine: String, hint: `Letters ${letters[0]} to ${letters[N - 1]}, and the noise ${noise}.`,
        insert: { label: "Noise", text: noise, most: sizes.T },
      }),
    },
    draw(values, moved) {
      if (begunWith(values) !== begun) anew();
      else if (values.lr !== rate) {
        acts.did(view, "lr", `learning rate ${values.lr}`);
        run.change({ lr: rate = values.lr });
      }
      if (values.cut.length > 0 !== dropped) {
        dropped = !dropped;
        const last = view?.latest ?? view?.points.at(-1);
        if (last && view?.step) tell.note(switched(last, dropped));
        run.change({ drop: dropped });
        run.look();
      }
      if (moved.has("seq")) run.look();
      if (moved.has("pace") && run.playing) run.go();
    },
  });

  function anew() {
    [begun, rate] = [begunWith(state.values), state.values.lr];
    buttons.begin();
  }

  /** @param {View} next */
  function shown(next) {
    view = next;
    const { step, seen: { look } } = next, { seq, alpha } = state.values, tokens = [...seq], last = tokens.length - 1, V = N + 1;
    const all = next.latest ? [...next.points, next.latest] : next.points, points = lines(all, dropped, alpha), other = lines(all, !dropped, alpha);
    if (step === 0) acts.begin();
    buttons.show(next);
    chart.update({ last: sizes.steps, points, earlier: [other], range: null, marks: acts.steps() });
    map.speaks(!run.playing);
    if (look.logits.length === V * tokens.length) {
      const z = encode(seq), followed = new Set(z.flatMap((token, s) => (s > 0 && z[s - 1] === z[last] && token !== N ? [token] : [])));
      map.update({
        rows: tokens, columns: tokens, data: look.attention[1], causal: true, frameRole: "W_K2",
        frames: z.flatMap((_, s) => (s > 0 && z[s - 1] === z[last] && z[s] !== N ? [/** @type {[number, number]} */ ([last, s])] : [])),
      });
      const p = softmax(look.logits, last * V, V), order = [...p.keys()].sort((a, b) => p[b] - p[a]);
      prediction.update(order.slice(0, SHOWN).map((token) => ({
        label: signs[token], value: p[token], role: token === N ? "noise" : followed.has(token) ? "correct" : "predicted",
        mark: token === N ? "the noise" : followed.has(token) ? "seen after it" : "",
      })));
      expose(root, { noise: p[N] });
    }
    write(where, progress(next, sizes.steps, next.playing));
    write(most, `The noise comes with probability α = ${alpha}: a model that has learned how often gives the right output about 1 − α = ${percent(1 - alpha)}.`);
    const whole = lines(all, false, alpha);
    run.rest(tell.view({ ...next, points: whole.slice(0, next.points.length), latest: next.latest && whole[next.points.length] }, run, state.values.lr, acts.told()));
    expose(root, { step, playing: run.playing, done: next.done, diverged: next.diverged, dropped });
  }

  const even = Array(N).fill(1 / N);
  const run = player({
    name, root, kind: "noisy", shown, kept: before?.kept, pace: () => (state.values.pace === "watch" ? WATCH : 0), values: () => ({ ...state.values, acts: acts.keep() }),
    query: () => encode(state.values.seq),
    settings: () => ({
      ...sizes, N, K: 1, triggers: [0], pi_u: even, pi_b: range(N).map(() => even), alpha: state.values.alpha, lr: state.values.lr,
      momentum: 0.9, decay: 1e-4, seed: state.values.seed,
    }),
    begin: () => ({ drop: state.values.cut.length > 0 }),
  });
  const buttons = buttonsOf({ run, tell, anew, state });
  root.append(
    buttons.element, settings(state, "cut", "pace", "lr"),
    panels({ element: h("div", {}, tell.element, chart.element, most, where) }, { element: h("div", {}, state.controls("seq"), prediction.element) }),
    beginnings(state, "alpha", "seed"), map.element,
    h("p", { class: "mb-axes" }, "Frames in the last row: what followed the last token before, the noise left out."), state.link,
  );
  const stop = state.live(map);
  return () => { run.stop(); stop(); };
};
