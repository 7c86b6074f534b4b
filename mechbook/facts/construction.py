"""Weights written by hand that recall every fact (Nichani et al. Theorems 3 and 4); nothing is trained.

Each head looks for one set of subjects or relations among the tokens: its key is large on that set and small elsewhere.
Attention only (Theorem 3): the head then adds every answer that its token could have; s and r agree on one alone.
Attention and MLP (Theorem 4): two heads copy e_s and e_r, and the MLP stores e_s + e_r -> u_{a*(s, r)}.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechbook.facts.model import FactWeights
from mechbook.facts.task import FactTask

# Score of a head's own tokens above all others: e^12 outweighs any number of noise tokens the book uses.
SHARPNESS = 12.0
RIDGE = 1e-3


def unit_embeddings(n: int, d: int, generator: torch.Generator) -> Float[Tensor, "n d"]:
    """Draw n vectors uniformly from the unit sphere of R^d, in float64. Raises ValueError for n or d < 1."""
    if n < 1 or d < 1:
        raise ValueError(f"n is {n} and d is {d}; both must be at least 1.")
    vectors = torch.randn(n, d, generator=generator, device=generator.device, dtype=torch.float64)
    return vectors / vectors.norm(dim=1, keepdim=True)


def head_sets(S: int, R: int, H: int) -> list[Int[Tensor, "_"]]:
    """Cut the tokens 0..S+R-1 into H sets, subjects and relations apart, as even as possible.

    Raises ValueError for H < 2 (subjects and relations must not compete within a head) or H > S + R.
    """
    if not 2 <= H <= S + R:
        raise ValueError(f"H is {H}; it must be between 2, one set of subjects and one of relations, and {S + R}.")
    # at most S, and H minus it at most R, since H is at most S + R
    for_subjects = min(max(1, round(H * S / (S + R))), H - 1)
    subjects = torch.arange(S).tensor_split(for_subjects)
    return [*subjects, *torch.arange(S, S + R).tensor_split(H - for_subjects)]


def attention_only(task: FactTask, *, d: int, d_h: int, H: int, generator: torch.Generator) -> FactWeights:
    """Return the attention-only construction (Theorem 3, Nichani et al. eq. 12), in float64.

    W_O W_V = sum over the head's tokens z of sum_{a in A_z} u_a (P e_z)^T P with P a random projection to d_h
    dimensions scaled by sqrt(d / d_h); A_r are the answers of a relation, A_s those of a subject, a*(s, r) for every
    r. Raises ValueError as `head_sets`, and for d_h < 1 or d_h > d.
    """
    if not 1 <= d_h <= d:
        raise ValueError(f"d_h is {d_h} and d is {d}; a head has 1 dimension or more, and no more than the stream.")
    E, U = (unit_embeddings(n, d, generator) for n in (task.V, task.A))
    possible = torch.zeros(task.S + task.R, task.A, dtype=torch.float64)
    possible[: task.S].scatter_(1, task.answers, 1.0)
    possible[task.S :] = torch.eye(task.R, dtype=torch.float64).repeat_interleave(task.D, 1)
    sets = head_sets(task.S, task.R, H)
    W_V, W_O = [], []
    for tokens in sets:
        basis = torch.linalg.qr(torch.randn(d, d_h, generator=generator, dtype=torch.float64)).Q.T
        P = basis * math.sqrt(d / d_h)
        W_V.append(P)
        W_O.append(U.T @ possible[tokens].T @ (E[tokens] @ P.T))
    W_Q, W_K = look_for(sets, E, d_h)
    return _assemble(E, U, W_Q, W_K, torch.stack(W_V), torch.stack(W_O))


def attention_and_mlp(task: FactTask, *, d: int, m: int, generator: torch.Generator) -> FactWeights:
    """Return the construction with an MLP (Theorem 4): heads of full rank for s and r, an MLP of width m, in float64.

    The MLP's first layer is random; its second is the ridge regression that sends e_s + e_r to u_{a*(s, r)} (less the
    e_s + e_r that goes around the MLP). Raises ValueError for m < 1.
    """
    if m < 1:
        raise ValueError(f"m is {m}; the construction with an MLP needs at least 1 neuron.")
    E, U = (unit_embeddings(n, d, generator) for n in (task.V, task.A))
    sets = head_sets(task.S, task.R, 2)
    eye = torch.eye(d, dtype=torch.float64).expand(2, d, d)
    W_Q, W_K = look_for(sets, E, d)
    W_in = torch.randn(m, d, generator=generator, dtype=torch.float64)
    b_in = -torch.randn(m, generator=generator, dtype=torch.float64)
    s = torch.arange(task.S).repeat_interleave(task.R)
    r = torch.arange(task.R).repeat(task.S)
    x = E[s] + E[task.S + r]
    hidden = torch.relu(x @ W_in.T + b_in)
    gram = hidden @ hidden.T
    gram += RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=torch.float64)
    W_out = torch.linalg.solve(gram, U[task.answers[s, r]] - x).T @ hidden
    return _assemble(E, U, W_Q, W_K, eye, eye, W_in=W_in, b_in=b_in, W_out=W_out)


def look_for(
    sets: Sequence[Int[Tensor, "_"]], E: Float[Tensor, "V d"], d_h: int
) -> tuple[Float[Tensor, "H d_h d"], Float[Tensor, "H d_h d"]]:
    """W_Q, W_K of rank 1 with score(z) = SHARPNESS on a head's tokens and 0 on all others, as far as d allows.

    The pseudo-inverse solves for the key; the sum of the tokens' embeddings is close to it only for large d.
    """
    wanted = torch.zeros(len(E), len(sets), dtype=torch.float64)
    for head, tokens in enumerate(sets):
        wanted[tokens, head] = SHARPNESS
    keys = torch.linalg.pinv(E) @ wanted
    W_Q, W_K = (torch.zeros(len(sets), d_h, E.shape[1], dtype=torch.float64) for _ in range(2))
    W_Q[:, 0] = E[-1] / (E[-1] @ E[-1]) * math.sqrt(d_h)
    W_K[:, 0] = keys.T
    return W_Q, W_K


def _assemble(
    E: Tensor,
    U: Tensor,
    W_Q: Tensor,
    W_K: Tensor,
    W_V: Tensor,
    W_O: Tensor,
    *,
    W_in: Tensor | None = None,
    b_in: Tensor | None = None,
    W_out: Tensor | None = None,
) -> FactWeights:
    d = E.shape[1]
    return FactWeights(
        E=E,
        U=U,
        W_Q=W_Q,
        W_K=W_K,
        W_V=W_V,
        W_O=W_O,
        W_in=E.new_zeros(0, d) if W_in is None else W_in,
        b_in=E.new_zeros(0) if b_in is None else b_in,
        W_out=E.new_zeros(d, 0) if W_out is None else W_out,
    )


def stored_parameters(weights: FactWeights) -> int:
    """Parameters that store facts: 2 H d_h d in W_V and W_O, 2 m d in the MLP. Keys and queries have rank 1."""
    return sum(getattr(weights, name).numel() for name in ("W_V", "W_O", "W_in", "W_out"))
