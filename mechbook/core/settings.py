"""Scale, seed and device of a run, read from the environment in this one place.

`MECHBOOK_SCALE` is "laptop" (default) or "paper", `MECHBOOK_SEED` a whole number >= 0 that shifts every seed of the
book, `MECHBOOK_DEVICE` a torch device that overrides the choice of cuda, mps or cpu, `MECHBOOK_TF32` "1" lets CUDA
multiply float32 matrices in TF32, whose numbers have 10 bits after the first instead of 23.
"""

import os
from typing import Literal, cast

import numpy as np
import torch

Scale = Literal["laptop", "paper"]


def scale() -> Scale:
    """Return the scale the book runs at.

    Raises ValueError when MECHBOOK_SCALE is neither "laptop" nor "paper".
    """
    value = os.environ.get("MECHBOOK_SCALE", "laptop")
    if value not in ("laptop", "paper"):
        raise ValueError(f"MECHBOOK_SCALE is {value!r}; it must be 'laptop' or 'paper'.")
    return cast(Scale, value)


def seed() -> int:
    """Return the whole number that shifts every seed of the book.

    Raises ValueError when MECHBOOK_SEED is not a whole number >= 0.
    """
    value = os.environ.get("MECHBOOK_SEED", "0")
    # isdecimal alone would let other scripts' digits through
    if not (value.isascii() and value.isdecimal()):
        raise ValueError(f"MECHBOOK_SEED is {value!r}; it must be a whole number >= 0.")
    return int(value)


def device() -> torch.device:
    """Return the device to compute on: MECHBOOK_DEVICE if set, else cuda, mps or cpu, whichever is there first.

    Raises ValueError when MECHBOOK_DEVICE is not a device that this torch knows and can use.
    """
    value = os.environ.get("MECHBOOK_DEVICE")
    if value is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(value)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"MECHBOOK_DEVICE is {value!r}; it must be a device this torch can use, such as 'cpu', 'cuda' or 'mps'."
        ) from error
    return chosen


def uses_tf32() -> bool:
    """Whether products of float32 matrices are computed in TF32: only where MECHBOOK_TF32=1, and on CUDA.

    Raises ValueError when MECHBOOK_TF32 is neither "0" nor "1".
    """
    value = os.environ.get("MECHBOOK_TF32", "0")
    if value not in ("0", "1"):
        raise ValueError(f"MECHBOOK_TF32 is {value!r}; it must be 1 (multiply in TF32 on CUDA) or 0.")
    return value == "1" and device().type == "cuda"


def device_name() -> str:
    """The device as results are stamped with it: "cpu", "cuda", or "cuda (TF32)" where products are in TF32."""
    return f"{device()} (TF32)" if uses_tf32() else str(device())


def generator(*key: int) -> torch.Generator:
    """Return a CPU generator whose stream depends on `seed()` and on every number of `key`, all whole and >= 0.

    Streams of different keys are unrelated, also `(1,)` and `(1, 0)`: numpy's SeedSequence mixes them.
    Raises ValueError when a number of the key is negative.
    """
    if any(part < 0 for part in key):
        raise ValueError(f"the key of a generator is {key}; its numbers must be >= 0.")
    state = np.random.SeedSequence(seed(), spawn_key=key).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))
