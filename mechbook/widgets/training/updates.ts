// The steps of the optimizers, as torch.optim.SGD and torch.optim.AdamW take them. n is a multiple of 4.
import { at } from "./addresses";

export function sgd(w: i32, g: i32, m: i32, n: i32, lr: f32, momentum: f32, decay: f32): void {
  const rate = f32x4.splat(lr), keep = f32x4.splat(momentum), pull = f32x4.splat(decay);
  const p = at(w), q = at(g), r = at(m);
  for (let o: usize = 0; o < at(n); o += 16) {
    const x = v128.load(p + o), slope = f32x4.add(v128.load(q + o), f32x4.mul(pull, x));
    const v = f32x4.add(f32x4.mul(keep, v128.load(r + o)), slope);
    v128.store(r + o, v);
    v128.store(p + o, f32x4.sub(x, f32x4.mul(rate, v)));
  }
}

// `step` is lr / (1 - beta1^t), `root` sqrt(1 - beta2^t), `shrink` 1 - lr decay.
export function adam(
  w: i32, g: i32, m: i32, v: i32, n: i32, step: f32, root: f32, shrink: f32, beta1: f32, beta2: f32, epsilon: f32,
): void {
  const p = at(w), q = at(g), r = at(m), s = at(v), by = f32x4.splat(step), over = f32x4.splat(root);
  const b1 = f32x4.splat(beta1), b2 = f32x4.splat(beta2), c1 = f32x4.splat(<f32>1 - beta1), c2 = f32x4.splat(<f32>1 - beta2);
  for (let o: usize = 0; o < at(n); o += 16) {
    const slope = v128.load(q + o);
    const first = f32x4.add(f32x4.mul(b1, v128.load(r + o)), f32x4.mul(c1, slope));
    const second = f32x4.add(f32x4.mul(b2, v128.load(s + o)), f32x4.mul(c2, f32x4.mul(slope, slope)));
    v128.store(r + o, first);
    v128.store(s + o, second);
    const size = f32x4.add(f32x4.div(f32x4.sqrt(second), over), f32x4.splat(epsilon));
    const x = f32x4.mul(v128.load(p + o), f32x4.splat(shrink));
    v128.store(p + o, f32x4.sub(x, f32x4.mul(by, f32x4.div(first, size))));
  }
}
