// Eigenvalues and eigenvectors of a symmetric matrix in float64: Householder's reflections make it tridiagonal,
// implicit QL steps diagonal. Matrices and vectors of float64 numbers are addressed in bytes; all loops run along rows.
// Each stage does a stretch of its work: what is called again and again, browsers soon run in its fast form.

// @ts-ignore: a decorator of the compiler
@inline
function sum2(x: v128): f64 {
  return f64x2.extract_lane(x, 0) + f64x2.extract_lane(x, 1);
}

// @ts-ignore: a decorator of the compiler
@inline
function value(p: usize, i: i32): f64 {
  return load<f64>(p + (<usize>i << 3));
}

// @ts-ignore: a decorator of the compiler
@inline
function put(p: usize, i: i32, x: f64): void {
  store<f64>(p + (<usize>i << 3), x);
}

// The product of two vectors of n numbers.
function dot(p: usize, q: usize, n: i32): f64 {
  const even = <usize>(n & ~3) << 3;
  let a = f64x2.splat(0), b = a, o: usize = 0;
  for (; o < even; o += 32) {
    a = f64x2.add(a, f64x2.mul(v128.load(p + o), v128.load(q + o)));
    b = f64x2.add(b, f64x2.mul(v128.load(p + o, 16), v128.load(q + o, 16)));
  }
  let total = sum2(f64x2.add(a, b));
  for (; o < <usize>n << 3; o += 8) total += load<f64>(p + o) * load<f64>(q + o);
  return total;
}

// p = p + x q for n numbers.
function axpy(p: usize, x: f64, q: usize, n: i32): void {
  const even = <usize>(n & ~1) << 3, by = f64x2.splat(x);
  let o: usize = 0;
  for (; o < even; o += 16) v128.store(p + o, f64x2.add(v128.load(p + o), f64x2.mul(by, v128.load(q + o))));
  if (n & 1) store<f64>(p + o, load<f64>(p + o) + x * load<f64>(q + o));
}

// Two float32 numbers as float64.
// @ts-ignore: a decorator of the compiler
@inline
function wider(p: usize): v128 {
  return f64x2.promote_low_f32x4(v128.load64_zero(p));
}

// g[i, j] = s[i, p] s[j, p] summed over p, in float64, for the n rows of k float32 numbers at s (addressed in numbers);
// n and k are multiples of 4. Rows `from` (even) to `to` of g's lower half, and what mirrors them.
export function gram(s: i32, n: i32, k: i32, g: i32, from: i32, to: i32): void {
  const skip = <usize>k << 2, first = <usize>s << 2;
  for (let i = from; i < min(to, n); i += 2) {
    const a0 = first + <usize>i * skip, a1 = a0 + skip;
    for (let j = 0; j <= i; j += 2) {
      const b0 = first + <usize>j * skip, b1 = b0 + skip;
      let w = f64x2.splat(0), x = w, y = w, z = w;
      for (let o: usize = 0; o < skip; o += 8) {
        const p = wider(a0 + o), q = wider(a1 + o), u = wider(b0 + o), v = wider(b1 + o);
        w = f64x2.add(w, f64x2.mul(p, u)); x = f64x2.add(x, f64x2.mul(p, v));
        y = f64x2.add(y, f64x2.mul(q, u)); z = f64x2.add(z, f64x2.mul(q, v));
      }
      const G = <usize>g;
      put(G, i * n + j, sum2(w)); put(G, j * n + i, sum2(w));
      put(G, i * n + j + 1, sum2(x)); put(G, (j + 1) * n + i, sum2(x));
      put(G, (i + 1) * n + j, sum2(y)); put(G, j * n + i + 1, sum2(y));
      put(G, (i + 1) * n + j + 1, sum2(z)); put(G, (j + 1) * n + i + 1, sum2(z));
    }
  }
}

// Reflections `from` to `to` of the symmetric A (n, n), of n in all. Row k of A keeps the reflection's vector behind
// the diagonal; `diagonals` becomes the tridiagonal matrix's, and `room`, for 3 n numbers, has what is beside them,
// then the reflections' factors.
export function tridiagonal(a: i32, n: i32, diagonals: i32, room: i32, from: i32, to: i32): void {
  const A = <usize>a, d = <usize>diagonals, row = <usize>n << 3;
  const e = <usize>room, factors = e + row, work = factors + row;
  for (let k = from; k < min(to, n - 2); k++) {
    const v = A + <usize>k * row + (<usize>(k + 1) << 3), m = n - k - 1;
    put(d, k, load<f64>(v - 8));
    const rest = dot(v + 8, v + 8, m - 1), x = load<f64>(v);
    if (rest == 0) {
      put(e, k, x);
      put(factors, k, 0);
      continue;
    }
    const length = sqrt<f64>(x * x + rest), end = x > 0 ? -length : length;
    put(e, k, end);
    store<f64>(v, x - end);
    const factor = 2 / ((x - end) * (x - end) + rest);
    put(factors, k, factor);
    const below = A + <usize>(k + 1) * row + (<usize>(k + 1) << 3);
    for (let i = 0; i < m; i++) put(work, i, factor * dot(below + <usize>i * row, v, m));
    axpy(work, -0.5 * factor * dot(work, v, m), v, m);
    for (let i = 0; i < m; i++) {
      const p = below + <usize>i * row, even = <usize>(m & ~1) << 3, a = -value(v, i), b = -value(work, i);
      const s = f64x2.splat(a), t = f64x2.splat(b);
      let o: usize = 0;
      for (; o < even; o += 16) {
        const both = f64x2.add(f64x2.mul(s, v128.load(work + o)), f64x2.mul(t, v128.load(v + o)));
        v128.store(p + o, f64x2.add(v128.load(p + o), both));
      }
      if (m & 1) store<f64>(p + o, load<f64>(p + o) + a * load<f64>(work + o) + b * load<f64>(v + o));
    }
  }
  if (to < n) return;
  for (let k = max(0, n - 2); k < n; k++) put(d, k, value(A, k * n + k));
  if (n > 1) put(e, n - 2, value(A, (n - 2) * n + n - 1));
  put(e, n - 1, 0);
}

// Rows p and q become c p - s q and s p + c q.
// @ts-ignore: a decorator of the compiler
@inline
function turn(p: usize, q: usize, c: f64, s: f64, n: i32): void {
  const even = <usize>(n & ~1) << 3, by = f64x2.splat(c), across = f64x2.splat(s);
  let o: usize = 0;
  for (; o < even; o += 16) {
    const u = v128.load(p + o), v = v128.load(q + o);
    v128.store(p + o, f64x2.sub(f64x2.mul(by, u), f64x2.mul(across, v)));
    v128.store(q + o, f64x2.add(f64x2.mul(across, u), f64x2.mul(by, v)));
  }
  if (n & 1) {
    const u = load<f64>(p + o), v = load<f64>(q + o);
    store<f64>(p + o, c * u - s * v);
    store<f64>(q + o, s * u + c * v);
  }
}

// Implicit QL with Wilkinson's shift, for the eigenvalues `from` to `to` of n: `diagonals` becomes them, and the n
// rows, at first the identity's, turn along. `room` is as `tridiagonal` left it. Returns 1, or 0 where it does not end,
// as with numbers that are none.
export function diagonal(diagonals: i32, room: i32, rows: i32, n: i32, from: i32, to: i32): i32 {
  const d = <usize>diagonals, e = <usize>room, Z = <usize>rows, row = <usize>n << 3;
  for (let l = from; l < min(to, n); l++) {
    for (let steps = 0; ; steps++) {
      let m = l;
      for (; m < n - 1; m++) if (abs(value(e, m)) <= 2.3e-16 * (abs(value(d, m)) + abs(value(d, m + 1)))) break;
      if (m == l) break;
      if (steps == 60) return 0;
      const ahead = (value(d, l + 1) - value(d, l)) / (2 * value(e, l)), slope = sqrt<f64>(ahead * ahead + 1);
      let g = value(d, m) - value(d, l) + value(e, l) / (ahead + (ahead < 0 ? -slope : slope));
      let c: f64 = 1, s: f64 = 1, moved: f64 = 0, i = m - 1;
      for (; i >= l; i--) {
        const f = s * value(e, i), b = c * value(e, i), r = sqrt<f64>(f * f + g * g);
        put(e, i + 1, r);
        if (r == 0) {
          // the matrix falls apart here
          put(d, i + 1, value(d, i + 1) - moved);
          put(e, m, 0);
          break;
        }
        s = f / r;
        c = g / r;
        g = value(d, i + 1) - moved;
        const t = (value(d, i) - g) * s + 2 * c * b;
        moved = s * t;
        put(d, i + 1, g + moved);
        g = c * t - b;
        turn(Z + <usize>i * row, Z + <usize>(i + 1) * row, c, s, n);
      }
      if (i >= l) continue;
      put(d, l, value(d, l) - moved);
      put(e, l, g);
      put(e, m, 0);
    }
  }
  return 1;
}

// Rows `from` to `to` of Z, eigenvectors of the tridiagonal matrix, become those of A: all reflections of them.
export function reflected(A: i32, n: i32, room: i32, rows: i32, from: i32, to: i32): void {
  const a = <usize>A, z = <usize>rows, row = <usize>n << 3, factors = <usize>room + row;
  for (let k = n - 3; k >= 0; k--) {
    const factor = value(factors, k);
    if (factor == 0) continue;
    const m = n - k - 1, v = a + <usize>k * row + (<usize>(k + 1) << 3);
    for (let j = from; j < min(to, n); j++) {
      const y = z + <usize>j * row + (<usize>(k + 1) << 3);
      axpy(y, -factor * dot(v, y, m), v, m);
    }
  }
}
