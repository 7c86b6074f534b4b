"""The two-layer transformer of Chen et al. section 4: single heads, all of W_KQ, W_V trained, a choice of F_1 and F_2.

Embeddings are rows; matrices act on column vectors as in the paper, so the code writes `x @ W.T`.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from mechbook.shared.embeddings import random_embeddings
from mechbook.shared.simplified import causal_attention, embed

FeedForward = Literal["mlp", "linear", "none"]
KINDS = ("mlp", "linear", "none")


class NoisyTrace(NamedTuple):
    """A forward pass: attention maps (query, key), and the stream at first, after each attention and feed-forward."""

    logits: Float[Tensor, "B T V"]
    attention: tuple[Float[Tensor, "B T T"], Float[Tensor, "B T T"]]
    streams: tuple[Float[Tensor, "B T d"], ...]


@dataclass(frozen=True, kw_only=True)
class NoisyConfig:
    """Sizes and the two feed-forward blocks: "mlp" (ReLU, width 4 d), "linear" (d x d) or "none".

    V: tokens, the noise among them. `output_matrix` gives layer 1 a matrix W_O1 besides W_V1, as in Chen et al. Figure
    12. Embeddings and positions are N(0, 1), every other matrix uniform in +-1/sqrt(fan in); embeddings, positions and
    W_U stay as they are drawn. Raises ValueError for sizes < 1 and unknown kinds.
    """

    V: int
    T: int
    d: int
    F1: FeedForward = "mlp"
    F2: FeedForward = "mlp"
    output_matrix: bool = False

    def __post_init__(self) -> None:
        for name in ("V", "T", "d"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        for name in ("F1", "F2"):
            if getattr(self, name) not in KINDS:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be 'mlp', 'linear' or 'none'.")


class NoisyTransformer(nn.Module):
    """Predict the next token with two layers of attention and feed-forward (Chen et al. section 4).

        x_t = w_E(z_t) + p_t
        y = x + h^1,  x^1 = y + F_1(y)         h^l_t = sum over s <= t of a_s W_V^l x_s,
        y = x^1 + h^2,  x^2 = y + F_2(y)       a = softmax of x_t . W_KQ^l x_s / sqrt(d)
        logits = W_U x^2                       F(y) = W_out relu(W_in y), or W y, or 0

    (the published code's 1/sqrt(d); in layer 1 W_O1 W_V1 stands for W_V1 where there is a W_O1).
    """

    W_E: nn.Parameter
    P: nn.Parameter
    W_U: nn.Parameter
    W_KQ1: nn.Parameter
    W_V1: nn.Parameter
    W_O1: nn.Parameter
    W_KQ2: nn.Parameter
    W_V2: nn.Parameter
    F1: "FeedForwardBlock"
    F2: "FeedForwardBlock"

    def __init__(self, config: NoisyConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.config = config
        d = config.d
        self.W_E = _frozen(random_embeddings(config.V, d, std=1.0, generator=generator))
        self.P = _frozen(random_embeddings(config.T, d, std=1.0, generator=generator))
        self.W_U = _frozen(_uniform(config.V, d, generator))
        for name in ("W_KQ1", "W_V1", *(("W_O1",) if config.output_matrix else ()), "W_KQ2", "W_V2"):
            setattr(self, name, nn.Parameter(_uniform(d, d, generator)))
        for block, kind in (("F1", config.F1), ("F2", config.F2)):
            setattr(self, block, FeedForwardBlock(kind, d, generator))

    def forward(self, z: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """Return the logits of the next token at every position; raises ValueError for more than config.T positions."""
        return self.trace(z).logits

    def trace(self, z: Int[Tensor, "B T"]) -> NoisyTrace:
        """Run the model and keep its attention maps and streams; raises ValueError for more than config.T positions."""
        x = embed(z, self.W_E, self.P)
        streams, maps = [x], []
        for W_KQ, W_V, block in ((self.W_KQ1, self.value_1(), self.F1), (self.W_KQ2, self.W_V2, self.F2)):
            attention = causal_attention(x, x @ W_KQ.T)
            x = x + attention @ (x @ W_V.T)
            streams.append(x)
            x = x + block(x)
            maps.append(attention)
            streams.append(x)
        return NoisyTrace(logits=x @ self.W_U.T, attention=(maps[0], maps[1]), streams=tuple(streams))

    def value_1(self) -> Float[Tensor, "d d"]:
        """What layer 1 does to a vector it attends to: W_V1, or W_O1 W_V1."""
        return self.W_O1 @ self.W_V1 if self.config.output_matrix else self.W_V1


class FeedForwardBlock(nn.Module):
    """W_out relu(W_in y) with W_in (4 d, d); or W y; or 0. There is no bias: with W_in = 0 the first is 0 as well."""

    W_in: nn.Parameter
    W_out: nn.Parameter
    W: nn.Parameter

    def __init__(self, kind: FeedForward, d: int, generator: torch.Generator) -> None:
        super().__init__()
        self.kind: FeedForward = kind
        if kind == "mlp":
            self.W_in = nn.Parameter(_uniform(4 * d, d, generator))
            self.W_out = nn.Parameter(_uniform(d, 4 * d, generator))
        elif kind == "linear":
            self.W = nn.Parameter(_uniform(d, d, generator))

    def forward(self, y: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        """Return what the block adds to the stream."""
        if self.kind == "mlp":
            # in place: the hidden layer, 4 d wide at every position, is the largest array of a step
            return F.relu(y @ self.W_in.T, inplace=True) @ self.W_out.T
        return y @ self.W.T if self.kind == "linear" else torch.zeros_like(y)


def _uniform(rows: int, columns: int, generator: torch.Generator) -> Float[Tensor, "{rows} {columns}"]:
    drawn = torch.rand(rows, columns, generator=generator, device=generator.device)
    return (drawn * 2 - 1) / math.sqrt(columns)


def _frozen(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values, requires_grad=False)
