// @ts-check
// The page's side of a language model: a worker of its own, made from a text, so that pages from files have it too; the
// weights, fetched in parts or read from a file that the reader picks; questions and their answers.
import { Refused } from "./refused.js";

/** @typedef {import("./worker.js").Order} Order */
/** @typedef {import("./worker.js").Answer} Answer */
/**
 * Where weights come from: parts of one file in order, each with its bytes and, where it is known, its checksum as
 * fetch() takes it; or a file of the reader's.
 * @typedef {{ url: string, bytes: number, integrity?: string }[] | Blob} Source
 */
/** @typedef {ReturnType<typeof language>} Language */

/** So much of a reader's file is read at a time. */
const SLICE = 8e6;

/**
 * The pieces of a source, one after the other. Throws Refused where a part cannot be fetched.
 * @param {Source} source
 * @param {AbortSignal | undefined} signal
 * @returns {AsyncGenerator<ArrayBuffer>}
 */
async function* pieces(source, signal) {
  if (source instanceof Blob) {
    for (let at = 0; at < source.size; at += SLICE) {
      signal?.throwIfAborted();
      yield await source.slice(at, at + SLICE).arrayBuffer();
    }
    return;
  }
  for (const { url, integrity } of source) {
    let response;
    try {
      // what was fetched once is kept by the browser's cache
      response = await fetch(url, { signal, integrity, cache: "force-cache" });
    } catch (error) {
      signal?.throwIfAborted();
      // a browser says the same of all of these
      const why = "the site is out of reach, or a part of them is missing or changed";
      if (integrity) throw new Refused(`The weights cannot be fetched: ${why}.`);
      throw new Refused(
        `The weights cannot be fetched from here (${error instanceof Error ? error.message : error}): ` +
          "pick a GGUF file instead.",
      );
    }
    if (!response.ok || !response.body) {
      throw new Refused(`The weights cannot be fetched: a part of them is missing (${response.status}).`);
    }
    const reader = response.body.getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      const { value } = next;
      yield value.byteLength === value.buffer.byteLength ? value.buffer : value.slice().buffer;
    }
  }
}

/**
 * The first of several compiled kernels that this browser can run; the last, where it can run none.
 * @param {Uint8Array<ArrayBuffer>[]} kernels
 */
export function runnable(kernels) {
  const runs = kernels.find((code) => typeof WebAssembly === "object" && WebAssembly.validate(code));
  return runs ?? kernels[kernels.length - 1];
}

/**
 * A worker. Throws Refused where a browser has none, or a page may not begin one.
 * @param {string} url
 */
function workerOf(url) {
  try {
    return new Worker(url);
  } catch (error) {
    URL.revokeObjectURL(url);
    throw new Refused(`The model needs a web worker, which this page cannot begin (${error instanceof Error ? error.message : error}).`);
  }
}

/**
 * A language model beside the page. All that it refuses rejects with `Refused`, whose message is a sentence to show.
 * @param {string} worker the bundle of worker.js
 * @param {Uint8Array<ArrayBuffer>} code the compiled kernels, one that is `runnable`
 */
export function language(worker, code) {
  /** @type {{ beside: Worker, url: string } | null} */
  let running = null;
  let serial = 0;
  /**
   * Questions without an answer yet.
   * @type {Map<number, { resolve: (value: any) => void, reject: (reason: unknown) => void }>}
   */
  const open = new Map();
  /**
   * For each kind of question that only the latest of counts: whether one is under way, and what tells the one that
   * waits to go or to give up.
   * @type {Map<string, { busy: boolean, next: ((go: boolean) => void) | null }>}
   */
  const turns = new Map();

  /** @param {unknown} reason */
  function fail(reason) {
    for (const { reject } of open.values()) reject(reason);
    open.clear();
  }

  /** The worker stops and its memory is free. @param {unknown} reason what questions without an answer get */
  function stop(reason = new Refused("The model was closed.")) {
    running?.beside.terminate();
    if (running) URL.revokeObjectURL(running.url);
    running = null;
    fail(reason);
  }

  function begin() {
    const url = URL.createObjectURL(new Blob([worker], { type: "text/javascript" }));
    const beside = workerOf(url);
    beside.onerror = ({ message }) => {
      stop(new Refused(`The model's worker stopped: ${message || "it cannot start here"}.`));
    };
    beside.onmessage = (/** @type {MessageEvent<Answer>} */ { data: { id, value, refused, failed } }) => {
      const found = open.get(id);
      open.delete(id);
      if (refused !== undefined) found?.reject(new Refused(refused));
      else if (failed !== undefined) found?.reject(new Error(failed));
      else found?.resolve(value);
    };
    return { beside, url };
  }

  /**
   * The answer to a question that worker.js knows.
   * @param {Omit<Order, "id">} order
   * @param {Transferable[]} [given] what moves to the worker instead of being copied
   * @returns {Promise<any>}
   */
  function ask(order, given = []) {
    return new Promise((resolve, reject) => {
      if (!running) return void reject(new Refused("No model has been opened."));
      open.set(++serial, { resolve, reject });
      running.beside.postMessage({ ...order, id: serial }, given);
    });
  }

  return {
    ask,
    /**
     * The answer to a question of which only the latest counts, as where a slider moves: one is under way, one waits.
     * Resolves to null where another came after it.
     * @param {string} kind
     * @param {Omit<Order, "id">} order
     */
    async latest(kind, order) {
      const turn = turns.get(kind) ?? { busy: false, next: null };
      turns.set(kind, turn);
      if (turn.busy) {
        turn.next?.(false);
        const mine = await new Promise((/** @type {(go: boolean) => void} */ resolve) => (turn.next = resolve));
        if (!mine) return null;
      }
      turn.busy = true;
      try {
        return await ask(order);
      } finally {
        const { next } = turn;
        Object.assign(turn, { busy: next !== null, next: null });
        next?.(true);
      }
    },
    /**
     * Open a model: what its file says of itself. `progress` gets the bytes that have come, and all of them.
     * @param {Source} source
     * @param {{ progress?: (come: number, all: number) => void, signal?: AbortSignal }} [how]
     */
    async load(source, { progress = () => {}, signal } = {}) {
      stop();
      const bytes = source instanceof Blob ? source.size : source.reduce((sum, part) => sum + part.bytes, 0);
      try {
        signal?.throwIfAborted();
        running = begin();
        await ask({ type: "begin", code, bytes });
        for await (const part of pieces(source, signal)) {
          progress(await ask({ type: "part", part }, [part]), bytes);
          signal?.throwIfAborted();
        }
        return await ask({ type: "end" });
      } catch (error) {
        stop(error);
        throw error;
      }
    },
    stop: () => stop(),
    /** Whether a model is open, or on its way. */
    running: () => running !== null,
  };
}
