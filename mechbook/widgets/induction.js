// Widgets 3a and 3b and the small version of 3a: the checkpoints of one run, computed in the page.
(() => {
  "use strict";
  const { engine, kit, charts } = mechbook;
  const { h, glyph, spoken } = kit;

  const SHOWN = 8;
  const percent = (part) => `${Math.round(100 * part)}%`;
  // A line of text holds no line break: there it is an arrow.
  const toLine = (text) => text.replaceAll("\n", "↵");
  const fromLine = (line) => line.replaceAll("↵", "\n").replaceAll("␣", " ");

  /** The run: its models by step, and what may be typed. */
  async function open(model) {
    const settings = model.get("settings"), tensors = await kit.weightsOf(model), models = new Map();
    const token = new Map([...settings.vocabulary].map((character, index) => [character, index]));
    const weights = (step) => ({
      ...tensors, ...Object.fromEntries(settings.trained.map((name) => [name, tensors[`${step}/${name}`]])),
    });
    return {
      ...settings, weights,
      characters: [...settings.vocabulary],
      encode: (text) => [...text].map((character) => token.get(character)),
      model(step) {
        if (!models.has(step)) models.set(step, engine.simplified(weights(step), settings));
        return models.get(step);
      },
      /** null, or what is wrong with a sequence. */
      check(text) {
        const typed = [...fromLine(text)];
        if (typed.length === 0) return "Type at least one character.";
        if (typed.length > settings.T) {
          return `The sequence has ${typed.length.toLocaleString("en")} characters; this model reads at most ${settings.T}.`;
        }
        const strange = typed.find((character) => !token.has(character));
        if (strange === undefined) return null;
        return `The model does not know the character “${strange}”: it knows letters, spaces, line breaks (↵) and !$&',-.3:;?`;
      },
    };
  }

  const nearest = (steps, step) => steps.reduce((a, b) => (Math.abs(b - step) < Math.abs(a - step) ? b : a));

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
    const first = last > 0 ? ` Layer 1 puts ${percent(previous)} of its attention on the previous character.` : "";
    if (after.length === 0) {
      return `Step ${step}.${first} The last character, ${name(z[last])}, has not been here before, so there is nothing to copy; ${guess}.`;
    }
    const state = copied < 0.25 ? "does not work yet" : copied < 0.75 ? "is forming" : "is at work";
    const right = followed.has(order[0]) ? "what it has seen after it" : "not what it has seen after it";
    return `Step ${step}. For the last character, ${name(z[last])}, the induction head ${state}: layer 2 puts ${percent(copied)} of its ` +
      `attention on what followed it earlier.${first} So ${guess}: ${right}.`;
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

  mechbook.widgets.induction = async ({ model, el }) => {
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
        map.update({ rows: labels, columns: labels, data, causal: true, frames, frameColour: mechbook.roles.W_K2.colour, home });
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

  mechbook.widgets.induction_small = async ({ model, el }) => {
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
        fill.style.background = mechbook.roles.W_K2.colour;
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

  // ---- 3b ------------------------------------------------------------------------------------------------------------

  const MATRICES = {
    W_K1: "W_K1: which position a position looks at",
    W_K2: "W_K2: which remembered character a character looks for",
    W_O2: "W_O2: which character an attended one predicts",
  };

  mechbook.widgets.memory_maps = async ({ model, el }) => {
    const run = await open(model), name = model.get("name");
    const state = { step: run.steps[run.steps.length - 1], map: "W_K2" };
    const root = kit.frame(el, { name, title: run.title });
    const known = new Map();
    /** The map of the state and the share of memories it recalls, kept once computed. */
    const current = () => {
      const key = `${state.step}/${state.map}`;
      if (!known.has(key)) known.set(key, memory(run, run.weights(state.step), state.map));
      return known.get(key);
    };
    const labels = () => (state.map === "W_K1" ? Array.from({ length: run.T }, (_, t) => String(t + 1)) : run.characters);
    const map = charts.heatMap({
      title: "The matrix in its memory basis", rowName: "what answers", columnName: "what is asked",
      describe: (j, i, value) => {
        const at = labels(), on = state.map === "W_K1" ? (k) => `position ${at[k]}` : (k) => spoken(at[k]);
        const [how, from, to] = state.map === "W_O2" ? ["raises the logit of", on(i), on(j)] : ["scores the key", on(j), on(i)];
        return `${from} ${how} ${to} by ${value.toFixed(2)}`;
      },
    });
    const says = kit.sentence();
    const draw = () => {
      const { shown, share } = current(), [n, m] = shown.shape, at = labels();
      const reach = shown.data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      map.update({ rows: at.slice(0, n), columns: at.slice(0, m), data: shown.data, diverging: true, low: -reach, high: reach });
      says.say(`Step ${state.step}. ${sentences[state.map](percent(share))}`);
      root.dataset.step = state.step;
      root.dataset.share = share;
    };
    const sentences = {
      W_K1: (p) => `For ${p} of the positions the best key among those before it is the previous position: the memories of a previous-token head, one step below the diagonal.`,
      W_K2: (p) => `Weighted by how often each is a trigger, ${p} of the characters prefer their own remapped copy over all others: the diagonal.`,
      W_O2: (p) => `For ${p} of the characters, attending to one raises its own logit most: the diagonal copies.`,
    };
    const schedule = kit.scheduler(draw);
    const presets = kit.presets({
      label: "Moments of training", options: run.presets,
      press: (step) => { state.step = step; synchronise(); schedule(); },
    });
    const slider = kit.slider({
      label: "Training step", values: run.steps, value: state.step,
      input: (step) => { state.step = step; presets.set(step); schedule(); },
    });
    const choice = kit.select({
      label: "Matrix", value: state.map, options: Object.entries(MATRICES),
      change: (key) => { state.map = key; schedule(); },
    });
    const synchronise = () => { slider.set(state.step); presets.set(state.step); choice.set(state.map); };
    synchronise();
    root.append(
      presets.element, h("div", { class: "mb-controls" }, slider.element, choice.element), says.element, map.element,
      kit.linkButton({ name, state: () => state }).element,
    );
    const stopAddress = kit.followAddress(name, root, (found) => {
      if (/^\d{1,7}$/.test(found.step ?? "")) state.step = nearest(run.steps, Number(found.step));
      if (Object.hasOwn(MATRICES, found.map ?? "")) state.map = found.map;
      synchronise();
      schedule();
    });
    draw();
    const stopTheme = kit.onTheme(map.draw);
    return () => { stopAddress(); stopTheme(); map.stop(); };
  };

  /** As mechbook/probes/recall.py's induction_memory_maps and recalls. */
  function memory(run, w, matrix) {
    const images = (rows, W) => {
      const [n, d] = rows.shape;
      return { shape: [n, W.shape[0]], data: engine.apply(rows.data, n, d, W.data, W.shape[0]) };
    };
    if (matrix === "W_K1") {
      const shown = engine.memoryMap(w.W_K1, w.P, w.P);
      return { shown, share: engine.previousRecall(shown) };
    }
    if (matrix === "W_K2") {
      const shown = engine.memoryMap(w.W_K2, images(images(w.W_E, w.W_V1), w.W_O1), w.W_E);
      return { shown, share: engine.recall(engine.transpose(shown), run.triggerWeights) };
    }
    const shown = engine.memoryMap(w.W_O2, images(w.W_E, w.W_V2), w.W_U);
    return { shown, share: engine.recall(shown) };
  }
})();
