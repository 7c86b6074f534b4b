// @ts-check
// What runs beside the page: it takes a model's file in parts, and answers what the page asks of the model, in order.
import { describe } from "./gguf.js";
import { Refused } from "./refused.js";
import { roomFor } from "./room.js";
import { shapeOf } from "./shape.js";

// each order has a number of its own, and its answer bears that number
/** @typedef {{ id: number, type: keyof typeof DOES } & Record<string, any>} Order */
/** @typedef {{ id: number, value?: any, refused?: string, failed?: string }} Answer */

const port = /** @type {{ postMessage(message: Answer): void, onmessage: ((event: MessageEvent<Order>) => void) | null }} */ (/** @type {unknown} */ (globalThis));

/** @type {import("./room.js").Room | null} */
let room = null;
let arrived = 0;

const DOES = {
  /** A file of so many bytes is about to come. @param {{ code: Uint8Array<ArrayBuffer>, bytes: number }} order */
  begin({ code, bytes }) {
    room = null;
    arrived = 0;
    room = roomFor(code, bytes);
  },
  /** The next part of it. @param {{ part: ArrayBuffer }} order */
  part({ part }) {
    const file = begun().file;
    if (arrived + part.byteLength > file.length) throw new Refused("More of the file has arrived than it should have.");
    file.set(new Uint8Array(part), arrived);
    arrived += part.byteLength;
    return arrived;
  },
  /** All has come: what the file says of itself. */
  end() {
    const { file } = begun();
    if (arrived < file.length) throw new Refused(`The file is cut: ${arrived} of ${file.length} bytes have arrived.`);
    const shape = shapeOf(describe(file));
    return { about: shape.about };
  },
};

function begun() {
  if (!room) throw new Refused("No model has been opened.");
  return room;
}

/** @param {MessageEvent<Order>} event */
port.onmessage = ({ data }) => {
  const { id, type } = data;
  try {
    port.postMessage({ id, value: DOES[type](/** @type {any} */ (data)) });
  } catch (error) {
    if (error instanceof Refused) port.postMessage({ id, refused: error.message });
    else port.postMessage({ id, failed: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
};
