// @ts-check
// Widget 5d: where one head looks, from a token of the prompt that the reader presses.
import { h, legible, write } from "../../widgets/kit.js";
import { spoken, two, visible } from "./tokens.js";

/**
 * A prompt's tokens as buttons and every head's attention in a block, (heads, T, T).
 * @typedef {{ pieces: string[], patterns: Float32Array }} Attention
 */
/** So many of the last tokens of a long prompt are shown. */
const MOST = 64;
/** So many of those looked at are named in the sentence. */
const NAMED = 3;

/** The strip of tokens: as long as the bar below one is, so much the head looks at it. */
export function looks() {
  const caption = h("figcaption", {}, "Where the head looks"), says = h("p", { class: "mb-axes", role: "status" });
  const strip = h("ol", { class: "mb-strip mb-looks", "aria-label": "The prompt's tokens: press one to see where the head looks from there" });
  const element = h("figure", { class: "mb-chart" }, caption, strip, says);
  /** @type {{ name: string, pieces: string[], pattern: Float32Array } | null} */
  let shown = null;
  // the token that looks, counted from the end, so that a prompt that grows keeps its last one
  let back = 1;
  /** @type {{ button: HTMLButtonElement, mass: HTMLElement }[]} */
  let places = [];

  /** @param {number} n */
  function lay(n) {
    places = Array.from({ length: n }, (_, i) => {
      const mass = h("span", { class: "mb-mass" });
      return { mass, button: h("button", { type: "button", class: "mb-token", click: () => { back = n - i; draw(); } }, h("span", {}), mass) };
    });
    strip.replaceChildren(...places.map(({ button }) => h("li", {}, button)));
  }

  function draw() {
    if (!shown) return;
    const { name, pieces, pattern } = shown, T = pieces.length, first = Math.max(0, T - MOST), n = T - first;
    back = Math.min(back, n);
    if (places.length !== n) lay(n);
    const t = T - back, row = pattern.subarray(t * T, (t + 1) * T);
    places.forEach(({ button, mass }, i) => {
      const at = first + i, word = legible(visible(pieces[at]));
      write(/** @type {HTMLElement} */ (button.firstChild), word);
      button.setAttribute("aria-pressed", String(at === t));
      button.setAttribute("aria-label", at > t ? `${word}: comes later` : `${word}: ${two(row[at])}`);
      button.dataset.value = String(row[at]);
      button.classList.toggle("mb-later", at > t);
      mass.style.width = `${100 * row[at]}%`;
    });
    const best = [...row.subarray(0, t + 1)].map((p, at) => /** @type {[number, number]} */ ([p, at])).sort((a, b) => b[0] - a[0]);
    const named = best.filter(([p]) => p >= 0.01).slice(0, NAMED).map(([p, at]) => `${legible(spoken(pieces[at]))} ${two(p)}`);
    write(caption, `Where head ${name} looks from ${legible(spoken(pieces[t]))}`);
    write(says, `Most at ${named.join(", ")}.${first ? ` Of this prompt the last ${n} tokens are shown.` : ""} Press another token to look from there.`);
  }

  return {
    element,
    clear() {
      shown = null;
      places = [];
      strip.replaceChildren();
      write(caption, "Where the head looks");
      write(says, "");
    },
    /** @param {number} block @param {number} head @param {Attention} found */
    show(block, head, { pieces, patterns }) {
      const size = pieces.length ** 2;
      shown = { name: `${block}.${head}`, pieces, pattern: patterns.subarray(head * size, (head + 1) * size) };
      draw();
    },
  };
}
