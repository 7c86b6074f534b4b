// Widget 4b: what the last character looks at in layer 2, along training.
import { roles } from "../../widgets/book.js";
import * as charts from "../../widgets/charts.js";
import * as kit from "../../widgets/kit.js";
import { h, glyph } from "../../widgets/kit.js";
import * as noise from "./noise.js";

function words(run, state, seen) {
  const { answer, after, on, mass, end, z } = seen, { percent, spoken } = noise;
  const start = `Step ${state.step}. ${noise.history(run, seen)}.`;
  if (after.length === 0) return `${start} Layer 2 has nothing to find, and puts ${percent(mass[end])} of its attention on the last character itself.`;
  const there = answer < 0 ? "" : `${percent(on(answer))} on ${spoken(run.characters[answer])}`;
  const noisy = after.some((s) => z[s] === run.noise);
  const beside = noisy ? `${percent(on(run.noise))} on the noise, which stands after it just as well` : "";
  const even = `; were it spread evenly, each position would have ${percent(1 / z.length)}`;
  return `${start} There layer 2 puts ${[there, beside].filter(Boolean).join(" and ")}${even}.`;
}

export const noise_attention = async ({ model, el }) => {
  const run = await noise.open(model), name = model.get("name");
  const state = { step: run.steps[run.steps.length - 1], text: run.sequences[1][1] };
  const root = kit.frame(el, { name, title: run.titles.attention });
  const { x, series } = run.recorded, end = x[x.length - 1];
  const chart = charts.plot({ title: "Attention of layer 2 along training, mean over noisy sequences", xName: "training step + 1" });
  const strip = h("ol", { class: "mb-strip mb-tall", "aria-label": "What the last character looks at" });
  const sums = charts.bars({ title: "Attention on what followed it earlier" });
  const says = kit.sentence(), notice = kit.notice();
  const ticks = [1, 10, 100, 1000].filter((v) => v < 0.6 * end).concat(end + 1);

  const draw = () => {
    const seen = run.read(state.text, state.step), { z, mass, after, counts, answer, on } = seen, there = new Set(after);
    const role = (token) => (token === run.noise ? "noise" : token === answer ? "correct" : "predicted");
    strip.replaceChildren(...[...state.text].map((character, s) => {
      const fill = h("span", { class: "mb-column-fill" });
      fill.style.height = `${100 * mass[s]}%`;
      fill.style.background = there.has(s) ? roles[role(z[s])].colour : "var(--mb-quiet)";
      const percent = mass[s] < 0.005 ? "under 1%" : noise.percent(mass[s]);
      const item = h(
        "li", { "aria-label": `${noise.spoken(character)}: ${percent}${there.has(s) ? ", after an earlier copy of the last" : ""}` },
        h("span", { class: "mb-column", "aria-hidden": "true" }, fill), h("span", { class: "mb-token" }, glyph(character)),
      );
      item.classList.toggle("mb-asked", there.has(s));
      item.classList.toggle("mb-last", s === seen.end);
      item.dataset.value = mass[s];
      return item;
    }));
    const marks = { noise: "noise", correct: "correct", predicted: "" };
    const shown = [...counts.keys()].sort((a, b) => on(b) - on(a)).slice(0, 4);
    sums.update(shown.map((token) => ({ label: glyph(run.characters[token]), value: on(token), role: role(token), mark: marks[role(token)] })));
    sums.element.hidden = after.length === 0;
    chart.update({
      x: [1, end + 1], y: [0, 1], logX: true, xTicks: ticks, cursor: state.step + 1,
      series: series.map(({ name: label, role: one, values }) => ({
        name: label, ...roles[one], points: x.map((at, i) => [at + 1, values[i]]), value: values[x.indexOf(state.step)],
      })),
    });
    says.say(words(run, state, seen));
    Object.assign(root.dataset, { step: state.step, noise: on(run.noise), correct: answer < 0 ? NaN : on(answer) });
  };

  const schedule = kit.scheduler(draw);
  const presets = kit.presets({
    label: "Moments of training", options: run.presets,
    press: (step) => { state.step = step; slider.set(step); presets.set(step); schedule(); },
  });
  const slider = kit.slider({
    label: "Training step", values: run.steps, value: state.step,
    input: (step) => { state.step = step; presets.set(step); schedule(); },
  });
  slider.element.classList.add("mb-whole");
  const own = noise.sequence(run, state, schedule);
  const synchronise = () => { slider.set(state.step); presets.set(state.step); own.synchronise(); };
  synchronise();
  root.append(
    presets.element, h("div", { class: "mb-controls" }, slider.element, ...own.elements), says.element,
    h("p", { class: "mb-axes" }, "Each bar is the share of the last character's attention (layer 2) on one character. Underlined: those right after an earlier copy of it."),
    strip, h("div", { class: "mb-panels" }, sums.element, chart.element), notice.element,
    kit.linkButton({ name, state: () => ({ step: state.step, seq: state.text }) }).element,
  );
  const stopAddress = kit.followAddress(name, root, (found) => {
    notice.say(noise.take(run, state, found, { step: run.steps }));
    synchronise();
    schedule();
  });
  draw();
  return stopAddress;
};
