// Where numbers lie: addresses count float32 (or int32) numbers from the memory's start.

// @ts-ignore: a decorator of the compiler
@inline
export function at(index: i32): usize {
  return <usize>index << 2;
}

// @ts-ignore: a decorator of the compiler
@inline
export function whole(index: i32): i32 {
  return load<i32>(at(index));
}

// The limit of row i.
// @ts-ignore: a decorator of the compiler
@inline
export function limitOf(limits: i32, i: i32): i32 {
  return whole(limits + i);
}

// @ts-ignore: a decorator of the compiler
@inline
export function upTo4(n: i32): i32 {
  return (n + 3) & ~3;
}
