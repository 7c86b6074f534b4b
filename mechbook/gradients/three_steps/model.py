"""The model of Theorem 3 (Birth appendix B.3): two layers of attention with three matrices to learn.

Scores have no 1/sqrt(d) (as in B.2), and the query stands on the left of a key-query matrix. What the model predicts
with is B.3.3's restriction: layer 1 looks by positions and moves tokens, layer 2 queries, and reads, tokens alone.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechbook.gradients.task import SingleTriggerBatch
from mechbook.shared.embeddings import random_embeddings


@dataclass(frozen=True, kw_only=True, eq=False)
class ThreeStepModel:
    """Frozen random embeddings (rows) and matrices, and the three matrices that are learned, at first zero."""

    W_E: Float[Tensor, "N d"]
    P: Float[Tensor, "T d"]
    W_U: Float[Tensor, "N d"]
    W_V1: Float[Tensor, "d d"]
    W_O1: Float[Tensor, "d d"]
    W_V2: Float[Tensor, "d d"]
    W_K1: Float[Tensor, "d d"]
    W_K2: Float[Tensor, "d d"]
    W_O2: Float[Tensor, "d d"]

    @property
    def Phi_1(self) -> Float[Tensor, "d d"]:
        """W_O1 W_V1."""
        return self.W_O1 @ self.W_V1

    @property
    def Phi_2(self) -> Float[Tensor, "d d"]:
        """W_O2 W_V2."""
        return self.W_O2 @ self.W_V2

    def remap(self, rows: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Return Phi_1 x = W_O1 W_V1 x for every row x, what layer 1 makes of an input it attends to."""
        return rows @ self.W_V1.T @ self.W_O1.T

    @property
    def value_table(self) -> Float[Tensor, "N N"]:
        """w_U(k) . W_O2 W_V2 w_E(j), entry [k, j]: the logit of k where token j alone is attended to."""
        return self.W_U @ self.W_O2 @ self.W_V2 @ self.W_E.T

    @property
    def position_value_table(self) -> Float[Tensor, "N T"]:
        """w_U(k) . W_O2 W_V2 p_t, entry [k, t]."""
        return self.W_U @ self.W_O2 @ self.W_V2 @ self.P.T

    @property
    def spurious_table(self) -> Float[Tensor, "N N"]:
        """w_U(k) . W_O2 W_V2 Phi_1 w_E(j), entry [k, j]: what W_O2 stores about layer 1's output (Birth eq. 16)."""
        return self.W_U @ self.W_O2 @ self.W_V2 @ self.remap(self.W_E).T

    @property
    def score_table(self) -> Float[Tensor, "N N"]:
        """w_E(q) . W_K2 Phi_1 w_E(j), entry [q, j]: layer 2's score of a key marked j, for the query q."""
        return self.W_E @ self.W_K2 @ self.remap(self.W_E).T

    @property
    def position_scores(self) -> Float[Tensor, "T T"]:
        """p_t . W_K1 p_s, entry [t, s]."""
        return self.P @ self.W_K1 @ self.P.T


def initial(N: int, T: int, d: int, generator: torch.Generator, *, dtype: torch.dtype) -> ThreeStepModel:
    """Draw all that is frozen from N(0, 1/d); W_K1, W_K2 and W_O2 are zero. Raises ValueError for a size below 1."""

    def rows(n: int) -> Tensor:
        return random_embeddings(n, d, std=max(d, 1) ** -0.5, generator=generator, dtype=dtype)

    zero = torch.zeros(d, d, dtype=dtype, device=generator.device)
    return ThreeStepModel(
        W_E=rows(N),
        P=rows(T),
        W_U=rows(N),
        W_V1=rows(d),
        W_O1=rows(d),
        W_V2=rows(d),
        W_K1=zero,
        W_K2=zero,
        W_O2=zero,
    )


def predict(
    model: ThreeStepModel, batch: SingleTriggerBatch, *, position_in_query: bool = False
) -> tuple[Float[Tensor, "B N"], Float[Tensor, "B T"]]:
    """Return the logits at the last position and layer 2's attention there, both softmaxes exact (B.3.3's model).

    `position_in_query` lets layer 2's query be w_E(q) + p_T, which B.3.3 leaves out.
    """
    scores = model.score_table
    if position_in_query:
        scores = scores + model.P[-1] @ model.W_K2 @ model.remap(model.W_E).T
    mark = scores[batch.trigger[:, None], batch.z]
    attention = (mark @ first_attention(model).T).softmax(1)
    return attended_logits(attention, batch.z, model.value_table), attention


def first_attention(model: ThreeStepModel) -> Float[Tensor, "T T"]:
    """Return layer 1's attention, [query, key]: softmax over s <= t of p_t . W_K1 p_s."""
    scores = model.position_scores
    future = torch.ones_like(scores, dtype=torch.bool).triu(1)
    return scores.masked_fill(future, float("-inf")).softmax(1)


def attended_logits(
    attention: Float[Tensor, "B T"], z: Int[Tensor, "B T"], values: Float[Tensor, "N N2"]
) -> Float[Tensor, "B N"]:
    """Return sum_t a_t w_U(k) . W_O2 W_V2 w_E(z_t), for attention from the last position."""
    by_token = torch.zeros(len(z), values.shape[1], dtype=values.dtype, device=values.device)
    return by_token.scatter_add_(1, z, attention) @ values.T
