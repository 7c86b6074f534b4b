"""When a token returns, does the model repeat what followed it, or follow the global bigrams? (Birth section 3)"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


class Preference(NamedTuple):
    """Means over second occurrences, by whether the retrieved token r is one of pi_b's most likely; NaN where none is.

    outside, inside: of p(r), the model's probability
    raised_outside, raised_inside: of p(r) - pi_b(r)
    """

    outside: Float[Tensor, ""]
    inside: Float[Tensor, ""]
    raised_outside: Float[Tensor, ""]
    raised_inside: Float[Tensor, ""]


def retrieved_token(z: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
    """Return, at each position t, the token after the first occurrence of z_t; -1 where t is that first occurrence.

    For `a b c a` the last position holds `b`, the others -1.
    """
    T = z.shape[1]
    same = z[:, :, None] == z[:, None, :]
    first = same.to(torch.int8).argmax(2)
    following = z.gather(1, (first + 1).clamp(max=T - 1))
    return torch.where(first < torch.arange(T, device=z.device), following, -1)


def retrieval_preference(
    logits: Float[Tensor, "B T N"],
    z: Int[Tensor, "B T"],
    occurrence: Int[Tensor, "B T"],
    pi_b: Float[Tensor, "N N"],
    *,
    top: int = 3,
    where: Bool[Tensor, "B T"] | None = None,
) -> Preference:
    """Return the means of p(r | z_1..z_t) and of that less pi_b(r | z_t), where z_t occurs a second time.

    r is the token after its first occurrence. Split by whether r is among the `top` most likely tokens of
    pi_b(. | z_t). `where` marks the positions to count; None marks all. Raises ValueError when top is outside 1..N.
    """
    N = logits.shape[-1]
    if not 1 <= top <= N:
        raise ValueError(f"top is {top}; it must be between 1 and {N}.")
    retrieved = retrieved_token(z)
    second = (occurrence == 2) & (retrieved >= 0)
    if where is not None:
        second = second & where
    r = retrieved.clamp(min=0)
    rows = pi_b.to(logits)[z]
    p = logits.softmax(-1).gather(2, r[..., None]).squeeze(2)
    raised = p - rows.gather(2, r[..., None]).squeeze(2)
    inside = (rows.topk(top, dim=2).indices == r[..., None]).any(2)
    split = (second & ~inside, second & inside)
    return Preference(*(_mean(values, where) for values in (p, raised) for where in split))


def _mean(values: Float[Tensor, "B T"], where: Bool[Tensor, "B T"]) -> Float[Tensor, ""]:
    counted = where.to(values.dtype)
    return (values * counted).sum() / counted.sum()
