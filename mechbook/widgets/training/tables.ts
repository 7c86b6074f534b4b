// What is tabulated: a table has a row for each token, padded to `first` rows, and then one for each position. The vector
// at position t with the token z_t is the sum of two rows; a score of two positions is the sum of four entries.
import { at, whole } from "./addresses";

// out (T, d) = rows z_t + rows first + t.
export function lookUp(table: i32, d: i32, first: i32, z: i32, T: i32, out: i32): void {
  for (let t = 0; t < T; t++) {
    const a = at(table + whole(z + t) * d), b = at(table + (first + t) * d), o = at(out + t * d);
    for (let p: usize = 0; p < at(d); p += 16) v128.store(o + p, f32x4.add(v128.load(a + p), v128.load(b + p)));
  }
}

// s (T, T), of rows si apart, gets the scores of positions t and keys up to t, from a table of rows `width` apart. `work`
// has room for `first` numbers.
export function lookUpScores(table: i32, width: i32, first: i32, z: i32, T: i32, s: i32, si: i32, work: i32): void {
  const w = at(work);
  for (let t = 0; t < T; t++) {
    const a = at(table + whole(z + t) * width), b = at(table + (first + t) * width), o = at(s + t * si);
    for (let p: usize = 0; p < at(first); p += 16) v128.store(w + p, f32x4.add(v128.load(a + p), v128.load(b + p)));
    const c = a + at(first), e = b + at(first);
    for (let k = 0; k <= t; k += 4) {
      const p = at(k), y = at(z + k);
      let token = v128.load32_zero(w + at(load<i32>(y)));
      token = v128.load_lane<f32>(w + at(load<i32>(y, 4)), token, 1);
      token = v128.load_lane<f32>(w + at(load<i32>(y, 8)), token, 2);
      token = v128.load_lane<f32>(w + at(load<i32>(y, 12)), token, 3);
      v128.store(o + p, f32x4.add(f32x4.add(v128.load(c + p), v128.load(e + p)), token));
    }
  }
}

// Adds the gradient g (T, T) of such scores, 0 beyond each position's keys, to the table's.
export function addScores(g: i32, gi: i32, z: i32, T: i32, table: i32, width: i32, first: i32, work: i32): void {
  const w = at(work);
  for (let t = 0; t < T; t++) {
    const a = at(table + whole(z + t) * width), b = at(table + (first + t) * width), o = at(g + t * gi);
    for (let p: usize = 0; p < at(first); p += 16) v128.store(w + p, f32x4.splat(0));
    const c = a + at(first), e = b + at(first);
    for (let k = 0; k <= t; k += 4) {
      const p = at(k), x = v128.load(o + p);
      v128.store(c + p, f32x4.add(v128.load(c + p), x));
      v128.store(e + p, f32x4.add(v128.load(e + p), x));
    }
    for (let k = 0; k <= t; k++) {
      const own = w + at(whole(z + k));
      store<f32>(own, load<f32>(own) + load<f32>(o + at(k)));
    }
    for (let p: usize = 0; p < at(first); p += 16) {
      const x = v128.load(w + p);
      v128.store(a + p, f32x4.add(v128.load(a + p), x));
      v128.store(b + p, f32x4.add(v128.load(b + p), x));
    }
  }
}

// out (n, d) = the rows of x that `places` names, or with `add` those rows of x get out added.
export function gather(x: i32, d: i32, places: i32, n: i32, out: i32, add: i32): void {
  for (let i = 0; i < n; i++) {
    const a = at(x + whole(places + i) * d), o = at(out + i * d);
    for (let p: usize = 0; p < at(d); p += 16) {
      if (add) v128.store(a + p, f32x4.add(v128.load(a + p), v128.load(o + p)));
      else v128.store(o + p, v128.load(a + p));
    }
  }
}
