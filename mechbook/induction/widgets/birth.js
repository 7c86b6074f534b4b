// @ts-check
// The landing page's trainer: one button, and a sentence that says what is happening while it happens.
import { roles } from "../../widgets/book.js";
import { bars } from "../../widgets/charts.js";
import { curves } from "../../widgets/curves.js";
import { expose, frame, glyph, h, panels, percent, remark, sentence, spoken, weightsOf } from "../../widgets/kit.js";
import { softmax } from "../../widgets/tensors.js";
import { player, remembered } from "../../widgets/training/player.js";
import { PLAIN } from "../../widgets/training/teller.js";
import { defaults, settingsOf } from "./trainer_settings.js";
import { LINES, teller } from "./trainer_words.js";

/** @typedef {import("../../widgets/training/worker.js").View} View */
/** @typedef {{ title: string, size: import("./trainer_settings.js").Size }} Settings */

const BEGIN = "A small transformer, three of its matrices random. Press the button: they are trained in your browser, now.";
const END = " First it learned to copy (W_O2), then where to look (W_K2), and last to mark each letter with the one before (W_K1): an induction head is born.";
const SHOWN = 3;

/** @type {import("../../widgets/kit.js").Widget} */
export const induction_birth = async ({ model, el }) => {
  const /** @type {Settings} */ { title, size } = model.get("settings"), tensors = await weightsOf(model);
  const name = model.get("name"), root = frame(el, { name, title }), before = remembered(name), characters = [...size.vocabulary];
  const z = [...size.seq].map((character) => characters.indexOf(character)), last = z.length - 1, N = characters.length;
  const followed = new Set(z.flatMap((token, s) => (s > 0 && z[s - 1] === z[last] ? [token] : [])));
  const says = sentence(), tell = teller(says, BEGIN, END);
  const chart = curves({ title: "Stored in each matrix, and answers that are right", lines: LINES });
  const strip = h("ol", { class: "mb-strip", "aria-label": "What the last letter looks at" }), prediction = bars({ title: "The next letter" });
  const marks = z.map((_, s) => {
    const fill = h("span", { class: "mb-mass", "aria-hidden": "true" }), item = h("li", { class: "mb-token" }, size.seq[s], fill);
    fill.style.background = roles.W_K2.colour;
    item.classList.toggle("mb-last", s === last);
    strip.append(item);
    return { item, fill };
  });
  const /** @type {any} */ start = { size: "letters", triggers: "random", seed: 0, frozen: [], ...defaults(size) };

  /** @param {View} view */
  function shown({ step, points, seen: { look }, done, diverged, loss, vectors }) {
    tell.view({ step, points, done, diverged, loss }, { playing: run.playing, lr: start.lr });
    chart.update({ last: size.steps, points, earlier: [], range: null });
    marks.forEach(({ item, fill }, s) => {
      const mass = look.attention[1][last * z.length + s];
      fill.style.width = `${100 * mass}%`;
      item.setAttribute("aria-label", `${spoken(size.seq[s])}: ${percent(mass)}`);
    });
    const probabilities = softmax(look.logits, last * N, N), order = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
    prediction.update(order.slice(0, SHOWN).map((token) => ({
      label: glyph(characters[token]), value: probabilities[token], role: followed.has(token) ? "correct" : "predicted",
      mark: followed.has(token) ? "seen after it" : "",
    })));
    without.textContent = vectors ? "" : PLAIN;
    play.textContent = run.playing ? "Pause" : done ? "Watch again" : step ? "Go on" : "Train it now";
    expose(root, { step, done, playing: run.playing, accuracy: points.at(-1)?.accuracy ?? 0 });
  }

  const play = h("button", { type: "button", class: "mb-main" }, "Train it now"), without = h("p", { class: "mb-axes" });
  let ended = false;
  play.addEventListener("click", () => {
    if (run.playing) run.pause();
    else {
      if (ended) { tell.reset(); run.reset(); }
      run.play();
    }
  });
  const run = player({
    name, root, kind: "two_layers", kept: before?.kept, settings: () => settingsOf(size, start, tensors), query: () => z, pace: () => size.pace,
    values: () => ({}), shown: (view) => { ended = view.done; shown(view); },
  });
  root.append(
    h("div", { class: "mb-presets" }, play), says.element, without,
    panels(chart, { element: h("div", {}, strip, remark("A bar under a letter: how much the last one looks at it, in layer 2."), prediction.element) }),
  );
  return () => run.stop();
};
