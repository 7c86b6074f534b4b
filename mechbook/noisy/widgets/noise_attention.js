// @ts-check
// Widget 4b: what the last character looks at in layer 2, along training.
import { roles } from "../../widgets/book.js";
import { bars, plot } from "../../widgets/charts.js";
import { expose, frame, glyph, h, panels, percent, remark, sentence } from "../../widgets/kit.js";
import * as parts from "../../widgets/parts.js";
import { atTheEnd } from "../../widgets/runs.js";
import { stateOf } from "../../widgets/state.js";
import { MARKS, history, open, reading, roleOf, spoken } from "./noise.js";

/**
 * @param {import("./noise.js").Run} run
 * @param {number} step
 * @param {import("./noise.js").Seen} seen
 */
function words(run, step, seen) {
  const { answer, after, on, mass, end, z } = seen, start = `Step ${step}. ${history(run, seen)}.`;
  if (after.length === 0) return `${start} Layer 2 has nothing to find, and puts ${percent(mass[end])} of its attention on the last character itself.`;
  const there = answer < 0 ? "" : `${percent(on(answer))} on ${spoken(run.characters[answer])}`;
  const noisy = after.some((s) => z[s] === run.noise);
  const beside = noisy ? `${percent(on(run.noise))} on the noise, which stands after it just as well` : "";
  const even = `; were it spread evenly, each position would have ${percent(1 / z.length)}`;
  return `${start} There layer 2 puts ${[there, beside].filter(Boolean).join(" and ")}${even}.`;
}

/** @type {import("../../widgets/kit.js").Widget} */
export const noise_attention = async ({ model, el }) => {
  const run = await open(model), name = model.get("name"), root = frame(el, { name, title: run.titles.attention });
  const { x, series } = run.recorded, end = x[x.length - 1];
  const chart = plot({ title: "Attention of layer 2 along training, mean over noisy sequences", xName: "training step + 1" });
  const strip = h("ol", { class: "mb-strip mb-tall", "aria-label": "What the last character looks at" });
  const sums = bars({ title: "Attention on what followed it earlier" }), says = sentence();
  const ticks = [1, 10, 100, 1000].filter((v) => v < 0.6 * end).concat(end + 1);

  const state = stateOf({
    name, root, start: atTheEnd(run, 1),
    parts: { step: parts.slider({ label: "Training step", values: run.steps, wide: true }), seq: reading(run) },
    presets: { label: "Moments of training", options: run.presets.map(([step, moment]) => [moment, { step }]) },
    draw({ step, seq }) {
      const seen = run.read(seq, step), { z, mass, after, counts, answer, on } = seen, there = new Set(after);
      strip.replaceChildren(...[...seq].map((character, s) => {
        const fill = h("span", { class: "mb-column-fill" });
        fill.style.height = `${100 * mass[s]}%`;
        fill.style.background = there.has(s) ? roles[roleOf(run, seen, z[s])].colour : "var(--mb-quiet)";
        const item = h(
          "li", { "aria-label": `${spoken(character)}: ${percent(mass[s])}${there.has(s) ? ", after an earlier copy of the last" : ""}` },
          h("span", { class: "mb-column", "aria-hidden": "true" }, fill), h("span", { class: "mb-token" }, glyph(character)),
        );
        item.classList.toggle("mb-asked", there.has(s));
        item.classList.toggle("mb-last", s === seen.end);
        expose(item, { value: mass[s] });
        return item;
      }));
      const shown = [...counts.keys()].sort((a, b) => on(b) - on(a)).slice(0, 4);
      sums.update(shown.map((token) => {
        const role = roleOf(run, seen, token);
        return { label: glyph(run.characters[token]), value: on(token), role, mark: MARKS[role] };
      }));
      sums.element.hidden = after.length === 0;
      chart.update({
        x: [1, end + 1], y: [0, 1], logX: true, xTicks: ticks, cursor: step + 1,
        series: series.map(({ name: label, role, values }) => ({
          name: label, ...roles[role], points: x.map((at, i) => [at + 1, values[i]]), value: values[x.indexOf(step)],
        })),
      });
      says.say(words(run, step, seen));
      expose(root, { step, noise: on(run.noise), correct: answer < 0 ? NaN : on(answer) });
    },
  });
  root.append(
    state.presets, state.controls(), says.element,
    remark("Each bar is the share of the last character's attention (layer 2) on one character. Underlined: those right after an earlier copy of it."),
    strip, panels(sums, chart), state.link,
  );
  return state.live();
};
