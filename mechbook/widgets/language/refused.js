// @ts-check
// What the engine will not do, in one sentence that a page can show as it is.

export class Refused extends Error {}
