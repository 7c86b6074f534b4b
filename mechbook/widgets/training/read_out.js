// @ts-check
// What follows layer 2 in the simplified transformer: the logits W_U (x_t + W_O2 W_V2 m_t), m_t what layer 2 mixed; W_O2
// is trained. Both ways to the logits are matrices of N rows, so that nothing d wide is computed between.

/** @type {import("./two_layers.js").Endings<import("./two_layers.js").Ending>} */
export const readOut = {
  room: ({ N, d }) => 3 * N * d + 5 * d * d,
  make({ memory: { f, k, room }, N, d, width, W_U, W_U_T, own, mixed, logits, ownGrad, mixedGrad, frozen, matrix, square }) {
    const W_V2 = square("W_V2"), W_O2 = matrix("W_O2", width, width), read = room(d * N), readGrad = room(d * N), between = room(d * N);
    return {
      held: { W_O2 },
      begin() {
        k.product(W_O2.w, 1, d, W_U_T, N, between, N, d, d, N, 0, 0);
        k.product(W_V2, 1, d, between, N, read, N, d, d, N, 0, 0);
        f.fill(0, readGrad, readGrad + d * N);
      },
      forward(q) {
        k.product(own, d, 1, W_U_T, N, logits, N, q, d, N, 0, 0);
        k.product(mixed, d, 1, read, N, logits, N, q, d, N, 1, 0);
      },
      backward(q) {
        if (!frozen.has("W_O2")) k.product(mixed, 1, d, logits, N, readGrad, N, d, q, N, 1, 0);
        if (!(frozen.has("W_K1") && frozen.has("W_K2"))) k.inner(logits, N, read, N, mixedGrad, d, q, N, d, 0);
      },
      addOwn: (q) => k.product(logits, N, 1, W_U, d, ownGrad, d, q, N, d, 1, 0),
      finish() {
        if (frozen.has("W_O2")) return;
        k.product(W_V2, d, 1, readGrad, N, between, N, d, d, N, 0, 0);
        k.inner(W_U_T, N, between, N, W_O2.g, d, d, N, d, 0);
      },
    };
  },
};
