// Softmax along rows, forward and backward, and the loss. Rows are padded to a multiple of 4 numbers.
import { at, limitOf, upTo4, whole } from "./addresses";

// A score that has no share: its exponential is 0.
const NONE: f32 = -1e30;

// exp, to 2 units in the last place: 2^n exp(r) with |r| <= ln(2)/2 and a polynomial (Cephes' expf); 0 below -87.
// @ts-ignore: a decorator of the compiler
@inline
export function exponential(x: v128): v128 {
  const low = f32x4.lt(x, f32x4.splat(-87));
  const y = f32x4.max(x, f32x4.splat(-87));
  const n = f32x4.floor(f32x4.add(f32x4.mul(y, f32x4.splat(1.44269504088896341)), f32x4.splat(0.5)));
  let r = f32x4.sub(y, f32x4.mul(n, f32x4.splat(0.693359375)));
  r = f32x4.sub(r, f32x4.mul(n, f32x4.splat(-2.12194440e-4)));
  let p = f32x4.splat(1.9875691500e-4);
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.3981999507e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(8.3334519073e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(4.1665795894e-2));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.6666665459e-1));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(5.0000001201e-1));
  p = f32x4.add(f32x4.add(f32x4.mul(p, f32x4.mul(r, r)), r), f32x4.splat(1));
  const power = i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(127)), 23);
  return v128.andnot(f32x4.mul(p, power), low);
}

// @ts-ignore: a decorator of the compiler
@inline
export function sum(x: v128): f32 {
  return (f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 2)) + (f32x4.extract_lane(x, 1) + f32x4.extract_lane(x, 3));
}

// @ts-ignore: a decorator of the compiler
@inline
function largest(x: v128): f32 {
  return max(max(f32x4.extract_lane(x, 0), f32x4.extract_lane(x, 2)), max(f32x4.extract_lane(x, 1), f32x4.extract_lane(x, 3)));
}

// A row's exponentials of (x - largest x) scale, in place, over `count` numbers; their sum. What pads them becomes 0.
// @ts-ignore: a decorator of the compiler
@inline
function exponentials(row: usize, count: i32, scale: f32): f32 {
  const end = row + at(upTo4(count));
  for (let p = row + at(count); p < end; p += 4) store<f32>(p, NONE);
  let most = v128.load(row);
  for (let p = row + 16; p < end; p += 16) most = f32x4.max(most, v128.load(p));
  const top = f32x4.splat(largest(most)), by = f32x4.splat(scale);
  let total = f32x4.splat(0);
  for (let p = row; p < end; p += 16) {
    const e = exponential(f32x4.mul(f32x4.sub(v128.load(p), top), by));
    v128.store(p, e);
    total = f32x4.add(total, e);
  }
  return sum(total);
}

// Each row i of x becomes the softmax of its first limits[i] numbers, times scale, and 0 from there to the width.
export function softmax(x: i32, xi: i32, n: i32, width: i32, scale: f32, limits: i32): void {
  for (let i = 0; i < n; i++) {
    const row = at(x + i * xi), count = limits ? limitOf(limits, i) : width, end = row + at(upTo4(count));
    const share = f32x4.splat(<f32>1 / exponentials(row, count, scale));
    for (let p = row; p < end; p += 16) v128.store(p, f32x4.mul(v128.load(p), share));
    for (let p = end; p < row + at(width); p += 16) v128.store(p, f32x4.splat(0));
  }
}

// The gradient g of such a softmax, a, becomes that of what it was taken of: scale a (g - sum of a g); 0 beyond.
export function softmaxBackward(a: i32, ai: i32, g: i32, gi: i32, n: i32, width: i32, scale: f32, limits: i32): void {
  for (let i = 0; i < n; i++) {
    const p = at(a + i * ai), q = at(g + i * gi), length = at(upTo4(limits ? limitOf(limits, i) : width));
    let total = f32x4.splat(0);
    for (let o: usize = 0; o < length; o += 16) total = f32x4.add(total, f32x4.mul(v128.load(p + o), v128.load(q + o)));
    const mean = f32x4.splat(sum(total)), by = f32x4.splat(scale);
    for (let o: usize = 0; o < length; o += 16) {
      v128.store(q + o, f32x4.mul(f32x4.mul(v128.load(p + o), f32x4.sub(v128.load(q + o), mean)), by));
    }
    for (let o = length; o < at(width); o += 16) v128.store(q + o, f32x4.splat(0));
  }
}

// Logits l (n, N) become `weight` times the gradient of their cross-entropies with the targets (n, int32). Into `terms`
// go two numbers a row, whose log(first) - second is the row's cross-entropy; returns how many largest logits are right.
export function crossEntropy(l: i32, li: i32, n: i32, N: i32, targets: i32, weight: f32, terms: i32): i32 {
  let right = 0;
  for (let i = 0; i < n; i++) {
    const row = at(l + i * li), own = row + at(whole(targets + i));
    let most = load<f32>(row);
    for (let p = row + 4; p < row + at(N); p += 4) most = max(most, load<f32>(p));
    const below = load<f32>(own) - most;
    if (below == 0) right++;
    const total = exponentials(row, N, 1), share = f32x4.splat(weight / total);
    store<f32>(at(terms + 2 * i), total);
    store<f32>(at(terms + 2 * i + 1), below);
    for (let p = row; p < row + at(upTo4(N)); p += 16) v128.store(p, f32x4.mul(v128.load(p), share));
    store<f32>(own, load<f32>(own) - weight);
  }
  return right;
}

// x = max(x, 0) for n numbers, a multiple of 4.
export function relu(x: i32, n: i32): void {
  for (let p = at(x); p < at(x + n); p += 16) v128.store(p, f32x4.max(v128.load(p), f32x4.splat(0)));
}

// The gradient g of such an x becomes 0 where x is 0.
export function reluBackward(x: i32, g: i32, n: i32): void {
  for (let o: usize = 0; o < at(n); o += 16) {
    const on = f32x4.gt(v128.load(at(x) + o), f32x4.splat(0));
    v128.store(at(g) + o, v128.and(v128.load(at(g) + o), on));
  }
}
