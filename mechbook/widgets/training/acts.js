// @ts-check
// What the reader did to a run on its way: when, and in words.

/** @typedef {{ step: number, kind: string, words: string }} Act */
/** So many are kept. */
const MOST = 12;

/** @param {Act[]} [kept] of a run that is gone on with */
export function actsOf(kept = []) {
  let /** @type {Act[]} */ all = Array.isArray(kept) ? kept : [];
  return {
    begin() { all = []; },
    /**
     * Something was changed in a run, of which one thing of a kind counts at a step; before the first step it is what the
     * run is begun with.
     * @param {Pick<import("./worker.js").View, "step" | "done" | "diverged"> | null} view
     * @param {string} kind
     * @param {string} words
     */
    did(view, kind, words) {
      if (!view || view.step === 0 || view.done || view.diverged) return;
      const others = all.filter((act) => act.step !== view.step || act.kind !== kind);
      all = [...others, { step: view.step, kind, words }].slice(-MOST);
    },
    steps: () => all.map(({ step }) => step),
    /** In brackets, for the end of a sentence about the run; nothing where nothing was done. */
    told: () => (all.length ? ` (${all.map(({ step, words }) => `from about step ${step}: ${words}`).join("; ")})` : ""),
    keep: () => all,
  };
}
