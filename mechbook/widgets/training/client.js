// @ts-check
// The page's side of a training run: a worker of its own, made from a text, so that pages from files have it too.
import { kernels, worker } from "../book.js";
import { runs } from "./memory.js";

/** @typedef {import("./worker.js").Order} Order */
/** @typedef {import("./worker.js").View} View */

/** The compiled kernels, or null where this browser cannot run them. */
export function code() {
  const bytes = Uint8Array.from(atob(kernels), (character) => character.charCodeAt(0));
  return runs(bytes) ? bytes : null;
}

/**
 * A worker, or null where a browser has none or lets none begin.
 * @param {string} url
 */
function begun(url) {
  try {
    return new Worker(url);
  } catch (error) {
    console.warn("Training needs a web worker:", error);
    return null;
  }
}

/**
 * A worker that trains; `shown` gets each view of it, and the next one is made when it has returned; `failed` is called
 * where the worker cannot start, or stops.
 * @param {(view: View) => void} shown
 * @param {() => void} failed
 */
export function trainer(shown, failed) {
  const url = URL.createObjectURL(new Blob([worker], { type: "text/javascript" })), compiled = code();
  const beside = begun(url);
  let serial = 0;
  const order = (/** @type {Order} */ what) => beside?.postMessage(what);
  if (beside) {
    beside.onerror = failed;
    beside.onmessage = ({ data }) => {
      // what an earlier run had sent before it was started anew
      if (data.serial === serial) shown(data);
      order({ type: "drawn" });
    };
  } else queueMicrotask(failed);
  return {
    order,
    /** @param {Omit<Extract<Order, { type: "start" }>, "type" | "code">} what */
    start(what) {
      serial += 1;
      order({ type: "start", code: compiled, ...what });
    },
    stop() {
      beside?.terminate();
      URL.revokeObjectURL(url);
    },
  };
}
