// What a Llama block does between its products. Rows are `stride` float32 numbers apart; widths are multiples of 4.
import { at } from "../training/addresses";
import { exponential, sum } from "../training/rows";

// out[i] = x[i] / sqrt(mean of x[i]^2 + epsilon) times the weights, for n rows of d numbers.
export function rms(x: i32, xi: i32, weights: i32, out: i32, oi: i32, n: i32, d: i32, epsilon: f32): void {
  const length = at(d);
  for (let i = 0; i < n; i++) {
    const p = at(x + i * xi), q = at(out + i * oi);
    let total = f32x4.splat(0);
    for (let o: usize = 0; o < length; o += 16) {
      const u = v128.load(p + o);
      total = f32x4.add(total, f32x4.mul(u, u));
    }
    const by = f32x4.splat(<f32>1 / sqrt<f32>(sum(total) / <f32>d + epsilon));
    for (let o: usize = 0; o < length; o += 16) {
      v128.store(q + o, f32x4.mul(f32x4.mul(v128.load(p + o), by), v128.load(at(weights) + o)));
    }
  }
}

// Each neighbouring pair of a head's numbers turns by the angle of its position: x cos + (x of the other) sin. Row i
// has `heads` heads of d numbers; the tables d numbers a position: every cosine twice, every sine as -sin, sin.
export function rotate(x: i32, xi: i32, n: i32, heads: i32, d: i32, cosines: i32, sines: i32): void {
  const length = at(d);
  for (let i = 0; i < n; i++) {
    const c = at(cosines + i * d), s = at(sines + i * d);
    for (let h = 0; h < heads; h++) {
      const p = at(x + i * xi + h * d);
      for (let o: usize = 0; o < length; o += 16) {
        const u = v128.load(p + o), other = v128.shuffle<f32>(u, u, 1, 0, 3, 2);
        v128.store(p + o, f32x4.add(f32x4.mul(u, v128.load(c + o)), f32x4.mul(other, v128.load(s + o))));
      }
    }
  }
}

// g = g / (1 + exp(-g)) times u, for n numbers.
export function gated(g: i32, u: i32, n: i32): void {
  const one = f32x4.splat(1), length = at(n);
  for (let o: usize = 0; o < length; o += 16) {
    const v = v128.load(at(g) + o), down = exponential(f32x4.min(f32x4.neg(v), f32x4.splat(87)));
    v128.store(at(g) + o, f32x4.mul(f32x4.div(v, f32x4.add(one, down)), v128.load(at(u) + o)));
  }
}

// x = x + y for n numbers.
export function add(x: i32, y: i32, n: i32): void {
  const length = at(n);
  for (let o: usize = 0; o < length; o += 16) {
    v128.store(at(x) + o, f32x4.add(v128.load(at(x) + o), v128.load(at(y) + o)));
  }
}
