// The two products. All addresses count float32 numbers from the memory's start; rows are `stride` numbers apart.
// `limits` (0: none) is the address of one int32 a row: what lies from there on in the row of a map is not looked at.
// Row pairs share what they read; an odd last row is its own partner. Sums have the order that plain.js has.
import { at, limitOf } from "./addresses";

// c[i, j] = a[i, p] b[p, j] summed over p, or with `add` added to c; a's entry (i, p) lies at a + i ai + p ap.
// m is a multiple of 4. A limit cuts p.
export function product(
  a: i32, ai: i32, ap: i32, b: i32, bi: i32, c: i32, ci: i32, n: i32, k: i32, m: i32, add: i32, limits: i32,
): void {
  const skip = <usize>bi << 2, next = <usize>ap << 2;
  for (let i = 0; i < n; i += 2) {
    const i1 = i + 1 < n ? i + 1 : i;
    const a0 = at(a + i * ai), a1 = at(a + i1 * ai), c0 = at(c + i * ci), c1 = at(c + i1 * ci);
    const end = limits ? min(k, limitOf(limits, i1)) : k;
    let j = 0;
    for (; j + 16 <= m; j += 16) {
      const o = <usize>j << 2;
      let x0 = f32x4.splat(0), x1 = x0, x2 = x0, x3 = x0, y0 = x0, y1 = x0, y2 = x0, y3 = x0;
      if (add) {
        x0 = v128.load(c0 + o); x1 = v128.load(c0 + o, 16); x2 = v128.load(c0 + o, 32); x3 = v128.load(c0 + o, 48);
        y0 = v128.load(c1 + o); y1 = v128.load(c1 + o, 16); y2 = v128.load(c1 + o, 32); y3 = v128.load(c1 + o, 48);
      }
      let q = at(b) + o, s = a0, t = a1;
      for (let p = 0; p < end; p++) {
        const b0 = v128.load(q), b1 = v128.load(q, 16), b2 = v128.load(q, 32), b3 = v128.load(q, 48);
        const u = v128.load32_splat(s), v = v128.load32_splat(t);
        x0 = f32x4.add(x0, f32x4.mul(u, b0)); x1 = f32x4.add(x1, f32x4.mul(u, b1));
        x2 = f32x4.add(x2, f32x4.mul(u, b2)); x3 = f32x4.add(x3, f32x4.mul(u, b3));
        y0 = f32x4.add(y0, f32x4.mul(v, b0)); y1 = f32x4.add(y1, f32x4.mul(v, b1));
        y2 = f32x4.add(y2, f32x4.mul(v, b2)); y3 = f32x4.add(y3, f32x4.mul(v, b3));
        q += skip; s += next; t += next;
      }
      v128.store(c0 + o, x0); v128.store(c0 + o, x1, 16); v128.store(c0 + o, x2, 32); v128.store(c0 + o, x3, 48);
      v128.store(c1 + o, y0); v128.store(c1 + o, y1, 16); v128.store(c1 + o, y2, 32); v128.store(c1 + o, y3, 48);
    }
    for (; j < m; j += 4) {
      const o = <usize>j << 2;
      let x = add ? v128.load(c0 + o) : f32x4.splat(0), y = add ? v128.load(c1 + o) : f32x4.splat(0);
      let q = at(b) + o, s = a0, t = a1;
      for (let p = 0; p < end; p++) {
        const b0 = v128.load(q);
        x = f32x4.add(x, f32x4.mul(v128.load32_splat(s), b0));
        y = f32x4.add(y, f32x4.mul(v128.load32_splat(t), b0));
        q += skip; s += next; t += next;
      }
      v128.store(c0 + o, x);
      v128.store(c1 + o, y);
    }
  }
}

// The sums of the lanes of four vectors, as one: each (0 + 2) + (1 + 3).
// @ts-ignore: a decorator of the compiler
@inline
export function sums(w: v128, x: v128, y: v128, z: v128): v128 {
  const p = f32x4.add(v128.shuffle<f32>(w, x, 0, 4, 1, 5), v128.shuffle<f32>(w, x, 2, 6, 3, 7));
  const q = f32x4.add(v128.shuffle<f32>(y, z, 0, 4, 1, 5), v128.shuffle<f32>(y, z, 2, 6, 3, 7));
  return f32x4.add(v128.shuffle<f32>(p, q, 0, 1, 4, 5), v128.shuffle<f32>(p, q, 2, 3, 6, 7));
}

// c[i, j] = a[i, p] b[j, p] summed over p; k and m are multiples of 4. A limit cuts j, at the next multiple of 4.
export function inner(
  a: i32, ai: i32, b: i32, bi: i32, c: i32, ci: i32, n: i32, k: i32, m: i32, limits: i32,
): void {
  const skip = <usize>bi << 2, length = <usize>k << 2;
  for (let i = 0; i < n; i += 2) {
    const i1 = i + 1 < n ? i + 1 : i;
    const a0 = at(a + i * ai), a1 = at(a + i1 * ai), c0 = at(c + i * ci), c1 = at(c + i1 * ci);
    const end = limits ? min(m, limitOf(limits, i1)) : m;
    for (let j = 0; j < end; j += 4) {
      const b0 = at(b + j * bi), b1 = b0 + skip, b2 = b1 + skip, b3 = b2 + skip;
      let x0 = f32x4.splat(0), x1 = x0, x2 = x0, x3 = x0, y0 = x0, y1 = x0, y2 = x0, y3 = x0;
      for (let o: usize = 0; o < length; o += 16) {
        const u = v128.load(a0 + o), v = v128.load(a1 + o);
        const p = v128.load(b0 + o), q = v128.load(b1 + o), r = v128.load(b2 + o), s = v128.load(b3 + o);
        x0 = f32x4.add(x0, f32x4.mul(u, p)); x1 = f32x4.add(x1, f32x4.mul(u, q));
        x2 = f32x4.add(x2, f32x4.mul(u, r)); x3 = f32x4.add(x3, f32x4.mul(u, s));
        y0 = f32x4.add(y0, f32x4.mul(v, p)); y1 = f32x4.add(y1, f32x4.mul(v, q));
        y2 = f32x4.add(y2, f32x4.mul(v, r)); y3 = f32x4.add(y3, f32x4.mul(v, s));
      }
      v128.store(c0 + (<usize>j << 2), sums(x0, x1, x2, x3));
      v128.store(c1 + (<usize>j << 2), sums(y0, y1, y2, y3));
    }
  }
}
