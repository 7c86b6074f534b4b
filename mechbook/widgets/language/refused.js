// @ts-check
// What the engine will not do, in one sentence that a page can show as it is.

/** No sentence is longer, whatever names a file has. */
const MOST = 300;

export class Refused extends Error {
  /** @param {string} sentence */
  constructor(sentence) {
    super(sentence.length > MOST ? `${sentence.slice(0, MOST - 2)} …` : sentence);
  }
}
