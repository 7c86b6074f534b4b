// @ts-check
// Playing, pausing and keeping a training run of a widget: it stops where nobody sees it, and is there again when the
// reader comes back to the page in the same tab.
import { version } from "../book.js";
import { h } from "../kit.js";
import { trainer } from "./client.js";

/** @typedef {import("./worker.js").View} View */
/** @typedef {import("./stepping.js").Kept} Kept */
/** @typedef {Extract<import("./worker.js").Order, { type: "start" }>["kind"]} Kind */
/** @typedef {ReturnType<typeof player>} Player */

/** Whether the reader asked for little motion: then a view a second is enough. */
const still = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;
const STILL_MS = 1000;

/** @param {ArrayBuffer} buffer */
function toText(buffer) {
  const bytes = new Uint8Array(buffer), parts = [];
  for (let at = 0; at < bytes.length; at += 32768) parts.push(String.fromCharCode(...bytes.subarray(at, at + 32768)));
  return btoa(parts.join(""));
}

/** @param {string} text */
const toFloats = (text) => new Float32Array(Uint8Array.from(atob(text), (character) => character.charCodeAt(0)).buffer);

/**
 * What the tab keeps of a widget, or null: of another version of the scripts nothing, nor where the address has a state
 * that it did not have when this was kept.
 * @param {string} name
 */
export function remembered(name) {
  try {
    const found = JSON.parse(sessionStorage.getItem(`mechbook ${location.pathname} ${name}`) ?? "null");
    if (found?.version !== version) return null;
    if (location.hash.startsWith(`#${name}?`) && found.hash !== location.hash) return null;
    const parts = Object.entries(found.kept?.parts ?? {}).map(([key, text]) => [key, toFloats(/** @type {string} */ (text))]);
    return { values: found.values, kept: found.kept ? /** @type {Kept} */ ({ ...found.kept, parts: Object.fromEntries(parts) }) : undefined };
  } catch {
    // A browser that keeps nothing, or something else under this name: the widget starts anew.
    return null;
  }
}

/**
 * Keep in the tab what the reader has set, and the run, where it has got anywhere.
 * @param {string} name
 * @param {unknown} values
 * @param {Kept | null} kept
 */
function remember(name, values, kept) {
  const parts = Object.entries(kept?.parts ?? {}).filter(([, floats]) => floats.some((value) => value !== 0));
  const texts = Object.fromEntries(parts.map(([key, { buffer }]) => [key, toText(buffer)]));
  try {
    sessionStorage.setItem(`mechbook ${location.pathname} ${name}`, JSON.stringify({ version, hash: location.hash, values, kept: kept && { ...kept, parts: texts } }));
  } catch {
    // Full, or forbidden: then it is not kept.
  }
}

/**
 * A run in the frame `root`. `settings` gives those of a new run of its kind, `query` what is shown of it, `shown` draws a
 * view, `values` is what is kept beside the run, `begin` what is changed at once in every new one.
 * @param {{
 *   name: string, root: HTMLElement, kind: Kind, settings: () => any, query: () => any, pace: () => number,
 *   values: () => unknown, shown: (view: View) => void, begin?: () => any, weights?: () => any, kept?: Kept,
 * }} how
 */
export function player({ name, root, kind, settings, query, pace, values, shown, begin, weights, kept }) {
  /** @type {Kept | null} */
  let latest = null;
  let playing = false, stepped = false, visible = true, drawn = 0, /** @type {View | null} */ waiting = null, timer = 0, resting = 0;

  /** @param {View} view */
  const draw = (view) => {
    waiting = null;
    // a run that waits for its reader shows what one that does not would have shown
    if (playing) view.latest = null;
    drawn = performance.now();
    if (!view.playing && (view.done || view.diverged)) playing = false;
    shown(view);
  };
  const beside = trainer((view) => {
    // here and not where it is drawn, which may be later or never
    if (view.kept) latest = view.kept;
    if (view.kept && document.visibilityState === "hidden") leave();
    const rest = still() && view.playing ? STILL_MS - (performance.now() - drawn) : 0;
    waiting = view;
    clearTimeout(timer);
    if (rest <= 0) draw(view);
    else timer = window.setTimeout(() => { if (waiting) draw(waiting); }, rest);
  }, () => {
    if (root.contains(trouble)) return;
    // below the title, and what would begin a run is dead
    root.firstElementChild?.after(trouble);
    for (const button of root.querySelectorAll("button")) if (button.matches(".mb-main, .mb-run > *")) button.disabled = true;
  });
  const trouble = h("p", { class: "mb-message mb-problem", role: "alert" }, "Training stopped, or this browser does not let it begin: it needs a web worker beside the page. Reload the page, or try another browser.");
  function go() {
    clearTimeout(resting);
    beside.order(playing && visible ? { type: "run", until: Infinity, pace: pace() } : { type: "pause" });
  }
  /** @param {Kept} [from] */
  const start = (from) => {
    clearTimeout(resting);
    // the run before is not that of the settings any more
    latest = from ?? null;
    beside.start({ kind, settings: settings(), query: query(), weights: weights?.(), kept: from });
    if (begin) beside.order({ type: "change", what: begin() });
  };

  const watcher = new IntersectionObserver((entries) => {
    inView = entries[entries.length - 1].isIntersecting;
    see();
  });
  let inView = true;
  const see = () => {
    // a tab out of sight may be closed without a word; what is under way to it is kept as it comes
    if (document.visibilityState === "hidden") leave();
    const now = inView && document.visibilityState === "visible";
    if (now === visible) return;
    visible = now;
    if (playing) go();
  };
  const leave = () => remember(name, values(), latest);
  watcher.observe(root);
  document.addEventListener("visibilitychange", see);
  window.addEventListener("pagehide", leave);
  start(kept);

  return {
    get playing() { return playing; },
    /** Whether the last thing asked for was a step. */
    get stepped() { return stepped; },
    play() { [playing, stepped] = [true, false]; go(); },
    pause() { [playing, stepped] = [false, false]; go(); },
    go,
    /** A run that plays waits so many milliseconds, for its reader. @param {number} ms */
    rest(ms) {
      if (!playing || ms <= 0) return;
      beside.order({ type: "pause" });
      clearTimeout(resting);
      resting = window.setTimeout(go, ms);
    },
    step(count = 1) {
      [playing, stepped] = [false, true];
      clearTimeout(resting);
      beside.order({ type: "step", count });
    },
    reset() {
      [playing, stepped] = [false, false];
      start();
    },
    look: () => beside.order({ type: "look", query: query() }),
    change: (/** @type {any} */ what) => beside.order({ type: "change", what }),
    stop() {
      leave();
      watcher.disconnect();
      document.removeEventListener("visibilitychange", see);
      window.removeEventListener("pagehide", leave);
      clearTimeout(timer);
      clearTimeout(resting);
      beside.stop();
    },
  };
}
