// @ts-check
// What follows layer 2 in mechbook/noisy/model.py: y = x_t + W_V2 m_t, m_t what layer 2 mixed, then F_2, an MLP without
// biases, and W_U: the logits W_U (y + W_out relu(W_in y)). W_V2 and F_2 are trained; F_2 can be dropped.

/** @typedef {import("./two_layers.js").Ending & { drop(dropped: boolean): void }} NoisyEnding */

/** @type {import("./two_layers.js").Endings<NoisyEnding>} */
export const noisyOut = {
  room: ({ d, Q }) => 4 * (9 * d * d) + Q * (2 * d + 8 * d) + Q + 64,
  make({ memory: { whole, k, room }, N, d, width, Q, W_U, W_U_T, own, mixed, logits, ownGrad, mixedGrad, matrix }) {
    const H = 4 * width, W_V2 = matrix("W_V2", width, width), W_in = matrix("F2.W_in", H, width), W_out = matrix("F2.W_out", width, H);
    const y = room(Q * d), h = room(Q * H), hGrad = room(Q * H), out = room(Q * d), all = room(Q);
    for (let i = 0; i < Q; i++) whole[all + i] = i;
    let dropped = false;
    return {
      held: { W_V2, "F2.W_in": W_in, "F2.W_out": W_out },
      drop(now) { dropped = now; },
      begin() {},
      forward(q) {
        k.inner(mixed, d, W_V2.w, d, y, d, q, d, d, 0);
        k.gather(y, d, all, q, own, 1);
        if (dropped) {
          k.product(y, d, 1, W_U_T, N, logits, N, q, d, N, 0, 0);
          return;
        }
        k.inner(y, d, W_in.w, d, h, H, q, d, H, 0);
        k.relu(h, q * H);
        k.inner(h, H, W_out.w, H, out, d, q, H, d, 0);
        k.gather(out, d, all, q, y, 1);
        k.product(out, d, 1, W_U_T, N, logits, N, q, d, N, 0, 0);
      },
      backward(q) {
        // out becomes its own gradient, and then y's
        k.product(logits, N, 1, W_U, d, out, d, q, N, d, 0, 0);
        k.product(out, 1, d, h, H, W_out.g, H, width, q, H, 1, 0);
        k.product(out, d, 1, W_out.w, H, hGrad, H, q, width, H, 0, 0);
        k.reluBackward(h, hGrad, q * H);
        k.product(hGrad, 1, H, y, d, W_in.g, d, H, q, d, 1, 0);
        k.product(hGrad, H, 1, W_in.w, d, out, d, q, H, d, 1, 0);
        k.product(out, 1, d, mixed, d, W_V2.g, d, width, q, d, 1, 0);
        k.product(out, d, 1, W_V2.w, d, mixedGrad, d, q, width, d, 0, 0);
      },
      addOwn: (q) => k.gather(ownGrad, d, all, q, out, 1),
      finish() {},
    };
  },
};
