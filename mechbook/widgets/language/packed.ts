// Products with weights that stay packed as a GGUF file has them. A row of W is unpacked once for all tokens of a prompt.
// Packed numbers are addressed in bytes; activations, as in ../training, in float32 numbers from the memory's start.
import { at } from "../training/addresses";
import { sums } from "../training/products";

// The file's own numbers of the kinds; F16 is 1.
const F32: i32 = 0, Q4_1: i32 = 3, Q8_0: i32 = 8;
// Rows unpacked at a time, and numbers of each: with two rows of activations they stay in the first cache.
const ROWS: i32 = 8, CHUNK: i32 = 768;

// A 16-bit number: its exponent and mantissa, moved, are the number's 2^-112 part, which one product mends.
// @ts-ignore: a decorator of the compiler
@inline
function half(p: usize): f32 {
  const bits = <u32>load<u16>(p), size = reinterpret<f32>((bits & 0x7fff) << 13) * <f32>5192296858534827628530496329220096.0;
  return bits & 0x8000 ? -size : size;
}

// How many bytes `count` numbers take.
// @ts-ignore: a decorator of the compiler
@inline
function bytesOf(kind: i32, count: i32): usize {
  if (kind == Q4_1) return <usize>((count >> 5) * 20);
  if (kind == Q8_0) return <usize>((count >> 5) * 34);
  return kind == F32 ? <usize>count << 2 : <usize>count << 1;
}

// Sixteen small whole numbers become d q + m.
// @ts-ignore: a decorator of the compiler
@inline
function spread(q: v128, d: v128, m: v128, out: usize): void {
  const low = i16x8.extend_low_i8x16_u(q), high = i16x8.extend_high_i8x16_u(q);
  v128.store(out, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(low)), d), m));
  v128.store(out, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(low)), d), m), 16);
  v128.store(out, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(high)), d), m), 32);
  v128.store(out, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(high)), d), m), 48);
}

// Sixteen signed bytes become d q.
// @ts-ignore: a decorator of the compiler
@inline
function scaled(q: v128, d: v128, out: usize): void {
  const low = i16x8.extend_low_i8x16_s(q), high = i16x8.extend_high_i8x16_s(q);
  v128.store(out, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(low)), d));
  v128.store(out, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(low)), d), 16);
  v128.store(out, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(high)), d), 32);
  v128.store(out, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(high)), d), 48);
}

function unpackTo(kind: i32, source: usize, count: i32, out: usize): void {
  const end = out + (<usize>count << 2);
  let p = source;
  if (kind == Q4_1) {
    for (; out < end; out += 128, p += 20) {
      const d = f32x4.splat(half(p)), m = f32x4.splat(half(p + 2)), q = v128.load(p, 4);
      spread(v128.and(q, i8x16.splat(15)), d, m, out);
      spread(i8x16.shr_u(q, 4), d, m, out + 64);
    }
  } else if (kind == Q8_0) {
    for (; out < end; out += 128, p += 34) {
      const d = f32x4.splat(half(p));
      scaled(v128.load(p, 2), d, out);
      scaled(v128.load(p, 18), d, out + 64);
    }
  } else if (kind == F32) {
    memory.copy(out, p, <usize>count << 2);
  } else {
    for (; out < end; out += 4, p += 2) store<f32>(out, half(p));
  }
}

// `count` packed numbers at the byte `source`, a multiple of 32 where they come in blocks, as float32 at `out`.
export function unpack(kind: i32, source: i32, count: i32, out: i32): void {
  unpackTo(kind, <usize>source, count, at(out));
}

// y[i, r] = x[i, p] W[r, p] summed over p, for n tokens i and all rows r of the packed W (rows, k) at the byte w.
// k is a multiple of 4; y's rows have room up to a multiple of 4; `work` has room for 8 x 768 numbers.
export function multiply(
  kind: i32, w: i32, rows: i32, k: i32, x: i32, xi: i32, n: i32, y: i32, yi: i32, work: i32,
): void {
  const room = at(work), row = bytesOf(kind, k);
  for (let r = 0; r < rows; r += ROWS) {
    for (let from = 0; from < k; from += CHUNK) {
      const width = min(CHUNK, k - from), skip = <usize>width << 2, few = min(ROWS, (rows - r + 3) & ~3);
      for (let j = 0; j < few; j++) {
        unpackTo(kind, <usize>w + <usize>min(r + j, rows - 1) * row + bytesOf(kind, from), width, room + <usize>j * skip);
      }
      if (n == 1) {
        for (let j = 0; j < few; j += 4) one(at(x + from), room + <usize>j * skip, skip, at(y + r + j), from);
        continue;
      }
      for (let i = 0; i < n; i += 2) {
        const i1 = i + 1 < n ? i + 1 : i, x0 = at(x + i * xi + from), x1 = at(x + i1 * xi + from);
        const y0 = at(y + i * yi + r), y1 = at(y + i1 * yi + r);
        for (let j = 0; j < few; j += 4) {
          const o = <usize>j << 2;
          two(x0, x1, room + <usize>j * skip, skip, y0 + o, y1 + o, from);
        }
      }
    }
  }
}

// Two tokens with four rows of `skip` bytes each.
// @ts-ignore: a decorator of the compiler
@inline
function two(s: usize, t: usize, w: usize, skip: usize, y0: usize, y1: usize, add: i32): void {
  const b1 = w + skip, b2 = b1 + skip, b3 = b2 + skip;
  let c0 = f32x4.splat(0), c1 = c0, c2 = c0, c3 = c0, e0 = c0, e1 = c0, e2 = c0, e3 = c0;
  for (let o: usize = 0; o < skip; o += 16) {
    const u = v128.load(s + o), v = v128.load(t + o);
    const p = v128.load(w + o), q = v128.load(b1 + o), r = v128.load(b2 + o), z = v128.load(b3 + o);
    c0 = f32x4.add(c0, f32x4.mul(u, p)); c1 = f32x4.add(c1, f32x4.mul(u, q));
    c2 = f32x4.add(c2, f32x4.mul(u, r)); c3 = f32x4.add(c3, f32x4.mul(u, z));
    e0 = f32x4.add(e0, f32x4.mul(v, p)); e1 = f32x4.add(e1, f32x4.mul(v, q));
    e2 = f32x4.add(e2, f32x4.mul(v, r)); e3 = f32x4.add(e3, f32x4.mul(v, z));
  }
  let c = sums(c0, c1, c2, c3), e = sums(e0, e1, e2, e3);
  // the first part of a sum begins it; where both tokens are one, both have the same sum before either is kept
  if (add) {
    c = f32x4.add(c, v128.load(y0));
    e = f32x4.add(e, v128.load(y1));
  }
  v128.store(y0, c);
  v128.store(y1, e);
}

// One token with four rows.
// @ts-ignore: a decorator of the compiler
@inline
function one(s: usize, w: usize, skip: usize, y: usize, add: i32): void {
  const b1 = w + skip, b2 = b1 + skip, b3 = b2 + skip;
  let c0 = f32x4.splat(0), c1 = c0, c2 = c0, c3 = c0;
  for (let o: usize = 0; o < skip; o += 16) {
    const u = v128.load(s + o);
    c0 = f32x4.add(c0, f32x4.mul(u, v128.load(w + o))); c1 = f32x4.add(c1, f32x4.mul(u, v128.load(b1 + o)));
    c2 = f32x4.add(c2, f32x4.mul(u, v128.load(b2 + o))); c3 = f32x4.add(c3, f32x4.mul(u, v128.load(b3 + o)));
  }
  const c = sums(c0, c1, c2, c3);
  v128.store(y, add ? f32x4.add(c, v128.load(y)) : c);
}
