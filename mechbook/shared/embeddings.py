"""Random and orthonormal embeddings, stored as rows."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def random_embeddings(
    n: int, d: int, *, std: float, generator: torch.Generator, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "{n} {d}"]:
    """Draw n embeddings with independent N(0, std^2) entries, nearly orthonormal at std = 1/sqrt(d) (Birth 4.1).

    Raises ValueError when n or d < 1 or std <= 0.
    """
    if n < 1 or d < 1:
        raise ValueError(f"n is {n} and d is {d}; both must be at least 1.")
    if not std > 0:
        raise ValueError(f"std is {std}; it must be > 0.")
    return torch.randn(n, d, generator=generator, device=generator.device, dtype=dtype) * std


def orthonormal_embeddings(
    counts: Sequence[int], d: int, *, generator: torch.Generator, dtype: torch.dtype = torch.float32
) -> list[Float[Tensor, "_ d"]]:
    """Draw several sets of embeddings, `counts[i]` rows in set i, all orthonormal to each other across the sets.

    Raises ValueError when more than d embeddings are asked for, or a count is < 1.
    """
    if any(count < 1 for count in counts) or not counts:
        raise ValueError(f"counts is {list(counts)}; it must hold numbers >= 1.")
    if (total := sum(counts)) > d:
        raise ValueError(f"{total} orthonormal embeddings are asked for; in d = {d} dimensions there are at most {d}.")
    # float64, as QR in float32 leaves inner products of 1e-7 that would add up in constructed matrices
    gaussian = torch.randn(d, total, generator=generator, device=generator.device, dtype=torch.float64)
    columns, triangle = torch.linalg.qr(gaussian)
    # the sign makes the frame uniform over all frames: QR alone fixes the signs of its columns
    rows = (columns * triangle.diagonal().sign()).T.to(dtype)
    return list(rows.contiguous().split(list(counts)))
