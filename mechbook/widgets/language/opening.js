// @ts-check
// How a reader opens a language model: a button where the site has the weights, a file of one's own, progress, cancel.
import { fresh, h, legible, write } from "../kit.js";
import { language, runnable } from "./client.js";
import { Refused } from "./refused.js";

/** @typedef {import("./client.js").Language} Language */
/** @typedef {{ worker: string, kernels: string[] }} Engine as mechbook/widgets/language_engine.py makes it */
/**
 * What the site says of the weights beside it, as mechbook/site/model_files.py writes it; without `parts` it has none.
 * @typedef {{
 *   name: string, by: string, license: string, address: string, file: string, bytes: number, engine: string,
 *   parts: { file: string, bytes: number, integrity: string }[],
 * }} Offer
 */
/** @typedef {{ about: Record<string, string>, d: number, heads: number, N: number, blocks: number, longest: number, bytes: number }} Said */

/** Where the site's scripts lie; null on a page that has them otherwise. */
function scripts() {
  const found = document.querySelector('script[src*="mechbook.js"]');
  return found instanceof HTMLScriptElement ? found.src : null;
}

/** @param {string} url */
function load(url) {
  return new Promise((/** @type {(done: void) => void} */ done, failed) => {
    const script = h("script", { src: url, load: () => done(), error: () => failed(new Error(`${url} cannot be loaded.`)) });
    document.head.append(script);
  });
}

/**
 * What the site offers, or null: also where it was not made by a build.
 * @returns {Promise<{ offer: Offer, base: string } | null>}
 */
async function offered() {
  const place = scripts();
  if (!place) return null;
  const base = new URL("../model/", place).href;
  try {
    if (!globalThis.mechbookModel) await load(`${base}model.js`);
  } catch {
    return null;
  }
  return globalThis.mechbookModel ? { offer: globalThis.mechbookModel, base } : null;
}

/** @param {number} bytes */
const megabytes = (bytes) => `${Math.round(bytes / 1e6)} MB`;

/** Whose model it is, and on what terms it is passed on. @param {Offer} offer */
const origin = ({ name, by, license, address }) => [`${name} by ${by}, `, h("a", { href: address, rel: "noopener" }, license)];

/** What a file of the reader's says of its origin. @param {Record<string, string>} about */
function saysOf({ name, organization, license }) {
  const found = [["", name], ["by ", organization], ["licence ", license]].filter(([, words]) => words);
  return found.length ? ` Its file says: ${found.map(([front, words]) => front + legible(words.slice(0, 60))).join(", ")}.` : "";
}

/**
 * The files that a reader picked as one: a model's file, or all its parts, by the order of their names.
 * @param {File[]} files
 */
function joined(files) {
  const order = [...files].sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
  return order.length === 1 ? order[0] : new Blob(order);
}

/**
 * What opens a model. `engine` is there already, or the site has it; `opened` gets a model that is there, `closed` is
 * told when there is none any more, `aside` is what remains for who opens none.
 * @param {{
 *   engine: Engine | null, opened: (model: Language, said: Said) => void, closed: () => void, aside: string,
 * }} how
 */
export function opening({ engine, opened, closed, aside }) {
  const about = h("p", { class: "mb-axes" }), said = h("p", { class: "mb-notice", role: "status" });
  const begin = h("button", { type: "button", class: "mb-main", click: () => fetched() });
  const id = fresh("file");
  const pick = h("input", { type: "file", id, multiple: "", change: () => picked() });
  const own = h("div", { class: "mb-own-file" }, h("label", { for: id }, "Or a GGUF file of your own"), pick);
  const bar = h("progress", { max: 1, value: 0, "aria-label": "Loading the model" }), share = h("span", { class: "mb-readout" });
  const cancel = h("button", { type: "button", click: () => stopper?.abort() }, "Cancel");
  const way = h("div", { class: "mb-loading", hidden: "" }, bar, share, cancel);
  const close = h("button", { type: "button", click: () => shut("The model is closed, and its memory is free.") }, "Close the model");
  const what = h("span", {}), open = h("div", { class: "mb-open", hidden: "" }, what, close);
  const choices = h("div", { class: "mb-choices", hidden: "" }, begin, own);
  const element = h("div", { class: "mb-opening" }, choices, way, open, said, about);
  /** @type {{ offer: Offer, base: string } | null} */
  let site = null;
  /** @type {AbortController | null} */
  let stopper = null;
  /** @type {Language | null} */
  let model = null;

  /** @param {"choices" | "way" | "open"} which */
  function stage(which) {
    choices.hidden = which !== "choices";
    way.hidden = which !== "way";
    open.hidden = which !== "open";
    about.hidden = which === "open";
  }

  /** @param {string} words */
  function shut(words) {
    model?.stop();
    model = null;
    stage("choices");
    said.textContent = words;
    closed();
    (begin.hidden ? pick : begin).focus({ preventScroll: true });
  }

  /** @returns {Promise<Engine>} */
  async function engineOf() {
    if (engine) return engine;
    if (!globalThis.mechbookLanguage && site) await load(new URL(`../${site.offer.engine}`, site.base).href);
    if (globalThis.mechbookLanguage) return globalThis.mechbookLanguage;
    throw new Refused("What runs the model is not on this page: the book's site has it.");
  }

  /** @param {import("./client.js").Source} source @param {string} name @param {Offer} [offer] where it is the site's */
  async function from(source, name, offer) {
    said.textContent = "";
    stage("way");
    bar.removeAttribute("value");
    write(share, "");
    stopper = new AbortController();
    const { signal } = stopper;
    cancel.focus({ preventScroll: true });
    /** @type {Language | null} */
    let made = null;
    try {
      const { worker, kernels } = await engineOf();
      made = language(worker, runnable(kernels.map((text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0)))));
      const progress = (/** @type {number} */ come, /** @type {number} */ all) => {
        bar.value = come / all;
        write(share, `${megabytes(come)} of ${megabytes(all)}`);
      };
      const found = await made.load(source, { progress, signal });
      model = made;
      const sizes = `is open: ${found.blocks} blocks of ${found.heads} heads, ${megabytes(found.bytes)} for its weights and what it computes.`;
      if (offer) what.replaceChildren(...origin(offer), ` ${sizes}`);
      else write(what, `${legible(name.slice(0, 80))} ${sizes}${saysOf(found.about)}`);
      const focused = way.contains(document.activeElement);
      stage("open");
      if (focused) close.focus({ preventScroll: true });
      opened(model, found);
    } catch (error) {
      made?.stop();
      const focused = way.contains(document.activeElement);
      stage("choices");
      if (focused) (begin.hidden ? pick : begin).focus({ preventScroll: true });
      if (signal.aborted) said.textContent = `Loading was cancelled. ${aside}`;
      else if (error instanceof Refused) said.textContent = `${legible(error.message)} ${aside}`;
      else said.textContent = `The model cannot be opened here: ${legible(error instanceof Error ? error.message : String(error)).slice(0, 200)} ${aside}`;
    }
    stopper = null;
  }

  function fetched() {
    if (!site) return;
    const { offer, base } = site;
    from(offer.parts.map(({ file, ...part }) => ({ url: new URL(file, base).href, ...part })), offer.name, offer);
  }

  function picked() {
    const files = [...(pick.files ?? [])];
    // the same file may be picked again
    pick.value = "";
    if (files.length) from(joined(files), files[0].name);
  }

  return {
    element,
    /** Ask what the site offers, and show what the reader can do. */
    async begin() {
      site = await offered();
      const here = location.protocol !== "file:", has = Boolean(site?.offer.parts.length);
      begin.hidden = !(has && here);
      if (site) {
        const { bytes, file } = site.offer;
        write(begin, `Load the model (${megabytes(bytes)})`);
        const kept = "It comes from this site, when you ask for it, and your browser keeps it; nothing you type leaves this page.";
        const files = has
          ? `Read from files, this page may not fetch it: pick all files ${site.offer.parts[0].file.replace(/\d+-\w+$/, "*")} at once, in the folder model of the site, or a GGUF file of your own.`
          : `This copy of the site does not have its weights: pick the file ${file}, or another in GGUF.`;
        about.replaceChildren(...origin(site.offer), `, in 4 bits a weight. ${has && here ? kept : files} A file of your own is read where it is: a Llama in Q4_1, Q8_0, F16 or F32.`);
      } else write(about, "Pick a model's file in GGUF: a Llama in Q4_1, Q8_0, F16 or F32. It is read where it is, and nothing you type leaves this page.");
      if (typeof WebAssembly === "object") stage("choices");
      else said.textContent = `This browser has no WebAssembly, which the model needs. ${aside}`;
    },
    /** The worker died: say so. @param {string} words */
    lost(words) { if (model) shut(words); },
    stop() {
      stopper?.abort();
      model?.stop();
      model = null;
    },
  };
}
