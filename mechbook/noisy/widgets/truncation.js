// Widget 4a: how much of F_2's input weight is kept, against what the model predicts.
import { roles } from "../../widgets/book.js";
import * as charts from "../../widgets/charts.js";
import * as kit from "../../widgets/kit.js";
import { h, glyph } from "../../widgets/kit.js";
import * as noise from "./noise.js";

const SHOWN = 6;
const rankOf = (rho, d) => Math.floor(rho * d + 1e-9);

function words(run, state, now) {
  const { rho } = state, { rank, d, sure, noisy, full, seen } = now;
  const kept = rank === d ? "The full model" : rank === 0 ? "F₂ is dropped (ρ = 0)" : `ρ = ${rho}: ${rank} of ${d} singular values of F₂'s input weight are kept`;
  const before = rank === d ? "" : ` (${full.noisy.toFixed(2)} in the full model)`;
  const after = `the noise has probability ${noisy.toFixed(2)}${before}`;
  if (seen.answer < 0) return `${kept}. ${noise.history(run, seen)}: there is nothing to copy, and ${after}.`;
  const compared = rank === d ? "" : ` (${full.sure.toFixed(2)})`;
  return `${kept}. ${noise.history(run, seen)}. Now ${after}, and the correct token, ${noise.spoken(run.characters[seen.answer])}, ${sure.toFixed(2)}${compared}.`;
}

export const truncation = async ({ model, el }) => {
  const run = await noise.open(model), name = model.get("name"), step = run.steps[run.steps.length - 1];
  const w = run.weights(step), d = w.S.shape[0], state = { rho: 1, text: run.sequences[0][1] };
  const root = kit.frame(el, { name, title: run.titles.truncation });
  let known = null, sweep = null;
  /** The sequence at every rho, from one pass through all that comes before F_2. */
  const along = () => {
    if (known === state.text) return sweep;
    const seen = run.read(state.text, step), { predict } = noise.last(w, seen.seen), ranks = new Map();
    const at = run.rhos.map((rho) => {
      const rank = rankOf(rho, d);
      if (!ranks.has(rank)) ranks.set(rank, predict(rank));
      const probabilities = ranks.get(rank);
      return { rank, d, probabilities, noisy: probabilities[run.noise], sure: seen.answer < 0 ? NaN : probabilities[seen.answer], seen };
    });
    [known, sweep] = [state.text, at.map((one) => ({ ...one, full: at[at.length - 1] }))];
    return sweep;
  };
  const prediction = charts.bars({ title: "The next character" });
  const chart = charts.plot({ title: "Probabilities on this sequence", xName: "ρ, fraction of the rank that is kept" });
  const spectrum = charts.plot({ title: "Singular values of F₂'s input weight", xName: "number i of the singular value" });
  const says = kit.sentence(), notice = kit.notice(), values = [...w.S.data];

  const draw = () => {
    const all = along(), now = all[run.rhos.indexOf(state.rho)], { probabilities, seen, rank } = now;
    const order = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
    prediction.update(order.slice(0, SHOWN).map((token) => ({
      label: glyph(run.characters[token]),
      value: probabilities[token],
      role: token === run.noise ? "noise" : token === seen.answer ? "correct" : "predicted",
      mark: token === run.noise ? "noise" : token === seen.answer ? "correct" : "",
    })));
    const line = (key) => all.map((one, i) => [run.rhos[i], one[key]]);
    chart.update({
      x: [0, 1], y: [0, 1], cursor: state.rho,
      series: [
        { name: "P(correct)", ...roles.correct, points: line("sure"), value: now.sure },
        { name: "P(noise)", ...roles.noise, points: line("noisy"), value: now.noisy },
      ].slice(seen.answer < 0 ? 1 : 0),
    });
    const numbered = values.map((value, i) => [i + 1, value]);
    spectrum.update({
      x: [0, d + 1], y: [0, 1.05 * values[0]], cursor: rank + 0.5,
      series: [
        { name: "kept", colour: roles.W_F.colour, dots: true, points: numbered.slice(0, rank) },
        { name: "cut", colour: "var(--mb-quiet)", dashes: [2, 2], points: numbered.slice(rank) },
      ],
    });
    says.say(words(run, state, now));
    Object.assign(root.dataset, { rho: state.rho, rank, noise: now.noisy, correct: now.sure });
  };

  const schedule = kit.scheduler(draw);
  const presets = kit.presets({
    label: "Cuts", options: [["1", "Full model"], ["0.05", "ρ = 0.05"], ["0", "F₂ dropped"]],
    press: (rho) => { state.rho = Number(rho); slider.set(state.rho); presets.set(rho); schedule(); },
  });
  const slider = kit.slider({
    label: "ρ, kept of F₂'s rank", values: run.rhos, value: state.rho, words: (rho) => `${rho} (${rankOf(rho, d)} of ${d})`,
    input: (rho) => { state.rho = rho; presets.set(rho); schedule(); },
  });
  slider.element.classList.add("mb-whole");
  const own = noise.sequence(run, state, schedule);
  const synchronise = () => { slider.set(state.rho); presets.set(state.rho); own.synchronise(); };
  synchronise();
  root.append(
    presets.element, h("div", { class: "mb-controls" }, slider.element, ...own.elements), says.element,
    h("div", { class: "mb-panels" }, prediction.element, chart.element, spectrum.element),
    h("p", { class: "mb-axes" }, `The trained model, after step ${step}. Correct is what followed earlier copies of the last character most often, the noise apart.`),
    notice.element, kit.linkButton({ name, state: () => ({ rho: state.rho, seq: state.text }) }).element,
  );
  const stopAddress = kit.followAddress(name, root, (found) => {
    notice.say(noise.take(run, state, found, { rho: run.rhos }));
    synchronise();
    schedule();
  });
  draw();
  return stopAddress;
};
