// @ts-check
// What runs beside the page: it trains in slices, and shows the page how far it is as often as the page can draw it.
import { factsOf } from "./facts_run.js";
import { memoryRunOf } from "./memory_run.js";
import { noisyOf } from "./noisy_run.js";
import { runOf } from "./run.js";

/** @typedef {import("./stepping.js").Kept} Kept */
/**
 * What the page asks for. `start` with `kept` goes on with a run; `run` plays until the step `until`, at most `pace`
 * steps a second where that is not 0; `step` makes so many; `change` changes what a run lets change; `look` says what of
 * the model is shown; `drawn` says that the page is ready for the next view.
 * @typedef {{ type: "start", code: Uint8Array<ArrayBuffer> | null, kind: keyof typeof RUNS, settings: any, query: any, kept?: Kept, weights?: any }
 *   | { type: "run", until: number, pace: number } | { type: "pause" } | { type: "step", count: number }
 *   | { type: "change", what: any } | { type: "look", query: any } | { type: "drawn" }} Order
 */
/** @typedef {NonNullable<ReturnType<typeof view>>} View */

const RUNS = { two_layers: runOf, facts: factsOf, noisy: noisyOf, memory: memoryRunOf };
const SLICE = 12, BETWEEN = 40;
/** A view brings along all that the run needs to go on, unless copying that takes more than this share of the time. */
const SHARE = 0.05;
const port = /** @type {{ postMessage(message: any): void, onmessage: ((event: MessageEvent<Order>) => void) | null }} */ (/** @type {unknown} */ (globalThis));

/** @type {import("./stepping.js").Run | null} */
let run = null;
/** @type {any} */
let query = null;
let until = 0, pace = 0, busy = false, ready = true, changed = false, last = 0, keepAt = 0, cost = Infinity, serial = 0;
// where a paced stretch, and the measurement of the speed, began
let from = { step: 0, at: 0 };

function view() {
  if (!run) return null;
  const { step, points, diverged, loss, vectors, settings } = run, now = performance.now(), passed = (now - from.at) / 1000;
  const kept = step >= until || now >= keepAt ? run.keep() : null;
  // the least that it took: at other times something else ran meanwhile
  if (kept) cost = Math.min(cost, performance.now() - now);
  if (kept) keepAt = now + cost / SHARE;
  const playing = step < until && !diverged;
  return {
    serial, step, diverged, loss, playing, done: step >= settings.steps, vectors, points,
    // what stands still is shown as it is, also between two probes
    latest: playing ? null : run.latest(),
    speed: step > from.step && passed > 0 ? (step - from.step) / passed : 0,
    asked: query, seen: run.seen(query), kept,
  };
}

function show() {
  if (!ready || !changed) return;
  changed = ready = false;
  last = performance.now();
  port.postMessage(view());
}

function slice() {
  busy = false;
  if (!run || run.step >= until) return;
  const start = performance.now();
  while (run.step < until && performance.now() - start < SLICE) {
    if (pace && run.step - from.step >= ((performance.now() - from.at) / 1000) * pace) break;
    if (!run.advance()) until = run.step;
    changed = true;
  }
  if (run.step >= until || performance.now() - last > BETWEEN) show();
  go(run.step < until && pace ? 4 : 0);
}

/** @param {number} wait */
function go(wait = 0) {
  if (busy || !run || run.step >= until) return;
  busy = true;
  setTimeout(slice, wait);
}

/** @param {MessageEvent<Order>} event */
port.onmessage = ({ data: order }) => {
  if (order.type === "start") {
    run = RUNS[order.kind](order.code, order.settings, order.weights);
    if (order.kept) run.take(order.kept);
    ({ query } = order);
    until = run.step;
    serial += 1;
    [keepAt, cost] = [0, Infinity];
    changed = ready = true;
  }
  if (!run) return;
  if (order.type === "run") {
    until = Math.min(order.until, run.settings.steps);
    pace = order.pace;
    from = { step: run.step, at: performance.now() };
    changed = true;
  } else if (order.type === "pause") {
    until = run.step;
    changed = true;
  } else if (order.type === "step") {
    until = run.step;
    for (let i = 0; i < order.count; i++) if (!run.advance()) break;
    until = run.step;
    changed = true;
  } else if (order.type === "change") {
    run.change(order.what);
    changed = true;
  } else if (order.type === "look") {
    ({ query } = order);
    changed = true;
  } else if (order.type === "drawn") {
    ready = true;
  }
  if (run.step >= until || order.type === "look") show();
  go();
};
