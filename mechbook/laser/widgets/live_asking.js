// @ts-check
// What widget 5d asks of the model: one state at a time, the latest next; each answer in the order in which it is seen.
import { Refused } from "../../widgets/language/refused.js";

/** @typedef {import("../../widgets/language/client.js").Language} Language */
/** @typedef {import("./laser_live.js").State} State */
/** @typedef {{ top: [token: string, p: number][], answer: number, the: number }} After what follows a prompt */
/**
 * What each block would answer, and, where a second token was named, what is added to the difference of two logits.
 * @typedef {{
 *   lens: { top: [string, number][], answer: number, the: number }[],
 *   added: { heads: Float32Array, mlps: Float32Array, embedding: number, difference: number } | null,
 * }} Inside
 */
/**
 * All that a state has for answer; `right` is whether the answer is “the” itself, or the model has no such token, `rank` null where nothing is cut.
 * @typedef {{
 *   asked: State & { inside: boolean }, word: string, other: string, right: boolean, full: After, cut: After, rank: number | null, whole: number,
 *   cost: { full: number, cut: number } | null, inside: Inside | null, ms: number, serial: number,
 * }} Answers
 */

const THE = " the", TOP = 6;
/** A word that a reader names, as it stands in a sentence: after a space. @param {string} typed */
export const within = (typed) => (typed.trim() ? ` ${typed.trim()}` : "");

/**
 * Asks a model for one state after another. `shown` draws, twice where what comes later takes a while; `problem` tells
 * what is wrong with a line the reader typed, and null where nothing is; `lost` that the model is gone; `stale` whether
 * what is shown belongs to an earlier state, as the one that is set now cannot be answered.
 * @param {Language} language
 * @param {{
 *   shown: (all: Answers) => void, problem: (key: string, words: string | null) => void, waiting: (words: string) => void,
 *   lost: (words: string) => void, stale: (is: boolean) => void,
 * }} how
 */
export function asker(language, { shown, problem, waiting, lost, stale }) {
  /** @type {(State & { inside: boolean }) | null} */
  let wanted = null;
  let busy = false, serial = 0;
  /** The singular values of matrices, by their place. @type {Map<string, Float32Array>} */
  const known = new Map();
  /** @type {Map<string, { ids: number[], pieces: string[] }>} */
  const tokens = new Map();
  /** What the last answer was about, and what was changed in it. @type {{ text: string, change: object } | null} */
  let last = null;

  /** The tokens of a text. @param {string} text */
  async function read(text) {
    const found = tokens.get(text) ?? (await language.ask({ type: "tokens", texts: [text] }))[0];
    if (tokens.size > 200) tokens.clear();
    tokens.set(text, found);
    return /** @type {{ ids: number[], pieces: string[] }} */ (found);
  }

  /**
   * What `ask` gives, or null where it is refused, which is told beside the line `key`.
   * @template T
   * @param {string} key
   * @param {() => Promise<T>} ask
   */
  async function told(key, ask) {
    try {
      const found = await ask();
      problem(key, null);
      return found;
    } catch (error) {
      if (!(error instanceof Refused) || !language.running()) throw error;
      problem(key, error.message);
      return null;
    }
  }

  /** The one token of a word that the reader named. @param {string} key @param {string} typed */
  const oneToken = (key, typed) => told(key, async () => {
    const word = within(typed);
    if (!word) throw new Refused("Name a word: one token of the model.");
    const { ids } = await read(word);
    if (ids.length !== 1) throw new Refused(`“${word.trim().slice(0, 40)}” is ${ids.length} tokens of this model; name a word that is one.`);
    return ids[0];
  });

  /** @param {State & { inside: boolean }} typed */
  async function answer(typed) {
    // a space at the end, as a phone's keyboard adds it, would be a token of its own
    const asked = { ...typed, text: typed.text.replace(/ +$/, "") }, { text, matrix: name, rho, off } = asked;
    const begun = performance.now(), layer = asked.block - 1;
    const token = await oneToken("answer", asked.answer), { ids: theIds } = await read(THE), the = theIds.length === 1 ? theIds[0] : -1;
    if (token === null) return void stale(true);
    const watch = [token, Math.max(the, 0)];
    const after = (/** @type {any} */ found) => ({
      top: found.top.map((/** @type {[number, number]} */ [, p], /** @type {number} */ i) => [found.pieces[i], p]),
      answer: found.watched[0], the: the < 0 ? 0 : found.watched[1],
    });
    const full = await told("text", () => language.ask({ type: "next", text, top: TOP, watch }));
    if (!full) return void stale(true);
    /** @type {Record<string, any>} */
    const change = off.length ? { off: off.map((head) => head.split(".").map(Number)) } : {};
    let whole = 0, rank = /** @type {number | null} */ (null);
    if (rho < 1) {
      const place = `${layer} ${name}`;
      if (!known.has(place)) waiting(`Block ${asked.block}’s ${name} is being decomposed, which is done once …`);
      const values = known.get(place) ?? await language.ask({ type: "decompose", layer, name });
      known.set(place, values);
      whole = values.length;
      rank = Math.floor(rho * whole + 1e-9);
      change.cut = { layer, name, rank };
    }
    const changed = rank !== null || off.length > 0;
    last = { text, change };
    const cut = changed ? await language.ask({ type: "next", text, top: TOP, watch, ...change }) : full;
    const /** @type {Answers} */ all = {
      asked, word: within(asked.answer), other: within(asked.other), right: token === the || the < 0, full: after(full), cut: after(cut), rank, whole, cost: null, inside: null,
      ms: performance.now() - begun, serial: 0,
    };
    stale(false);
    // what a slider moves is drawn before what else there is to ask
    shown(all);
    if (wanted) return;
    const price = the < 0 ? null : await told("right", async () => {
      const order = { type: /** @type {const} */ ("next"), text: asked.right, top: 1, watch: [the] }, before = await language.ask(order);
      return { full: before.watched[0], cut: (changed ? await language.ask({ ...order, ...change }) : before).watched[0] };
    });
    if (asked.inside && !wanted) all.inside = await lookInside(asked, token, watch, change);
    shown({ ...all, cost: price, serial: ++serial });
  }

  /**
   * @param {State} asked
   * @param {number} token
   * @param {number[]} watch
   * @param {object} change
   * @returns {Promise<Inside>}
   */
  async function lookInside({ text, other: named }, token, watch, change) {
    const other = await oneToken("other", named), lens = await language.ask({ type: "lens", text, top: 1, watch, ...change });
    return {
      lens: lens.map((/** @type {any} */ one) => ({ top: [[one.pieces[0], one.top[0][1]]], answer: one.watched[0], the: one.watched[1] })),
      added: other === null ? null : await language.ask({ type: "attribution", text, tokens: [token, other], ...change }),
    };
  }

  async function work() {
    busy = true;
    while (wanted) {
      const asked = wanted;
      wanted = null;
      try {
        await answer(asked);
      } catch (error) {
        failed(error);
      }
    }
    busy = false;
  }

  /** @param {unknown} error */
  function failed(error) {
    if (!language.running()) lost(error instanceof Error ? error.message : String(error));
    else waiting(`This cannot be computed: ${error instanceof Error ? error.message.split("\n")[0].slice(0, 200) : error}`);
  }

  return {
    /** Answer this next. @param {State & { inside: boolean }} next */
    want(next) {
      wanted = next;
      if (!busy) work();
    },
    /**
     * Every head's attention in a block, from 0, as the changed model read the last prompt; null where a later block
     * was asked for meanwhile, or nothing has been read yet.
     * @param {number} layer
     * @returns {Promise<import("./live_looks.js").Attention | null>}
     */
    async attention(layer) {
      if (!last) return null;
      try {
        const { text, change } = last, { pieces } = await read(text);
        const patterns = await language.latest("attention", { type: "attention", text, layer, ...change });
        return patterns && { pieces, patterns };
      } catch (error) {
        failed(error);
        return null;
      }
    },
  };
}
