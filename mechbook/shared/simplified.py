"""The simplified transformer of Birth section 4.2: one or two attention layers, no LayerNorm, W_Q = I.

Embeddings are rows; d x d matrices act on column vectors as in the paper, so the code writes `x @ W.T`.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from mechbook.shared.embeddings import random_embeddings

FeedForwardPlace = Literal["none", "after_layer_2", "before_attention"]


class Trace(NamedTuple):
    """A forward pass with its intermediate values: an attention map a layer, the stream before and after each.

    Attention maps are (B, T, T), query then key, or (B, H, T, T) with several heads; streams are (B, T, d).
    """

    logits: Float[Tensor, "B T N"]
    attention: tuple[Float[Tensor, "B *H T T"], ...]
    streams: tuple[Float[Tensor, "B T d"], ...]


@dataclass(frozen=True, kw_only=True)
class SimplifiedConfig:
    """Sizes, initial scales, and which matrices are trained.

    `embedding_std` is the standard deviation of the entries of W_E and P, None standing for 1/sqrt(d) (unit norm).
    `matrix_init`: every other matrix from N(0, 1/d), or uniformly from +-1/sqrt(d) as in the published code.
    `feed_forward`: there is no W_F; or it reads the stream after the last attention layer, x := x + W_F x; or it reads
    the stream before attention, w_E(z_t) + p_t, and adds to the last one. With `n_layers=1` name `trained` yourself, as
    W_K2 and W_O2 do not exist. Raises ValueError for impossible values.
    """

    N: int
    T: int
    d: int
    n_layers: Literal[1, 2] = 2
    embedding_std: float | None = 1.0
    matrix_init: Literal["gaussian", "uniform"] = "gaussian"
    feed_forward: FeedForwardPlace = "none"
    trained: tuple[str, ...] = ("W_K1", "W_K2", "W_O2")

    def __post_init__(self) -> None:
        for name in ("N", "T", "d"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        if self.n_layers not in (1, 2):
            raise ValueError(f"n_layers is {self.n_layers}; the simplified transformer has 1 or 2.")
        if self.embedding_std is not None and not self.embedding_std > 0:
            raise ValueError(f"embedding_std is {self.embedding_std}; it must be > 0, or None for 1/sqrt(d).")
        if self.matrix_init not in ("gaussian", "uniform"):
            raise ValueError(f"matrix_init is {self.matrix_init!r}; it must be 'gaussian' or 'uniform'.")
        if self.feed_forward not in ("none", "after_layer_2", "before_attention"):
            raise ValueError(
                f"feed_forward is {self.feed_forward!r}; it must be 'none', 'after_layer_2' or 'before_attention'."
            )
        for name in self.trained:
            if name not in self.matrices:
                raise ValueError(f"trained names {name!r}; this model's matrices are {', '.join(self.matrices)}.")

    @property
    def matrices(self) -> tuple[str, ...]:
        """Names of the d x d matrices this model has."""
        names = ("W_K1", "W_V1", "W_O1", "W_K2", "W_V2", "W_O2")[: 3 * self.n_layers]
        return names if self.feed_forward == "none" else (*names, "W_F")


class SimplifiedTransformer(nn.Module):
    """Predict the next token from fixed random embeddings and one or two attention layers.

    With x_t = w_E(z_t) + p_t, layer l adds W_Ol W_Vl sum_k a_k x_k at each query q, where a is the softmax over k <= q
    of x_q . (W_Kl x_k) / sqrt(d); the logits are W_U x (Birth section 4.2, with the published code's 1/sqrt(d)).
    Only the matrices that the configuration names as trained receive gradients.
    """

    W_E: nn.Parameter
    P: nn.Parameter
    W_U: nn.Parameter
    W_K1: nn.Parameter
    W_V1: nn.Parameter
    W_O1: nn.Parameter
    W_K2: nn.Parameter
    W_V2: nn.Parameter
    W_O2: nn.Parameter
    W_F: nn.Parameter

    def __init__(self, config: SimplifiedConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.config = config
        d = config.d
        std = 1.0 / math.sqrt(d)
        embedding_std = std if config.embedding_std is None else config.embedding_std
        self.W_E = _frozen(random_embeddings(config.N, d, std=embedding_std, generator=generator))
        self.P = _frozen(random_embeddings(config.T, d, std=embedding_std, generator=generator))
        self.W_U = _frozen(random_embeddings(config.N, d, std=std, generator=generator))
        for name in config.matrices:
            if config.matrix_init == "gaussian":
                matrix = random_embeddings(d, d, std=std, generator=generator)
            else:
                matrix = (torch.rand(d, d, generator=generator, device=generator.device) * 2 - 1) * std
            setattr(self, name, nn.Parameter(matrix, requires_grad=name in config.trained))

    def forward(self, z: Int[Tensor, "B T"]) -> Float[Tensor, "B T N"]:
        """Return the logits of the next token at every position; raises ValueError for more than config.T positions."""
        x = embed(z, self.W_E, self.P)
        initial = x
        for W_K, W_V, W_O in self._layers():
            # the head axis makes torch choose a kernel that never stores the map, which 512 x 256 x 256 need
            query, key, value = (y.unsqueeze(1) for y in (x, x @ W_K.T, x @ W_V.T))
            mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
            x = x + mixed.squeeze(1) @ W_O.T
        return self._feed_forward(x, initial) @ self.W_U.T

    def trace(self, z: Int[Tensor, "B T"]) -> Trace:
        """Run the model and keep the attention maps and streams: initial, after each layer, after W_F if there is one.

        Raises ValueError for more than config.T positions.
        """
        x = embed(z, self.W_E, self.P)
        initial = x
        streams, maps = [x], []
        for W_K, W_V, W_O in self._layers():
            attention = causal_attention(x, x @ W_K.T)
            x = x + attention @ (x @ W_V.T) @ W_O.T
            maps.append(attention)
            streams.append(x)
        if self.config.feed_forward != "none":
            x = self._feed_forward(x, initial)
            streams.append(x)
        return Trace(logits=x @ self.W_U.T, attention=tuple(maps), streams=tuple(streams))

    def _layers(self) -> list[tuple[Tensor, Tensor, Tensor]]:
        layers: list[tuple[Tensor, Tensor, Tensor]] = [(self.W_K1, self.W_V1, self.W_O1)]
        if self.config.n_layers == 2:
            layers.append((self.W_K2, self.W_V2, self.W_O2))
        return layers

    def _feed_forward(self, x: Float[Tensor, "B T d"], initial: Float[Tensor, "B T d"]) -> Float[Tensor, "B T d"]:
        if self.config.feed_forward == "none":
            return x
        read = x if self.config.feed_forward == "after_layer_2" else initial
        return x + read @ self.W_F.T


def embed(z: Int[Tensor, "B T"], W_E: Float[Tensor, "N d"], P: Float[Tensor, "T_max d"]) -> Float[Tensor, "B T d"]:
    """Return w_E(z_t) + p_t (Birth eq. 1); raises ValueError when the sequences are longer than P."""
    T = z.shape[1]
    if T > len(P):
        raise ValueError(f"the sequences have {T} positions; this model has {len(P)}.")
    return W_E[z] + P[:T]


def causal_attention(
    queries: Float[Tensor, "*batch T d_h"], keys: Float[Tensor, "*batch T d_h"]
) -> Float[Tensor, "*batch T T"]:
    """Return the attention map (query, key): softmax over k <= q of queries_q . keys_k / sqrt(d_h)."""
    T, d_h = queries.shape[-2:]
    scores = queries @ keys.transpose(-1, -2) / math.sqrt(d_h)
    future = torch.ones(T, T, dtype=torch.bool, device=scores.device).triu(1)
    return scores.masked_fill(future, float("-inf")).softmax(-1)


def _frozen(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values, requires_grad=False)
