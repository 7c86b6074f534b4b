// @ts-check
// What trains in the page, for widgets, the console and the tests.
export { compiledProduct } from "./apply.js";
export { noisySampler, sampler } from "./bigrams.js";
export { code, trainer } from "./client.js";
export { factsOf } from "./facts_run.js";
export { memoryRunOf } from "./memory_run.js";
export { noisyOf } from "./noisy_run.js";
export { logarithm, normals } from "./random.js";
export { initialWeights, runOf } from "./run.js";
export { twoLayers } from "./two_layers.js";
