"""What no linear memory can do with sets: score_k({a_i, b_j}) = alpha_k(i) + beta_k(j), whatever its matrix is."""

import torch
from jaxtyping import Float
from torch import Tensor


def window_memory(tokens: Float[Tensor, "two_n d"], values: Float[Tensor, "n d"]) -> Float[Tensor, "d d"]:
    """The linear memory of rank two that recalls 3/4 of the table (i + j) mod n, for even n; no linear memory more.

    Its score of value k is 2 t_k (i + j) - t_k^2, largest for the t_k nearest to i + j: t_k is the number in the window
    n/2 .. 3n/2 - 1 with t_k = k mod n, so sums in the window are right. tokens: a_0 .. a_{n-1}, then b_0 .. b_{n-1}.
    Raises ValueError unless there are two tokens for each value and both sets of embeddings are linearly independent.
    """
    n = len(values)
    if len(tokens) != 2 * n:
        raise ValueError(f"There are {len(tokens)} tokens and {n} values; give two families of n tokens and n values.")
    for name, rows in (("tokens", tokens), ("values", values)):
        if int(torch.linalg.matrix_rank(rows)) < len(rows):
            raise ValueError(f"The {name} are not linearly independent: take more dimensions than there are {name}.")
    number = torch.arange(n).repeat(2).to(tokens)
    t = torch.arange(n).to(tokens)
    t = torch.where(t < n // 2, t + n, t)
    # what each token adds to each score; a set's key is the sum of its two tokens over sqrt(2)
    added = 2**0.5 * (2 * torch.outer(t, number) - t[:, None].square() / 2)
    return torch.linalg.pinv(values) @ added @ torch.linalg.pinv(tokens).T
