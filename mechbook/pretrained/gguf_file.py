"""GGUF files (llama.cpp's format): their values, and their tensors in float32 with the steps they are rounded to.

A quantised tensor keeps its rows in blocks: small whole numbers q and, for each block, how far apart its values lie.
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def open_gguf(path: Path) -> Any:
    """The package gguf's reader of a file, which stays on disk until a tensor is asked for. ValueError for no GGUF."""
    # by name: the package ships no types
    gguf = importlib.import_module("gguf")
    try:
        return gguf.GGUFReader(path)
    except (ValueError, IndexError, KeyError) as error:
        raise ValueError(f"{path} cannot be read as a GGUF file ({error}).") from error


def value_of(reader: Any, key: str, default: Any = None) -> Any:
    """What a file says under a key, `default` where it says nothing."""
    field = reader.get_field(key)
    return default if field is None else field.contents()


def dequantised(tensor: Any, path: Path) -> Tensor:
    """A tensor of a reader in float32. ValueError for a quantisation that the package gguf cannot undo."""
    gguf = importlib.import_module("gguf")
    try:
        W: np.ndarray = gguf.dequantize(tensor.data, tensor.tensor_type)
    except NotImplementedError as error:
        raise ValueError(
            f"{path.name} has {tensor.name!r} as {tensor.tensor_type.name}, which cannot be turned into numbers here: "
            "give a file in Q8_0, Q4_K_M or another common quantisation."
        ) from error
    # a view into the mapped file would be read only
    return torch.from_numpy(np.array(W, dtype=np.float32))


def step_sizes(tensor: Any, path: Path) -> Float[Tensor, "d_out d_in"]:
    """The distance of neighbouring values that each entry of a matrix could have had; 0 where it is not rounded to any.

    ValueError for a quantisation whose blocks are not known here.
    """
    kind: str = tensor.tensor_type.name
    if kind in ("F32", "F16", "BF16"):
        return torch.zeros(*tensor.data.shape) if kind != "BF16" else torch.zeros(*dequantised(tensor, path).shape)
    if kind not in _STEPS:
        raise ValueError(f"{path.name} has {tensor.name!r} as {kind}; steps are known of {', '.join(_STEPS)}.")
    bytes_a_block, read, weights_a_step = _STEPS[kind]
    rows = tensor.data.shape[0]
    steps = np.abs(read(tensor.data.reshape(-1, bytes_a_block))).astype(np.float32)
    return torch.from_numpy(steps.reshape(rows, -1).repeat(weights_a_step, 1))


def _half(blocks: np.ndarray, first: int) -> np.ndarray:
    """The 16-bit number that begins at byte `first` of each block, as a column."""
    found: np.ndarray = blocks[:, first : first + 2].copy().view(np.float16).astype(np.float32)
    return found


def _of_q4_k(blocks: np.ndarray) -> np.ndarray:
    """One number d a block of 256; its 8 parts have d times a 6-bit number, packed into bytes 4 to 15."""
    packed = blocks[:, 4:16]
    low, high = packed[:, :4] & 63, (packed[:, 8:12] & 15) | ((packed[:, :4] >> 6) << 4)
    return _half(blocks, 0) * np.concatenate([low, high], 1)


def _of_q6_k(blocks: np.ndarray) -> np.ndarray:
    """One number d a block of 256, in the last two bytes; its 16 parts have d times the signed byte before."""
    return _half(blocks, 208) * blocks[:, 192:208].copy().view(np.int8)


# bytes a block, the steps of a block, and how many weights share each of them
_STEPS: dict[str, tuple[int, Callable[[np.ndarray], np.ndarray], int]] = {
    "Q4_0": (18, lambda blocks: _half(blocks, 0), 32),
    "Q4_1": (20, lambda blocks: _half(blocks, 0), 32),
    "Q5_0": (22, lambda blocks: _half(blocks, 0), 32),
    "Q5_1": (24, lambda blocks: _half(blocks, 0), 32),
    "Q8_0": (34, lambda blocks: _half(blocks, 0), 32),
    "Q4_K": (144, _of_q4_k, 32),
    "Q6_K": (210, _of_q6_k, 16),
}
