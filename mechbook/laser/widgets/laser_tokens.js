// Widget 5a: what follows a prompt, in the whole model and after any truncation of the map.
import * as charts from "../../widgets/charts.js";
import * as kit from "../../widgets/kit.js";
import { h } from "../../widgets/kit.js";
import { nearest } from "../../widgets/runs.js";

const THE = " the";
const two = (value) => (value >= 0.0001 && value < 99.5 ? value.toPrecision(2) : kit.short(value, 2));
const SIGNS = { "\t": "⇥", "\u00a0": "(nbsp)" };
const visible = (word) => [...word].map((c) => SIGNS[c] ?? kit.glyph(c)).join("") || "(empty)";
/** A token in a sentence: a word without its space. */
const spoken = (word) => ("\n ".includes(word) && word ? kit.spoken(word) : `“${visible(/^ [^ ]/.test(word) ? word.slice(1) : word)}”`);
const same = (a, b) => Object.keys(a).every((key) => a[key] === b[key]);

export const laser_tokens = async ({ model, el }) => {
  const settings = model.get("settings"), tensors = await kit.weightsOf(model), name = model.get("name");
  const { prompts, columns, blocks, words, best, early, plain } = settings;
  // the number of “the” among the tokens that appear: −1 where it never does
  const n = prompts.length, [, , top] = tensors.tokens.shape, the = words.indexOf(THE);
  const matrices = [...new Set(columns.map(([matrix]) => matrix))];
  const rates = (matrix) => columns.filter(([own]) => own === matrix).map(([, rho]) => rho);
  const titles = new Map(best.map(({ task, words: title }) => [task, title]));
  /** The edit of a task's largest ratio. */
  const edit = (task) => { const { matrix, block, rho } = best.find((one) => one.task === task); return { matrix, block, rho }; };
  const state = { prompt: 1, ...edit(best[0].task) };
  const root = kit.frame(el, { name, title: settings.title });
  root.classList.add("mb-tokens");

  /** What follows the prompt: the whole model's (row 0), or an edit's. */
  function after(row) {
    const at = row * n + state.prompt - 1, own = (tensor, size) => tensor.data.subarray(at * size, (at + 1) * size);
    const [sure, generic] = own(tensors.p, 2);
    return { answer: sure, the: generic, tokens: [...own(tensors.tokens, top)], p: own(tensors.p_top, top) };
  }
  const rowOf = ({ matrix, block, rho }) =>
    1 + (block - 1) * columns.length + columns.findIndex(([own, rate]) => own === matrix && rate === rho);

  /** The bars of a panel: the most probable tokens, then the answer and, where it is in its way, “the”, if they are not there. */
  function entries(found) {
    const { answer, task } = prompts[state.prompt - 1];
    const entry = (token, value, role, mark) =>
      ({ label: visible(words[token] ?? THE), value, role, mark, text: value < 0.0005 ? "<0.001" : value.toFixed(3) });
    const watched = [[answer, found.answer, "correct", "answer"]];
    if (task !== plain && answer !== the) watched.push([the, found.the, "noise", "“the”"]);
    const list = found.tokens.map((token, k) => entry(...(watched.find(([own]) => own === token) ?? [token, found.p[k]])));
    const low = watched.filter(([token]) => !found.tokens.includes(token)).sort((a, b) => b[1] - a[1]);
    return [...list, ...low.map(([token, value, role, mark]) => entry(token, value, role, `${mark}, rank > ${top}`))];
  }

  function sentence(full, cut, gain) {
    const { text, answer, task } = prompts[state.prompt - 1], right = spoken(words[answer]);
    const move = (a, b) => `from ${two(a)} to ${two(b)}`;
    const first = [full, cut].map(({ tokens }) => spoken(words[tokens[0]]));
    const likeliest = first[0] === first[1] ? `The likeliest token stays ${first[0]}.` : `The likeliest token was ${first[0]}; now it is ${first[1]}.`;
    const head = `${text}: LASER at block ${state.block}, ${state.matrix}, ρ = ${state.rho} takes`;
    if (task === plain) return `${head} ${right}, which is right here, ${move(full.answer, cut.answer)}. ${likeliest}`;
    const [before, now] = [full, cut].map((p) => p.answer / p.the);
    const way = Math.abs(gain - 1) < 0.005 ? `stays ${two(before)}` : `${gain > 1 ? "rises" : "falls"} ${move(before, now)} (times ${two(gain)})`;
    return `${head} “the” ${move(full.the, cut.the)} and ${right} ${move(full.answer, cut.answer)}: the ratio ${way}. ${likeliest}`;
  }

  const panels = ["Full model", "After the truncation"].map((title) => charts.bars({ title }));
  const says = kit.sentence(), told = kit.notice();
  const draw = () => {
    const full = after(0), cut = after(rowOf(state)), gain = cut.answer / cut.the / (full.answer / full.the);
    [full, cut].forEach((found, which) => panels[which].update(entries(found)));
    says.say(sentence(full, cut, gain));
    Object.assign(root.dataset, { ...state, gain });
  };
  const schedule = kit.scheduler(draw);

  /** The task whose best edit presets take: the prompt's; for ordinary text the one whose best edit is on. */
  function aim() {
    const { task } = prompts[state.prompt - 1];
    if (titles.has(task)) return task;
    return (best.find((one) => same(edit(one.task), state)) ?? best[0]).task;
  }
  const firstOf = (test) => prompts.findIndex(test) + 1;
  const costs = firstOf(({ task, answer }) => task === plain && answer === the) || firstOf(({ task }) => task === plain);
  const goals = new Map(best.map(({ task }) => [task, () => {
    const own = prompts[state.prompt - 1].task === task;
    return { prompt: own ? state.prompt : firstOf((prompt) => prompt.task === task), ...edit(task) };
  }]));
  goals.set("early", () => ({ prompt: state.prompt, ...edit(aim()), block: early }));
  if (costs) goals.set("cost", () => ({ prompt: costs, ...edit(aim()) }));

  function change(values) {
    Object.assign(state, values);
    // Not every matrix has every rate.
    state.rho = nearest(rates(state.matrix), state.rho);
    synchronise();
    schedule();
  }
  const presets = kit.presets({
    label: "Truncations", press: (key) => change(goals.get(key)()),
    options: [...titles, ["early", "An early block"], ["cost", "What it costs"]].filter(([key]) => goals.has(key)),
  });
  const prompt = kit.select({
    label: "Prompt", value: state.prompt, change: (value) => change({ prompt: Number(value) }),
    options: prompts.map(({ text, answer }, i) => [i + 1, `${text} … ${visible(words[answer]).replace("␣", "")}`]),
  });
  const block = kit.slider({
    label: "Block, counted from 1", values: Array.from({ length: blocks }, (_, i) => i + 1), value: state.block,
    words: (value) => `${value} of ${blocks}`, input: (value) => change({ block: value }),
  });
  const matrix = kit.select({
    label: "Matrix", value: state.matrix, options: matrices.map((own) => [own, own]), change: (value) => change({ matrix: value }),
  });
  const rho = kit.select({ label: "ρ", value: state.rho, options: [], change: (value) => change({ rho: Number(value) }) });
  for (const wide of [prompt, block]) wide.element.classList.add("mb-whole");
  let offered = null;
  function synchronise() {
    prompt.set(state.prompt);
    block.set(state.block);
    matrix.set(state.matrix);
    if (offered !== state.matrix) rho.offer(rates(offered = state.matrix).map((rate) => [rate, String(rate)]));
    rho.set(state.rho);
    presets.set([...goals].find(([, goal]) => same(goal(), state))?.[0]);
  }
  synchronise();
  root.append(
    presets.element, h("div", { class: "mb-controls" }, prompt.element, block.element, matrix.element, rho.element),
    told.element, says.element, h("div", { class: "mb-panels" }, ...panels.map((panel) => panel.element)),
    h("p", { class: "mb-axes" }, `Probability of the next token, the ${top} likeliest tokens. ${settings.note}`),
    kit.linkButton({ name, state: () => ({ ...state }) }).element,
  );
  const stopAddress = kit.followAddress(name, root, (found) => {
    // The matrix first: it says which rates there are.
    const own = matrices.includes(found.matrix) ? found.matrix : state.matrix;
    const { taken, problem } = kit.allowedValues(found, {
      prompt: prompts.map((_, i) => i + 1), matrix: matrices, block: Array.from({ length: blocks }, (_, i) => i + 1), rho: rates(own),
    });
    told.say(problem);
    change(taken);
  });
  draw();
  return stopAddress;
};
