// What a page computes a language model with: products with packed weights, the rest of a block, a decomposition.
export { inner, product } from "../training/products";
export { softmax } from "../training/rows";
export { multiply, unpack } from "./packed";
export { add, gated, rms, rotate } from "./layers";
export { diagonal, gram, reflected, tridiagonal } from "./eigen";
