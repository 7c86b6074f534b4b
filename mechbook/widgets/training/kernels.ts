// What the page trains with, on the four lanes of WebAssembly's vectors; plain.js says the same without them.
export { product, inner } from "./products";
export { softmax, softmaxBackward, crossEntropy, relu, reluBackward } from "./rows";
export { lookUp, lookUpScores, addScores, gather } from "./tables";
export { sgd, adam } from "./updates";
