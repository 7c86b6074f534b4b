"""Count the matrix products of a piece of torch code, and measure how fast this machine multiplies: a step's limit.

with Products() as counted:
    step()
counted.flops / rate()          # seconds that the products alone would take
"""

import time
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

# where the two factors stand among the arguments
FACTORS = {"mm": 0, "bmm": 0, "addmm": 1, "baddbmm": 1}


class Products(TorchDispatchMode):
    """Counts floating-point operations of matrix products while it is entered, those of backward passes included.

    flops: 2 for each multiplication and addition; attention in one call counts its two products, its backward pass
    five (it makes the scores again)
    """

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.split("::")[1].rstrip("_")
        if name in FACTORS:
            a, b = args[FACTORS[name] : FACTORS[name] + 2]
            self.flops += 2 * a.numel() * b.shape[-1]
        elif "scaled_dot_product" in name:
            back = "backward" in name
            q, k = args[back : back + 2]
            self.flops += (10 if back else 4) * q.numel() * k.shape[-2]
        return func(*args, **(kwargs or {}))


def rate(n: int = 1024, repeats: int = 10) -> float:
    """Operations a second of one n x n float32 product on this thread: the fastest of some, by its processor time."""
    a: Tensor = torch.randn(n, n, generator=torch.Generator().manual_seed(0))
    best = float("inf")
    for _ in range(repeats):
        start = time.thread_time()
        a @ a
        best = min(best, time.thread_time() - start)
    return 2 * n**3 / best
