"""Weights as bytes for the page, and back: what the page computes with is what `round_weights` gives."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

# The bits of a float16's fraction.
FRACTION = 10


@dataclass(frozen=True)
class Packed:
    """Compressed bytes, and what lies where once they are inflated (`engine.js` reads both)."""

    description: dict[str, Any]
    data: bytes


def round_weights(tensors: Mapping[str, Tensor], *, dtype: str, bits: int = FRACTION) -> dict[str, Tensor]:
    """Return the tensors rounded to "float16" with `bits` bits of fraction, or to "float32", as float32.

    Fewer bits compress better: with b of them the relative error of a value beyond 2^-14 is at most 2^-(b + 1). Raises
    ValueError for another type, for bits outside 1..10, and for values that float16 cannot hold.
    """
    if dtype not in ("float16", "float32"):
        raise ValueError(f"dtype is {dtype!r}; it must be 'float16' or 'float32'.")
    if not 1 <= bits <= FRACTION:
        raise ValueError(f"bits is {bits}; it must be 1 to {FRACTION}.")
    rounded = {}
    for name, tensor in tensors.items():
        values = tensor.detach().cpu().float()
        if dtype == "float16":
            values = _half(values, bits)
            if not bool(values.isfinite().all()):
                raise ValueError(f"{name} has values that float16 cannot hold; ship it as float32.")
        rounded[name] = values
    return rounded


def _half(values: Tensor, bits: int) -> Tensor:
    words = values.half().view(torch.int16).to(torch.int32) & 0xFFFF
    drop = FRACTION - bits
    # Half of what is dropped is added first: a carry into the exponent is right.
    words = ((words + (1 << drop >> 1)) >> drop) << drop
    return torch.where(words > 0x7FFF, words - 0x10000, words).to(torch.int16).view(torch.float16).float()


def pack(tensors: Mapping[str, Tensor], *, dtype: str, bits: int = FRACTION) -> Packed:
    """Round and compress the tensors for the page.

    The parts of all values lie together: of a float16 sign and exponent, which compress, then the upper eight bits of
    the fraction and, where they are kept, the lower two; of a float32 its four bytes.
    """
    rounded = round_weights(tensors, dtype=dtype, bits=bits)
    entries, offset = [], 0
    for name, values in rounded.items():
        entries.append({"name": name, "shape": list(values.shape), "offset": offset})
        offset += values.numel()
    flat = torch.cat([values.reshape(-1) for values in rounded.values()]).numpy()
    if dtype == "float16":
        words = flat.astype(np.float16).view(np.uint16)
        parts = [words >> 10, words >> 2 & 255, words & 3][: 3 if bits > FRACTION - 2 else 2]
    else:
        long = flat.view(np.uint32)
        parts = [long >> shift & 255 for shift in (0, 8, 16, 24)]
    # There is nothing to find twice in weights; looking for it costs bytes.
    packer = zlib.compressobj(9, zlib.DEFLATED, 15, 9, zlib.Z_HUFFMAN_ONLY)
    data = packer.compress(b"".join(part.astype(np.uint8).tobytes() for part in parts)) + packer.flush()
    return Packed({"dtype": dtype, "count": offset, "tensors": entries}, data)
