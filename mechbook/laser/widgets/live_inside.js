// @ts-check
// Widget 5d, beyond LASER: heads switched off, what each of them adds to a logit, what each block would answer.
import { presets } from "../../widgets/controls.js";
import { heatMap } from "../../widgets/heatmap.js";
import { decimal, h, legible, range, remark, write } from "../../widgets/kit.js";
import { looks } from "./live_looks.js";
import { spoken, two, visible } from "./tokens.js";

/** @typedef {import("./live_asking.js").Inside} Inside */
/** @typedef {import("./live_asking.js").Answers} Answers */

const OFF = "A head that is off writes zeros, at every position. The chapter’s own knock-outs put a mean in its place, at the last position alone, and take less.";

/** A probability; what is too small to matter is not spelt out. @param {number} p */
const small = (p) => (p < 0.0005 ? "<0.001" : two(p));

/**
 * `heads` are sets of heads to switch off, `switched` is told which are off, as "block.head" from 0, and whether by a set; `attention` gives
 * that of a block on the prompt, null where a later question came.
 * @param {{
 *   heads: [words: string, heads: [number, number][]][], switched: (off: string[], set: boolean) => void,
 *   attention: (block: number) => Promise<import("./live_looks.js").Attention | null>,
 * }} how
 */
export function inside({ heads, switched, attention }) {
  const named = heads.map(([words, group]) => /** @type {[string, string[]]} */ ([words, group.map((head) => head.join("."))]));
  /** @type {[string, string[]][]} */
  const sets = [...named, ["All heads on", []]];
  /** @type {string[]} */
  let off = [];
  let size = { blocks: 0, heads: 0 };
  const buttons = presets({ label: "Heads", press: (i) => switched(sets[i][1].filter(exists), true) });
  const toggle = h("button", { type: "button", click: () => turn() }, "Switch this head off");
  const map = heatMap({
    title: "What each head adds", wide: true, rowName: "block, from 0", columnName: "head, from 0",
    describe: (i, j, value) => `head ${i}.${j}${off.includes(`${i}.${j}`) ? ", off" : ""}: ${decimal(value, 2)}`,
  });
  const says = h("p", { class: "mb-axes" }), list = h("ol", { class: "mb-lens", tabindex: 0, "aria-label": "What each block would answer" });
  const caption = h("figcaption", {}, "What the model would answer before each block");
  const lens = h("figure", { class: "mb-chart" }, caption, list);
  const slot = h("div", {}), gaze = looks();
  const element = h("details", { class: "mb-more" }, h("summary", {}, "Beyond LASER: switch heads off, and look inside"),
    h("div", {}, buttons.element, remark(OFF), slot, h("div", { class: "mb-panels" }, h("div", {}, map.element, toggle, gaze.element), lens), says));
  map.element.addEventListener("keyup", picked);
  for (const event of ["pointerup", "pointermove"]) map.element.addEventListener(event, picked);

  /** @param {string} head */
  function exists(head) {
    const [block, own] = head.split(".").map(Number);
    return block < size.blocks && own < size.heads;
  }
  const place = () => {
    const { row, column } = /** @type {HTMLElement} */ (map.element.querySelector(".mb-cell")).dataset;
    return row === undefined ? null : `${row}.${column}`;
  };
  function label() {
    const head = place();
    toggle.disabled = head === null;
    write(toggle, head ? `Switch head ${head} ${off.includes(head) ? "on" : "off"}` : "Switch a head off");
  }
  let looking = "", lookedAt = "";
  /** The reader is on a head: say which, and show where it looks. */
  function picked() {
    label();
    if (place() !== looking) gazed();
  }
  async function gazed() {
    const head = looking = place() ?? "";
    if (!head) return;
    const [block, own] = head.split(".").map(Number), found = await attention(block);
    if (found && head === looking) gaze.show(block, own, found);
  }
  function turn() {
    const head = place();
    if (head) switched(off.includes(head) ? off.filter((one) => one !== head) : [...off, head].slice(-60), false);
  }
  const mark = () => {
    buttons.set(sets.map(([words, set]) => [words, JSON.stringify(set.filter(exists)) === JSON.stringify(off)]));
    label();
  };

  return {
    element, map, exists,
    open: () => element.open,
    /** Put the controls of the state where they belong. @param {HTMLElement} controls */
    place(controls) { slot.append(controls); },
    /** The part of the state: which heads are off. @type {import("../../widgets/state.js").Declared} */
    part: (key) => ({
      elements: [],
      show(values) { off = values[key]; mark(); },
      take(found, values) {
        if (!Object.hasOwn(found, key)) return [];
        const all = found[key] ? found[key].split(",") : [], strange = all.find((head) => !/^\d{1,3}\.\d{1,3}$/.test(head));
        if (strange !== undefined) return [`${key} cannot be “${legible(strange.slice(0, 20))}”`];
        values[key] = [...new Set(all)].slice(0, 60);
        return [];
      },
      carry: (values) => ({ [key]: values[key].join(",") }),
    }),
    /** A model of so many blocks and heads. @param {{ blocks: number, heads: number }} said */
    begin(said) { size = said; mark(); },
    clear() {
      list.replaceChildren();
      looking = "";
      gaze.clear();
      write(says, "");
    },
    /** @param {Inside} found @param {Answers} all */
    show({ lens: steps, added: found }, { asked, word, other }) {
      const a = legible(spoken(word));
      list.replaceChildren(...steps.map(({ top: [[token]], answer, the }, i) => h("li", { "data-answer": answer },
        h("span", { class: "mb-readout" }, i === steps.length - 1 ? "end" : String(i + 1)), h("span", { class: "mb-token" }, legible(visible(token))),
        h("span", { class: "mb-readout" }, small(answer)), h("span", { class: "mb-readout" }, small(the)))));
      write(caption, `What the model, changed as it is, would answer before each block, from 1; P(${a}), P(“the”)`);
      map.element.hidden = !found;
      if (!found) {
        write(says, "Name one token to judge the heads against: then what each of them adds is shown.");
        if (place()) gazed();
        return;
      }
      const { heads: added, mlps, embedding, difference } = found, about = JSON.stringify([asked.text, word, other]);
      if (about !== lookedAt) [lookedAt, looking] = [about, ""];
      const reach = added.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1, most = added.indexOf(Math.max(...added));
      map.update({
        rows: range(size.blocks).map(String), columns: range(size.heads).map(String), data: added, diverging: true, low: -reach, high: reach,
        // at first the head that adds most
        home: looking ? null : [Math.floor(most / size.heads), most % size.heads],
        frames: off.filter(exists).map((head) => /** @type {[number, number]} */ (head.split(".").map(Number))), frameRole: "noise",
      });
      label();
      gazed();
      const b = legible(spoken(other)), own = added.reduce((x, y) => x + y, 0), rest = mlps.reduce((x, y) => x + y, 0);
      write(says, `Orange heads raise the logit of ${a} against ${b}, purple ones lower it; those in a dashed frame are off. Together the heads add ${decimal(own, 1)}, the MLPs ${decimal(rest, 1)} and the last token by itself ${decimal(embedding, 1)}, which makes the difference of ${decimal(difference, 1)}. Heads are named as in the section on names: block and head from 0.`);
    },
  };
}
