// Products with weights that stay packed as a GGUF file has them. A row of W is unpacked once for all tokens of a
// prompt. Packed numbers are addressed in bytes; activations, as in ../training, in float32 numbers from the start.
import { at } from "../training/addresses";
import { sums } from "../training/products";

// The file's own numbers of the kinds; F16 is 1.
const F32: i32 = 0, Q4_1: i32 = 3, Q8_0: i32 = 8;
// Rows unpacked at a time, and numbers of each: with two rows of activations they stay in the first cache.
const ROWS: i32 = 8, CHUNK: i32 = 768;

// A 16-bit number: its exponent and mantissa, moved, are the number times 2^-112.
// @ts-ignore: a decorator of the compiler
@inline
function half(p: usize): f32 {
  const bits = <u32>load<u16>(p);
  return reinterpret<f32>(((bits & 0x7fff) << 13) | ((bits & 0x8000) << 16)) * <f32>5.192296858534828e33;
}

// How many bytes `count` numbers take.
// @ts-ignore: a decorator of the compiler
@inline
function bytesOf(kind: i32, count: i32): usize {
  if (kind == Q4_1) return <usize>((count >> 5) * 20);
  if (kind == Q8_0) return <usize>((count >> 5) * 34);
  return kind == F32 ? <usize>count << 2 : <usize>count << 1;
}

// a b + c, in one step of the processor's where it has one and this is compiled for it: the last digit may then differ.
// @ts-ignore: a decorator of the compiler
@inline
function fused(a: v128, b: v128, c: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? f32x4.relaxed_madd(a, b, c) : f32x4.add(f32x4.mul(a, b), c);
}

// Sixteen small whole numbers become d q + m, in four vectors that lie `step` bytes apart.
// @ts-ignore: a decorator of the compiler
@inline
function spread(q: v128, d: v128, m: v128, out: usize, step: usize): void {
  const low = i16x8.extend_low_i8x16_u(q), high = i16x8.extend_high_i8x16_u(q);
  v128.store(out, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(low)), d), m));
  v128.store(out + step, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(low)), d), m));
  v128.store(out + 2 * step, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(high)), d), m));
  v128.store(out + 3 * step, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(high)), d), m));
}

// Sixteen signed bytes become d q.
// @ts-ignore: a decorator of the compiler
@inline
function scaled(q: v128, d: v128, out: usize, step: usize): void {
  const low = i16x8.extend_low_i8x16_s(q), high = i16x8.extend_high_i8x16_s(q);
  v128.store(out, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(low)), d));
  v128.store(out + step, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(low)), d));
  v128.store(out + 2 * step, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(high)), d));
  v128.store(out + 3 * step, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(high)), d));
}

// `count` numbers, a multiple of 4, of a row, each four of them `step` bytes behind the last four.
// @ts-ignore: a decorator of the compiler
@inline
function unpackTo(kind: i32, source: usize, count: i32, to: usize, step: usize): void {
  const end = to + <usize>(count >> 2) * step;
  let p = source, out = to;
  if (kind == Q4_1) {
    for (; out < end; out += 8 * step, p += 20) {
      const d = f32x4.splat(half(p)), m = f32x4.splat(half(p + 2)), q = v128.load(p, 4);
      spread(v128.and(q, i8x16.splat(15)), d, m, out, step);
      // no processor shifts bytes by themselves
      spread(v128.and(i16x8.shr_u(q, 4), i8x16.splat(15)), d, m, out + 4 * step, step);
    }
  } else if (kind == Q8_0) {
    for (; out < end; out += 8 * step, p += 34) {
      const d = f32x4.splat(half(p));
      scaled(v128.load(p, 2), d, out, step);
      scaled(v128.load(p, 18), d, out + 4 * step, step);
    }
  } else if (kind == F32) {
    for (; out < end; out += step, p += 16) v128.store(out, v128.load(p));
  } else {
    for (; out < end; out += step, p += 8) {
      for (let i: usize = 0; i < 4; i++) store<f32>(out + (i << 2), half(p + (i << 1)));
    }
  }
}

// `count` packed numbers at the byte `source`, a multiple of 4 or of a block, as float32 at `out`.
export function unpack(kind: i32, source: i32, count: i32, out: i32): void {
  unpackTo(kind, <usize>source, count, at(out), 16);
}

// Row j of a panel of four, whose vectors take turns, so that a product goes through them with one address.
function panelRow(kind: i32, source: usize, count: i32, panel: usize, j: i32): void {
  unpackTo(kind, source, count, panel + (<usize>j << 4), 64);
}

// y[i, r] = x[i, p] W[r, p] summed over p, for n tokens i and all rows r of the packed W (rows, k) at the byte w.
// k is a multiple of 4; y's rows have room up to a multiple of 4; `work` has room for 8 x 768 numbers.
export function multiply(
  kind: i32, w: i32, rows: i32, k: i32, x: i32, xi: i32, n: i32, y: i32, yi: i32, work: i32,
): void {
  const room = at(work), row = bytesOf(kind, k);
  for (let r = 0; r < rows; r += ROWS) {
    for (let from = 0; from < k; from += CHUNK) {
      const width = min(CHUNK, k - from), few = min(ROWS, (rows - r + 3) & ~3), panel = <usize>width << 4;
      for (let j = 0; j < few; j++) {
        const source = <usize>w + <usize>min(r + j, rows - 1) * row + bytesOf(kind, from);
        panelRow(kind, source, width, room + <usize>(j >> 2) * panel, j & 3);
      }
      if (n == 1) {
        for (let j = 0; j < few; j += 4) one(at(x + from), room + <usize>(j >> 2) * panel, panel, at(y + r + j), from);
        continue;
      }
      for (let i = 0; i < n; i += 2) {
        const i1 = i + 1 < n ? i + 1 : i, x0 = at(x + i * xi + from), x1 = at(x + i1 * xi + from);
        const y0 = at(y + i * yi + r), y1 = at(y + i1 * yi + r);
        for (let j = 0; j < few; j += 4) {
          const o = <usize>j << 2;
          two(x0, x1, room + <usize>(j >> 2) * panel, panel, y0 + o, y1 + o, from);
        }
      }
    }
  }
}

// Two tokens with the four rows of a panel of so many bytes.
// @ts-ignore: a decorator of the compiler
@inline
function two(first: usize, second: usize, panel: usize, bytes: usize, y0: usize, y1: usize, add: i32): void {
  const end = panel + bytes;
  let c0 = f32x4.splat(0), c1 = c0, c2 = c0, c3 = c0, e0 = c0, e1 = c0, e2 = c0, e3 = c0, s = first, t = second;
  for (let w = panel; w < end; w += 64, s += 16, t += 16) {
    const u = v128.load(s), v = v128.load(t);
    const p = v128.load(w), q = v128.load(w, 16), r = v128.load(w, 32), z = v128.load(w, 48);
    c0 = fused(u, p, c0); e0 = fused(v, p, e0);
    c1 = fused(u, q, c1); e1 = fused(v, q, e1);
    c2 = fused(u, r, c2); e2 = fused(v, r, e2);
    c3 = fused(u, z, c3); e3 = fused(v, z, e3);
  }
  let c = sums(c0, c1, c2, c3), e = sums(e0, e1, e2, e3);
  // where both tokens are one, neither part is kept before both are read
  if (add) {
    c = f32x4.add(c, v128.load(y0));
    e = f32x4.add(e, v128.load(y1));
  }
  v128.store(y0, c);
  v128.store(y1, e);
}

// One token with the four rows of a panel.
// @ts-ignore: a decorator of the compiler
@inline
function one(first: usize, panel: usize, bytes: usize, y: usize, add: i32): void {
  const end = panel + bytes;
  let c0 = f32x4.splat(0), c1 = c0, c2 = c0, c3 = c0, s = first;
  for (let w = panel; w < end; w += 64, s += 16) {
    const u = v128.load(s);
    c0 = fused(u, v128.load(w), c0); c1 = fused(u, v128.load(w, 16), c1);
    c2 = fused(u, v128.load(w, 32), c2); c3 = fused(u, v128.load(w, 48), c3);
  }
  const c = sums(c0, c1, c2, c3);
  v128.store(y, add ? f32x4.add(c, v128.load(y)) : c);
}
