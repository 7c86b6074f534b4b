"""One layer of attention for factual recall, with heads and an optional MLP (Nichani et al. section 4).

No positions: the order of the tokens does not matter, and from EOS, the only query, a head sees a token z through its
count alone. With w_z = exp(score of z) and v_z its value, the head's output is sum_z c_z w_z v_z / sum_z c_z w_z.
`FactTransformer.forward` is the definition, on sequences; `count_logits` is that sum, for one model or a stack of them.
"""

import math
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mechbook.shared.embeddings import random_embeddings

# Every sequence holds EOS: with scores taken relative to it no sum of weights is 0 (float32 ranges from e^-87 to e^88).
SHIFT = 40.0


@dataclass(frozen=True, kw_only=True)
class FactConfig:
    """Sizes: vocabulary V (EOS the last), A answers, dimension d, H heads of dimension d_h, MLP of width m (0: none).

    Raises ValueError for V, A, d, H or d_h < 1, or m < 0.
    """

    V: int
    A: int
    d: int
    H: int
    d_h: int
    m: int = 0

    def __post_init__(self) -> None:
        for name in ("V", "A", "d", "H", "d_h"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        if self.m < 0:
            raise ValueError(f"m is {self.m}; it must be at least 0 (no MLP).")

    @property
    def parameters(self) -> int:
        """Trained parameters as the paper counts them, 4 H d_h d + 2 m d: without embeddings and biases."""
        return 4 * self.H * self.d_h * self.d + 2 * self.m * self.d


@dataclass(frozen=True, kw_only=True, eq=False)
class FactWeights:
    """All matrices of one model, or with a leading axis of G models of equal sizes.

    E and U (input and output embeddings) are frozen; head h has W_Q[h], W_K[h], W_V[h] (d_h x d) and W_O[h] (d x d_h).
    """

    E: Float[Tensor, "*G V d"]
    U: Float[Tensor, "*G A d"]
    W_Q: Float[Tensor, "*G H d_h d"]
    W_K: Float[Tensor, "*G H d_h d"]
    W_V: Float[Tensor, "*G H d_h d"]
    W_O: Float[Tensor, "*G H d d_h"]
    W_in: Float[Tensor, "*G m d"]
    b_in: Float[Tensor, "*G m"]
    W_out: Float[Tensor, "*G d m"]

    def trained(self) -> list[Tensor]:
        """Every matrix but the embeddings."""
        return [getattr(self, field.name) for field in fields(self) if field.name not in ("E", "U")]


def initial_weights(config: FactConfig, generator: torch.Generator) -> FactWeights:
    """Draw embeddings N(0, 1/d) and matrices that keep the size of what they act on.

    W_Q, W_K, W_V: N(0, 1/d_h); W_O, W_in: N(0, 1/d); W_out: N(0, 1/m); b_in: 0.
    """
    d, H, d_h, m = config.d, config.H, config.d_h, config.m

    def normal(*shape: int, std: float) -> Tensor:
        return torch.randn(*shape, generator=generator, device=generator.device) * std

    return FactWeights(
        E=random_embeddings(config.V, d, std=1 / math.sqrt(d), generator=generator),
        U=random_embeddings(config.A, d, std=1 / math.sqrt(d), generator=generator),
        W_Q=normal(H, d_h, d, std=1 / math.sqrt(d_h)),
        W_K=normal(H, d_h, d, std=1 / math.sqrt(d_h)),
        W_V=normal(H, d_h, d, std=1 / math.sqrt(d_h)),
        W_O=normal(H, d, d_h, std=1 / math.sqrt(d)),
        W_in=normal(m, d, std=1 / math.sqrt(d)),
        b_in=torch.zeros(m, device=generator.device),
        W_out=normal(d, m, std=1 / math.sqrt(max(m, 1))),
    )


def stack(models: list[FactWeights]) -> FactWeights:
    """Return the models' matrices stacked along a new first axis. Raises RuntimeError where their sizes differ."""
    return FactWeights(**{f.name: torch.stack([getattr(m, f.name) for m in models]) for f in fields(FactWeights)})


def placed(weights: FactWeights, device: torch.device | str) -> FactWeights:
    """Return the matrices on a device; those that are there already stay what they are."""
    return FactWeights(**{f.name: getattr(weights, f.name).to(device) for f in fields(FactWeights)})


class FactTransformer(nn.Module):
    """The definition: x = sum_h W_O^h sum_t a^h_t W_V^h e_{z_t}, logits U (x + W_out relu(W_in x + b_in)).

    a^h = softmax over all positions t of (W_K^h e_{z_t}) . (W_Q^h e_EOS) / sqrt(d_h). The stream at EOS itself is left
    out, as in the paper's experiments.
    """

    def __init__(self, weights: FactWeights) -> None:
        super().__init__()
        self.E, self.U = nn.Buffer(weights.E), nn.Buffer(weights.U)
        for field in fields(weights)[2:]:
            setattr(self, field.name, nn.Parameter(getattr(weights, field.name)))

    def weights(self) -> FactWeights:
        """The matrices, as `count_logits` takes them."""
        return FactWeights(**{field.name: getattr(self, field.name) for field in fields(FactWeights)})

    def forward(self, z: Int[Tensor, "B T"]) -> Float[Tensor, "B A"]:
        """Return the logits of the answers after the last token."""
        w = self.weights()
        e = w.E[z]
        x = torch.zeros_like(e[:, -1])
        for W_Q, W_K, W_V, W_O in zip(w.W_Q, w.W_K, w.W_V, w.W_O, strict=True):
            query, keys = e[:, -1] @ W_Q.T, e @ W_K.T
            attention = torch.softmax((keys @ query.unsqueeze(-1)).squeeze(-1) / math.sqrt(len(W_Q)), -1)
            x = x + torch.einsum("bt,btd->bd", attention, e) @ W_V.T @ W_O.T
        hidden = torch.relu(x @ w.W_in.T + w.b_in)
        return (x + hidden @ w.W_out.T) @ w.U.T


def count_logits(weights: FactWeights, counts: Float[Tensor, "*G B V"]) -> Float[Tensor, "*G B A"]:
    """Return the logits from token counts, for one model or each of a stack; every sequence must hold EOS.

    The same numbers as `FactTransformer.forward` on sequences with these counts.
    """
    return stream_logits(weights, attention_output(weights, counts))


def attention_output(weights: FactWeights, counts: Float[Tensor, "*G B V"]) -> Float[Tensor, "*G B d"]:
    """Return x = sum over heads of W_O sum_z c_z w_z W_V e_z / sum_z c_z w_z."""
    E, H, d_h = weights.E, weights.W_Q.shape[-3], weights.W_Q.shape[-2]
    flat = E.shape[:-2] + (H * d_h, E.shape[-1])
    query = weights.W_Q @ E[..., None, -1, :, None]
    key = (weights.W_K.mT @ query).squeeze(-1) / math.sqrt(d_h)
    scores = E @ key.mT
    w = torch.exp(scores - scores[..., -1:, :].detach() - SHIFT)
    values = (E @ weights.W_V.reshape(flat).mT).unflatten(-1, (H, d_h))
    mixed = (counts @ (w.unsqueeze(-1) * values).flatten(-2)).unflatten(-1, (H, d_h))
    normalised = mixed / (counts @ w).unsqueeze(-1)
    return normalised.flatten(-2) @ weights.W_O.mT.reshape(flat)


def stream_logits(weights: FactWeights, x: Float[Tensor, "*G B d"]) -> Float[Tensor, "*G B A"]:
    """Return U (x + MLP(x))."""
    if weights.W_in.shape[-2]:
        hidden = torch.relu(x @ weights.W_in.mT + weights.b_in.unsqueeze(-2))
        x = x + hidden @ weights.W_out.mT
    return x @ weights.U.mT


def linear_logits(
    W_OV: Float[Tensor, "*G V A"], w_KQ: Float[Tensor, "*G V"], counts: Float[Tensor, "*G B V"]
) -> Float[Tensor, "*G B A"]:
    """Return sum_t W_OV(a, z_t) w_KQ(z_t): linear attention with one-hot embeddings (Nichani et al. section 5).

    W_OV is stored with a row for each token.
    """
    return (counts * w_KQ.unsqueeze(-2)) @ W_OV


def softmax_logits(
    W_OV: Float[Tensor, "*G V A"], scores: Float[Tensor, "*G V"], counts: Float[Tensor, "*G B V"]
) -> Float[Tensor, "*G B A"]:
    """Return sum_t a_t W_OV(a, z_t) with a_t the softmax over positions of score(z_t); EOS must be the last token."""
    w = counts * torch.exp(scores - scores[..., -1:].detach() - SHIFT).unsqueeze(-2)
    return (w / w.sum(-1, keepdim=True)) @ W_OV


def head_tables(
    E: Float[Tensor, "*G V d"], U: Float[Tensor, "*G A d"], W_OV: Float[Tensor, "*G d d"], key: Float[Tensor, "*G d"]
) -> tuple[Float[Tensor, "*G V A"], Float[Tensor, "*G V"]]:
    """Return u_a^T W_OV e_z and e_z^T W_KQ e_EOS of one softmax head, `key` being W_KQ e_EOS (Figure 5, right).

    They are what `softmax_logits` takes: all that the head can do is in these two tables.
    """
    return (E @ W_OV.mT) @ U.mT, (E @ key.unsqueeze(-1)).squeeze(-1)
