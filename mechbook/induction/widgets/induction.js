// Widget 3a and its small version: a run computed in the page, on a sequence of the reader's.
import { roles } from "../../widgets/book.js";
import * as charts from "../../widgets/charts.js";
import * as engine from "../../widgets/engine.js";
import * as kit from "../../widgets/kit.js";
import { h, glyph, spoken } from "../../widgets/kit.js";
import { open, nearest, toLine, fromLine } from "../../widgets/runs.js";

const SHOWN = 8;
const percent = (part) => `${Math.round(100 * part)}%`;

/** What one forward pass says of the last character. */
function look(run, step, text) {
  const z = run.encode(text), last = z.length - 1, { logits, attention, N, T } = run.model(step).forward(z);
  const probabilities = engine.softmax(logits, last * N, N);
  const order = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
  const after = [];
  for (let s = 1; s <= last; s++) if (z[s - 1] === z[last]) after.push(s);
  const copied = after.reduce((sum, s) => sum + attention[1][last * T + s], 0);
  let previous = 0;
  for (let q = 1; q < T; q++) previous += attention[0][q * T + q - 1] / (T - 1);
  return { z, last, T, attention, probabilities, order, after, copied, previous, followed: new Set(after.map((s) => z[s])) };
}

function bars(run, seen, count) {
  return seen.order.slice(0, count).map((token) => ({
    label: glyph(run.characters[token]),
    value: seen.probabilities[token],
    role: seen.followed.has(token) ? "correct" : "predicted",
    mark: seen.followed.has(token) ? "seen after it" : "",
  }));
}

/** The sentence of 3a. */
function words(run, step, seen) {
  const { z, last, after, copied, previous, order, probabilities, followed } = seen;
  const name = (token) => spoken(run.characters[token]);
  const guess = `it predicts ${name(order[0])} with probability ${probabilities[order[0]].toFixed(2)}`;
  const first = last > 0 ? ` On average over the sequence, layer 1 puts ${percent(previous)} of its attention on the previous character.` : "";
  if (after.length === 0) {
    return `Step ${step}.${first} The last character, ${name(z[last])}, has not been here before, so there is nothing to copy; ${guess}.`;
  }
  const state = copied < 0.25 ? "does not work yet" : copied < 0.75 ? "is forming" : "is at work";
  const right = followed.has(order[0]) ? "what it has seen after it" : "not what it has seen after it";
  return `Step ${step}.${first} For the last character, ${name(z[last])}, the induction head ${state}: layer 2 puts ` +
    `${percent(copied)} of its attention on what followed it earlier. So ${guess}: ${right}.`;
}

/** Controls that 3a and its small version share, on a state {step, text}. */
function controls(run, state, changed) {
  const presets = kit.presets({
    label: "Moments of training", options: run.presets,
    press: (step) => { state.step = step; synchronise(); changed(); },
  });
  const slider = kit.slider({
    label: "Training step", values: run.steps, value: state.step,
    input: (step) => { state.step = step; presets.set(step); changed(); },
  });
  const choice = kit.select({
    label: "Sequence", value: "0",
    options: [...run.sequences.map(([name], index) => [String(index), name]), ["own", "your own"]],
    change: (key) => {
      if (key === "own") return;
      state.text = run.sequences[Number(key)][1];
      text.set(toLine(state.text));
      changed(true);
    },
  });
  const text = kit.textInput({
    label: "The model reads", value: toLine(state.text), check: run.check,
    hint: `At most ${run.T} characters; ↵ is a line break.`,
    input: (line) => { state.text = fromLine(line); choice.set("own"); changed(true); },
  });
  function synchronise() {
    slider.set(state.step);
    presets.set(state.step);
    text.set(toLine(state.text));
    const index = run.sequences.findIndex(([, sequence]) => sequence === state.text);
    choice.set(index < 0 ? "own" : String(index));
  }
  synchronise();
  return { presets, slider, choice, text, synchronise };
}

/** The step and sequence of an address, as far as they are valid; says what was left out. */
function takeState(run, state, found, say) {
  const left = [];
  if (found.tooLong) left.push("it is too long");
  if (found.step !== undefined) {
    if (/^\d{1,7}$/.test(found.step)) {
      const wanted = Number(found.step);
      state.step = nearest(run.steps, wanted);
      if (state.step !== wanted) left.push(`step ${wanted} is not kept, the nearest is ${state.step}`);
    } else left.push("its step is not a number");
  }
  if (found.seq !== undefined) {
    const problem = run.check(found.seq);
    if (problem) left.push(problem);
    else state.text = fromLine(found.seq);
  }
  return () => { if (left.length) say(`Of the link this was left out: ${left.join("; ")}`); };
}

export const induction = async ({ model, el }) => {
  const run = await open(model), name = model.get("name");
  const state = { step: run.steps[run.steps.length - 1], text: run.sequences[0][1] };
  const root = kit.frame(el, { name, title: run.title });
  const maps = [1, 2].map((layer) => charts.heatMap({
    title: `Attention of layer ${layer}`, rowName: "the character that looks", columnName: "the one it looks at",
    describe: (q, s, value) => {
      const at = (t) => `${spoken([...state.text][t])} (${t + 1})`;
      return `${at(q)} looks at ${at(s)}: ${value.toFixed(3)}`;
    },
  }));
  const prediction = charts.bars({ title: "The next character" });
  const probes = charts.lines({ title: "Memories stored (recall), and accuracy", xName: "training step", ...run.probes });
  const says = kit.sentence();
  let moved = true;
  const draw = () => {
    const seen = look(run, state.step, state.text), labels = [...state.text];
    maps.forEach((map, index) => {
      const data = seen.attention[index];
      const frames = [];
      if (index === 1) for (let q = 1; q <= seen.last; q++) for (let s = 1; s <= q; s++) if (seen.z[s - 1] === seen.z[q]) frames.push([q, s]);
      const home = moved ? [seen.last, strongest(data, seen.last, seen.T)] : null;
      map.update({ rows: labels, columns: labels, data, causal: true, frames, frameColour: roles.W_K2.colour, home });
    });
    moved = false;
    prediction.update(bars(run, seen, SHOWN));
    probes.update(state.step);
    says.say(words(run, state.step, seen));
    root.dataset.step = state.step;
    root.dataset.copied = seen.copied;
    root.dataset.previous = seen.previous;
  };
  const schedule = kit.scheduler(draw);
  const own = controls(run, state, (sequence) => { moved ||= Boolean(sequence); schedule(); });
  root.append(
    own.presets.element,
    h("div", { class: "mb-controls" }, own.slider.element, own.choice.element, own.text.element),
    says.element,
    h("div", { class: "mb-panels" }, ...maps.map((map) => map.element), prediction.element, probes.element),
    h("p", { class: "mb-axes" }, "Dashed frames in layer 2: where an induction head looks, right after earlier copies of the same character."),
    kit.linkButton({ name, state: () => ({ step: state.step, seq: state.text }) }).element,
  );
  const stopAddress = kit.followAddress(name, root, (found) => {
    const say = takeState(run, state, found, own.text.say);
    own.synchronise();
    say();
    moved = true;
    schedule();
  });
  draw();
  const stopTheme = kit.onTheme(() => maps.forEach((map) => map.draw()));
  return () => { stopAddress(); stopTheme(); maps.forEach((map) => map.stop()); };
};

function strongest(map, q, T) {
  let best = 0;
  for (let s = 1; s <= q; s++) if (map[q * T + s] > map[q * T + best]) best = s;
  return best;
}

export const induction_small = async ({ model, el }) => {
  const run = await open(model), name = model.get("name");
  const state = { step: run.steps[run.steps.length - 1], text: run.sequences[0][1] };
  const root = kit.frame(el, { name, title: run.title });
  const strip = h("ol", { class: "mb-strip", "aria-label": "What the last character looks at" });
  const prediction = charts.bars({ title: "The next character" }), says = kit.sentence();
  const draw = () => {
    const seen = look(run, state.step, state.text);
    strip.replaceChildren(...[...state.text].map((character, s) => {
      const mass = seen.attention[1][seen.last * seen.T + s];
      const fill = h("span", { class: "mb-mass", "aria-hidden": "true" });
      fill.style.width = `${100 * mass}%`;
      fill.style.background = roles.W_K2.colour;
      const item = h("li", { class: "mb-token", "aria-label": `${spoken(character)}: ${percent(mass)}` }, glyph(character), fill);
      item.classList.toggle("mb-last", s === seen.last);
      item.dataset.value = mass;
      return item;
    }));
    prediction.update(bars(run, seen, 4));
    says.say(words(run, state.step, seen));
    root.dataset.step = state.step;
  };
  const schedule = kit.scheduler(draw);
  const own = controls(run, state, schedule);
  root.append(
    own.presets.element, h("div", { class: "mb-controls" }, own.text.element),
    h("p", { class: "mb-axes" }, "How far a bar reaches under a character is how much the last one looks at it (layer 2)."),
    strip, prediction.element, says.element,
    kit.linkButton({ name, state: () => ({ step: state.step, seq: state.text }) }).element,
  );
  const stopAddress = kit.followAddress(name, root, (found) => {
    const say = takeState(run, state, found, own.text.say);
    own.synchronise();
    say();
    schedule();
  });
  draw();
  return stopAddress;
};
