"""The vanilla transformer of Birth's Figures 2, 10 and 11: heads, ReLU MLP, pre-LayerNorm, everything trained."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from mechbook.shared.embeddings import random_embeddings
from mechbook.shared.simplified import Trace, causal_attention, embed


@dataclass(frozen=True, kw_only=True)
class VanillaConfig:
    """Sizes of the vanilla transformer; `d_mlp` None stands for 4 d, `position_std` scales the initial positions.

    Raises ValueError for a size < 1, a d that the heads do not divide, or a position_std <= 0.
    """

    N: int
    T: int
    d: int
    n_layers: int = 2
    n_heads: int = 1
    d_mlp: int | None = None
    position_std: float = 0.1

    def __post_init__(self) -> None:
        for name in ("N", "T", "d", "n_layers", "n_heads", "hidden"):
            if getattr(self, name) < 1:
                shown = "d_mlp" if name == "hidden" else name
                raise ValueError(f"{shown} is {getattr(self, name)}; it must be at least 1.")
        if self.d % self.n_heads:
            raise ValueError(f"d is {self.d}; it must be a multiple of n_heads = {self.n_heads}.")
        if not self.position_std > 0:
            raise ValueError(f"position_std is {self.position_std}; it must be > 0.")

    @property
    def hidden(self) -> int:
        """Width of the MLP's hidden layer."""
        return 4 * self.d if self.d_mlp is None else self.d_mlp


class VanillaBlock(nn.Module):
    """One layer: x := x + W_O attention(LN_1 x), then x := x + W_out relu(W_in LN_2 x + b_in) + b_out.

    Head h owns rows h d_h to (h + 1) d_h of W_Q, W_K, W_V and the same columns of W_O, with d_h = d / n_heads; its
    scores are divided by sqrt(d_h).
    """

    def __init__(self, config: VanillaConfig, generator: torch.Generator) -> None:
        super().__init__()
        d, hidden = config.d, config.hidden
        self.n_heads = config.n_heads
        self.norm_1 = nn.LayerNorm(d, device=generator.device)
        self.W_Q = _uniform((d, d), d, generator)
        self.W_K = _uniform((d, d), d, generator)
        self.W_V = _uniform((d, d), d, generator)
        self.W_O = _uniform((d, d), d, generator)
        self.norm_2 = nn.LayerNorm(d, device=generator.device)
        self.W_in = _uniform((hidden, d), d, generator)
        self.b_in = _uniform((hidden,), d, generator)
        self.W_out = _uniform((d, hidden), hidden, generator)
        self.b_out = _uniform((d,), hidden, generator)

    def heads(self, x: Float[Tensor, "*batch T d"], W: Float[Tensor, "d d"]) -> Float[Tensor, "*batch H T d_h"]:
        """Map the stream with W and cut the result into one piece a head."""
        return (x @ W.T).unflatten(-1, (self.n_heads, -1)).transpose(-2, -3)

    def forward(self, x: Float[Tensor, "B T d"]) -> Float[Tensor, "B T d"]:
        """Return the stream after the layer; attention maps are never stored."""
        y = self.norm_1(x)
        query, key, value = (self.heads(y, W) for W in (self.W_Q, self.W_K, self.W_V))
        return self._finish(x, F.scaled_dot_product_attention(query, key, value, is_causal=True))

    def trace(self, x: Float[Tensor, "B T d"]) -> tuple[Float[Tensor, "B T d"], Float[Tensor, "B H T T"]]:
        """Return the stream after the layer and its attention maps, written out."""
        y = self.norm_1(x)
        attention = causal_attention(self.heads(y, self.W_Q), self.heads(y, self.W_K))
        return self._finish(x, attention @ self.heads(y, self.W_V)), attention

    def _finish(self, x: Float[Tensor, "B T d"], mixed: Float[Tensor, "B H T d_h"]) -> Float[Tensor, "B T d"]:
        x = x + mixed.transpose(1, 2).flatten(2) @ self.W_O.T
        hidden = F.linear(self.norm_2(x), self.W_in, self.b_in).relu()
        return x + F.linear(hidden, self.W_out, self.b_out)


class VanillaTransformer(nn.Module):
    """A pre-LayerNorm transformer with trained embeddings and positions; the logits are W_U LN(x).

    Initially W_E is N(0, 1), P is N(0, position_std^2), linear maps and MLP biases are uniform in +-1/sqrt(fan-in).
    """

    def __init__(self, config: VanillaConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.config = config
        self.W_E = nn.Parameter(random_embeddings(config.N, config.d, std=1.0, generator=generator))
        self.P = nn.Parameter(random_embeddings(config.T, config.d, std=config.position_std, generator=generator))
        self.blocks = nn.ModuleList(VanillaBlock(config, generator) for _ in range(config.n_layers))
        self.norm = nn.LayerNorm(config.d, device=generator.device)
        self.W_U = _uniform((config.N, config.d), config.d, generator)

    def forward(self, z: Int[Tensor, "B T"]) -> Float[Tensor, "B T N"]:
        """Return the logits of the next token at every position; raises ValueError for more than config.T positions."""
        x = embed(z, self.W_E, self.P)
        for block in self.blocks:
            x = block(x)
        return self.norm(x) @ self.W_U.T

    def trace(self, z: Int[Tensor, "B T"]) -> Trace:
        """Run the model and keep attention maps (B, H, T, T) and streams: initial, then after each layer.

        Raises ValueError for more than config.T positions.
        """
        x = embed(z, self.W_E, self.P)
        streams, maps = [x], []
        for block in self.blocks:
            assert isinstance(block, VanillaBlock)
            x, attention = block.trace(x)
            streams.append(x)
            maps.append(attention)
        return Trace(logits=self.norm(x) @ self.W_U.T, attention=tuple(maps), streams=tuple(streams))


def _uniform(shape: tuple[int, ...], fan_in: int, generator: torch.Generator) -> nn.Parameter:
    values = torch.rand(shape, generator=generator, device=generator.device) * 2 - 1
    return nn.Parameter(values / math.sqrt(fan_in))
