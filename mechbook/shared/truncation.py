"""Low-rank truncation of a model's weights, exact and undone afterwards (LASER: Sharma et al. 2023, Chen et al. 2.2).

with truncated(model, "F2.W_in", rho=0.05):
    logits = model(z)                      # with the best approximation of rank floor(0.05 d)
with truncated(model, "F2.W_in") as weight:
    for rho in (0, 0.01, 0.05, 0.2):
        weight.keep(rho=rho)               # all ranks from one decomposition
        ...
# here the weight is what it was, bit for bit
"""

import difflib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor, nn


class LowRank:
    """All truncations of a matrix from one singular value decomposition W = sum_i s_i u_i v_i^T, s_1 >= s_2 >= ...

    It is computed when first needed, in float32, or in float64 where W is; `singular_values` are in that type. Raises
    ValueError for anything but a matrix of finite numbers.
    """

    def __init__(self, W: Float[Tensor, "..."]) -> None:
        if W.ndim != 2:
            raise ValueError(f"a weight of shape {tuple(W.shape)} is no matrix; only matrices have a rank to cut.")
        if not bool(torch.isfinite(W).all()):
            raise ValueError("the weight has entries that are not finite; it has no low-rank approximation.")
        self._W = W.detach().clone()

    @cached_property
    def _svd(self) -> tuple[Tensor, Tensor, Tensor]:
        wide = self._W if self._W.dtype == torch.float64 else self._W.float()
        # on the CPU: small matrices are decomposed there as fast as anywhere, and not every device can
        U, S, Vh = (part.to(wide.device) for part in torch.linalg.svd(wide.cpu(), full_matrices=False))
        return U, S, Vh

    @property
    def singular_values(self) -> Float[Tensor, "rank"]:
        """All of them, largest first."""
        return self._svd[1]

    @property
    def full_rank(self) -> int:
        """The smaller of the matrix's two sizes."""
        return min(self._W.shape)

    def rank(self, rank: int) -> Float[Tensor, "d_out d_in"]:
        """Return the sum of the first `rank` terms, the best approximation of that rank; W itself at full rank.

        Raises ValueError for a rank outside 0..full_rank.
        """
        if not 0 <= rank <= self.full_rank:
            raise ValueError(f"the rank is {rank}; of this matrix it must be between 0 and {self.full_rank}.")
        if rank == self.full_rank:
            return self._W.clone()
        if rank == 0:
            return torch.zeros_like(self._W)
        U, S, Vh = self._svd
        kept = (U[:, :rank] * S[:rank]) @ Vh[:rank]
        return kept.to(self._W.dtype)

    def fraction(self, rho: float) -> Float[Tensor, "d_out d_in"]:
        """Return the truncation to the fraction rho of the rank, floor(rho full_rank); ValueError outside [0, 1]."""
        return self.rank(rank_of(rho, self.full_rank))


def rank_of(rho: float, d: int) -> int:
    """Return floor(rho d), the rank that a fraction rho of d stands for. Raises ValueError for rho outside [0, 1]."""
    if not 0 <= rho <= 1:
        raise ValueError(f"rho is {rho}; the fraction of the rank to keep must be in [0, 1].")
    # 0.29 x 100 is 28.999999999999996 in floating point
    return math.floor(rho * d + 1e-9)


class TruncatedWeight:
    """A weight inside `truncated`: how much of it is kept can be changed as often as one likes."""

    def __init__(self, parameter: nn.Parameter) -> None:
        self._parameter = parameter
        self.low_rank = LowRank(parameter)

    def keep(self, *, rank: int | None = None, rho: float | None = None) -> None:
        """Set the weight to the truncation of the original to `rank`, or to the fraction `rho` of its rank.

        Raises ValueError unless exactly one is given, in its range.
        """
        if (rank is None) == (rho is None):
            raise ValueError(f"rank is {rank} and rho is {rho}; exactly one of them must be given.")
        kept = self.low_rank.rank(rank) if rank is not None else self.low_rank.fraction(rho)  # type: ignore[arg-type]
        with torch.no_grad():
            self._parameter.copy_(kept)


@contextmanager
def truncated(
    model: nn.Module, name: str, *, rank: int | None = None, rho: float | None = None
) -> Iterator[TruncatedWeight]:
    """Truncate the parameter `name` of `model` while the block runs, whatever happens in it; then restore every bit.

    Without `rank` and `rho` the weight is whole until `keep` is called. Raises ValueError for a name the model does not
    have, a parameter that is no matrix, both `rank` and `rho`, or one out of range.
    """
    parameter = named_parameter(model, name)
    original = parameter.detach().clone()
    weight = TruncatedWeight(parameter)
    try:
        if rank is not None or rho is not None:
            weight.keep(rank=rank, rho=rho)
        yield weight
    finally:
        with torch.no_grad():
            parameter.copy_(original)


def named_parameter(model: nn.Module, name: str) -> nn.Parameter:
    """Return the parameter `name`, such as "F2.W_in". Raises ValueError that lists near names where there is none."""
    parameters = dict(model.named_parameters(remove_duplicate=False))
    if name not in parameters:
        near = difflib.get_close_matches(name, parameters, n=5, cutoff=0.3) or list(parameters)[:5]
        raise ValueError(f"this model has no weight named {name!r}; some that it has are {', '.join(near)}.")
    return parameters[name]
