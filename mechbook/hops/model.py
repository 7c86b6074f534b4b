"""Attention-only transformers whose frozen readouts say, at every token, where each number of hops leads."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from mechbook.shared.embeddings import random_embeddings


@dataclass(frozen=True, kw_only=True)
class HopConfig:
    """The sizes of a model; impossible combinations raise ValueError.

    T, N: tokens in a sequence, and values that a token can carry
    hops: the number of readouts, one for each number of hops that is asked for
    N_out: the answers each readout chooses from (None: N)
    d, n_layers, n_heads: width, layers, heads in each
    causal: whether a token sees only itself and those before it
    layer_norm: whether each layer, and the readout, normalises what it reads
    """

    T: int
    N: int
    hops: int
    N_out: int | None = None
    d: int = 64
    n_layers: int = 3
    n_heads: int = 4
    causal: bool = False
    layer_norm: bool = True

    def __post_init__(self) -> None:
        for name in ("T", "N", "hops", "d", "n_layers", "n_heads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 1 or more.")
        if self.d % self.n_heads:
            raise ValueError(f"d = {self.d} cannot be divided among {self.n_heads} heads; choose a multiple.")

    @property
    def outputs(self) -> int:
        return self.N if self.N_out is None else self.N_out


@dataclass(frozen=True, eq=False)
class HopTrace:
    """What a forward pass went through: logits, each layer's attention (heads apart), the stream before and after."""

    logits: Float[Tensor, "B T hops N_out"]
    attention: tuple[Float[Tensor, "B H T T"], ...]
    streams: tuple[Float[Tensor, "B T d"], ...]


class HopLayer(nn.Module):
    """One layer: x + W_O concat_h softmax(q_h k_h^T / sqrt(d/H)) v_h, with q, k, v from LayerNorm(x)."""

    W_Q: nn.Parameter
    W_K: nn.Parameter
    W_V: nn.Parameter
    W_O: nn.Parameter

    def __init__(self, config: HopConfig, generator: Generator) -> None:
        super().__init__()
        d, bound = config.d, 1 / math.sqrt(config.d)
        self.n_heads, self.causal = config.n_heads, config.causal
        self.norm = nn.LayerNorm(d) if config.layer_norm else nn.Identity()
        for name in ("W_Q", "W_K", "W_V", "W_O"):
            matrix = torch.empty(d, d).uniform_(-bound, bound, generator=generator)
            self.register_parameter(name, nn.Parameter(matrix))

    def forward(self, x: Float[Tensor, "B T d"]) -> tuple[Float[Tensor, "B T d"], Float[Tensor, "B H T T"]]:
        B, T, d = x.shape
        y = self.norm(x)
        q, k, v = ((y @ W.T).view(B, T, self.n_heads, -1).transpose(1, 2) for W in (self.W_Q, self.W_K, self.W_V))
        scores = q @ k.transpose(2, 3) / math.sqrt(d // self.n_heads)
        if self.causal:
            later = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
            scores = scores.masked_fill(later, -math.inf)
        attention = scores.softmax(-1)
        mixed = (attention @ v).transpose(1, 2).reshape(B, T, d)
        return x + mixed @ self.W_O.T, attention


class HopTransformer(nn.Module):
    """Attention layers alone (no MLP), pre-LayerNorm; the logits of r hops are W_R[r] LayerNorm(x), W_R frozen.

    Token t starts as x_t = P[t] + W_E[z_t], both trained, entries N(0, 1). W_R has entries N(0, 1/d) and stays as it
    is drawn: all learning is in the layers and the embeddings. Layer matrices start uniform in (-1, 1)/sqrt(d).
    """

    def __init__(self, config: HopConfig, generator: Generator) -> None:
        super().__init__()
        self.config = config
        self.P = nn.Parameter(random_embeddings(config.T, config.d, std=1.0, generator=generator))
        self.W_E = nn.Parameter(random_embeddings(config.N, config.d, std=1.0, generator=generator))
        self.layers = nn.ModuleList(HopLayer(config, generator) for _ in range(config.n_layers))
        self.norm = nn.LayerNorm(config.d) if config.layer_norm else nn.Identity()
        readouts = torch.randn(config.hops, config.outputs, config.d, generator=generator) / math.sqrt(config.d)
        self.W_R: Tensor
        self.register_buffer("W_R", readouts)

    def trace(self, z: Int[Tensor, "B T"]) -> HopTrace:
        """Run the model on what the tokens carry and keep everything on the way."""
        if z.shape[1] != self.config.T:
            raise ValueError(f"The sequence has {z.shape[1]} tokens; this model reads exactly {self.config.T}.")
        streams, attention = [self.P + self.W_E[z]], []
        for layer in self.layers:
            x, weights = layer(streams[-1])
            streams.append(x)
            attention.append(weights)
        logits = torch.einsum("btd,rnd->btrn", self.norm(streams[-1]), self.W_R)
        return HopTrace(logits, tuple(attention), tuple(streams))

    def forward(self, z: Int[Tensor, "B T"]) -> Float[Tensor, "B T hops N_out"]:
        return self.trace(z).logits
