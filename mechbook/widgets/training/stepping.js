// @ts-check
// What all runs have alike: steps, probes on the way, and going on exactly where a run was left.
// At step s, s updates have been made; the batch of step s is drawn from the seed's stream s + 1, so that a run which is
// taken up again at a step goes on as if it had never stopped.

/** @typedef {Float32Array<ArrayBuffer>} Floats */
/** @typedef {{ step: number, loss: number, accuracy: number } & Record<string, number>} Point */
/** @typedef {{ step: number, updates: number, diverged: boolean, points: Point[], sums: number[], parts: Record<string, Floats> }} Kept */
/**
 * What a run is of. `gradients` draws the batch of a step and returns its n terms, their mean loss and how many are right;
 * `update` uses the gradients, the t-th time; `probes` measures the model; `chance` is the loss of guessing; `held` are all
 * numbers that a run needs to go on, and `hold` puts them back; `seen` is what the page shows, for what it asks; `change`
 * changes settings that may change in a run.
 * @typedef {{
 *   settings: { seed: number, every: number, steps: number, lr: number }, vectors: boolean, chance: number,
 *   gradients(step: number): { n: number, loss: number, right: number }, update(t: number): void,
 *   probes(): Record<string, number>, held(): Record<string, Floats>, hold(parts: Record<string, Floats>): void,
 *   seen(query: any): any, change(what: any): void,
 * }} Trainable
 */
/** @typedef {ReturnType<typeof stepping>} Run */

/** How many times the loss of guessing a loss may lie above the first one's: beyond it the steps are too large. */
const FAR = 6;

/** @param {Trainable} model */
export function stepping(model) {
  const { settings } = model;
  let step = 0, updates = 0, last = NaN, diverged = false, /** @type {Point[]} */ points = [];
  // losses of batches, right terms, all terms, and batches since the last probe
  let sums = [0, 0, 0, 0];

  /** Measures the batch of this step, and probes the model where that is due; returns the batch's terms. */
  function measure() {
    const { n, loss, right } = model.gradients(step);
    if (n) {
      last = loss;
      sums = [sums[0] + loss, sums[1] + right, sums[2] + n, sums[3] + 1];
      // the first batch tells nothing of the steps
      diverged ||= !Number.isFinite(loss) || (step > 0 && loss > points[0].loss + FAR * model.chance);
    }
    if (step % settings.every === 0 || step >= settings.steps) {
      points.push({ step, loss: sums[3] ? sums[0] / sums[3] : 0, accuracy: sums[2] ? sums[1] / sums[2] : 0, ...model.probes() });
      sums = [0, 0, 0, 0];
    }
    return n;
  }

  return {
    settings, vectors: model.vectors,
    seen: (/** @type {any} */ query) => model.seen(query),
    change: (/** @type {any} */ what) => model.change(what),
    get step() { return step; },
    get points() { return points; },
    get diverged() { return diverged; },
    /** The loss of the last batch. */
    get loss() { return last; },
    /** One update; false where there is nothing left to do. */
    advance() {
      if (diverged || step >= settings.steps) return false;
      const n = measure();
      if (diverged) return false;
      if (n) model.update(++updates);
      step += 1;
      // the last probe comes after the last update, and no update after it
      if (step === settings.steps) measure();
      return true;
    },
    /**
     * The model as it is now, where its last probe is of an earlier step; what batches tell stays that of the last
     * stretch. No curve keeps it, and unless a probe is `due` here anyway it dates nothing. Null where there is a probe of
     * this step.
     * @returns {Point | null}
     */
    latest() {
      const before = points[points.length - 1];
      if (!before || before.step === step || diverged) return null;
      return { ...before, step, due: Number(step % settings.every === 0), ...model.probes() };
    },
    /** All that a run needs to go on from here. @returns {Kept} */
    keep: () => ({ step, updates, diverged, points: [...points], sums: [...sums], parts: model.held() }),
    /** @param {Kept} kept */
    take(kept) {
      ({ step, updates, diverged } = kept);
      points = [...kept.points];
      sums = [...kept.sums];
      model.hold(kept.parts);
    },
  };
}
