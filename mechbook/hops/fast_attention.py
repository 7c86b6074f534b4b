"""The attention of many short sequences with narrow heads, forward and backward written out: `attend`.

The products are tiny, so most of the time goes to moving numbers. Here q, k and v are laid out head by head once, and
their gradients put back in one copy. The weights are kept as E, not divided by their sums: A_ts = E_ts / sum_s E_ts.
Backward, with o = A v, g = do / sum E and D_t = sum_c g_tc o_tc:

    dv = E^T g,   dS = E * (g v^T - D),   dq = dS k,   dk = dS^T q.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

# Between these, a sum of exponentials in float32 has lost nothing to underflow and is far from overflow.
SMALLEST, LARGEST = 1e-30, 1e30


def attend(qkv: Float[Tensor, "B T three_d"], heads: int, *, causal: bool = False) -> Float[Tensor, "B T d"]:
    """Return softmax(q k^T) v of each head, heads side by side; q, k, v are the thirds of `qkv`, in that order.

    Scores are not divided by anything: scale q before. Causal: a token sees only itself and those before it.
    """
    mixed: Tensor = _Attend.apply(qkv, heads, causal)
    return mixed


def exponentials(scores: Float[Tensor, "m T T"]) -> tuple[Float[Tensor, "m T T"], Float[Tensor, "m T 1"]]:
    """Return E = exp(scores - c), with c of each row as needed, and the sums of its rows: E / sums is the softmax.

    c is 0 while that loses no digits, and else the row's maximum. Looking for the maxima of short rows is what makes
    torch's softmax slow on a CPU, up to ten times for rows of 15.
    """
    powers, sums = _summed(scores)
    low, high = sums.aminmax()
    if bool((low > SMALLEST) & (high < LARGEST)):
        return powers, sums
    return _summed(scores - scores.amax(-1, keepdim=True))


def _summed(scores: Tensor) -> tuple[Tensor, Tensor]:
    powers = scores.exp()
    m, T, _ = powers.shape
    # as a product: faster than a sum over short rows
    return powers, torch.mv(powers.view(m * T, T), powers.new_ones(T)).view(m, T, 1)


class _Attend(torch.autograd.Function):
    """`attend` with its gradient."""

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, heads: int, causal: bool) -> Tensor:
        B, T, three_d = qkv.shape
        width = three_d // 3 // heads
        q, k, v = qkv.view(B, T, 3, heads, width).permute(2, 0, 3, 1, 4).reshape(3, B * heads, T, width)
        scores = torch.bmm(q, k.transpose(1, 2))
        if causal:
            later = torch.ones(T, T, dtype=torch.bool, device=qkv.device).triu(1)
            scores.masked_fill_(later, -torch.inf)
        powers, sums = exponentials(scores)
        mixed = qkv.new_empty(B, T, heads * width)
        sides = mixed.view(B, T, heads, width).transpose(1, 2)
        torch.div(torch.bmm(powers, v).view(sides.shape), sums.view(B, heads, T, 1), out=sides)
        ctx.save_for_backward(q, k, v, powers, sums, mixed)
        return mixed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = gradients
        q, k, v, powers, sums, mixed = ctx.saved_tensors
        B, T, d = gradient.shape
        heads, width = len(q) // B, q.shape[2]
        # adds up each head's part: (d, heads), ones where column c belongs to head h
        own = torch.eye(heads, dtype=q.dtype, device=q.device).repeat_interleave(width, 0)
        D = ((gradient * mixed) @ own).transpose(1, 2).reshape(B * heads, T, 1) / sums
        g = q.new_empty(B, heads, T, width)
        torch.div(gradient.view(B, T, heads, width).transpose(1, 2), sums.view(B, heads, T, 1), out=g)
        g = g.view(B * heads, T, width)
        d_qkv = q.new_empty(3, B * heads, T, width)
        torch.bmm(powers.transpose(1, 2), g, out=d_qkv[2])
        d_scores = torch.bmm(g, v.transpose(1, 2)).sub_(D).mul_(powers)
        torch.bmm(d_scores, k, out=d_qkv[0])
        torch.bmm(d_scores.transpose(1, 2), q, out=d_qkv[1])
        back = d_qkv.view(3, B, heads, T, width).permute(1, 3, 0, 2, 4)
        return back.reshape(B, T, 3 * d), None, None
