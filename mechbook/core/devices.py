"""What depends on the kind of device: which of two paths a computation takes, generators, readings, precision.

On the CPU reading a number costs nothing and starting an operation little, so work is cut into blocks that fit its
cache. An accelerator starts operations one by one and any reading waits for all of them: there, few large operations
of fixed shapes are right, and nothing is read until it is needed. All code that has both asks `is_accelerator`.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mechbook.core import settings


def is_accelerator(device: torch.device | str) -> bool:
    """Whether `device` is anything but the CPU."""
    return torch.device(device).type != "cpu"


def generator_on(device: torch.device | str) -> torch.Generator:
    """A generator of random numbers on `device`; whoever takes it seeds it."""
    return torch.Generator(device)


def counting_type(device: torch.device | str) -> torch.dtype:
    """The type in which shares are added up: float64 on the CPU; float32 elsewhere, as not every device has float64."""
    return torch.float32 if is_accelerator(device) else torch.float64


def fast_optimizer(device: torch.device | str) -> dict[str, Any]:
    """Arguments that make an optimizer of torch.optim update all its parameters in few operations on `device`."""
    return {"fused": True} if torch.device(device).type in ("cpu", "cuda") else {"foreach": True}


def read(values: Mapping[str, float | Tensor]) -> dict[str, float]:
    """The numbers, read from an accelerator all at once: one wait for as many 0-d tensors as there are."""
    there = {name: v for name, v in values.items() if isinstance(v, Tensor) and is_accelerator(v.device)}
    if not there:
        return {name: float(v) for name, v in values.items()}
    # one type for all: counts are exact up to 2^24 in float32
    numbers = torch.stack([v.detach().float() for v in there.values()]).tolist()
    found = dict(zip(there, numbers, strict=True))
    return {name: found[name] if name in found else float(v) for name, v in values.items()}


def use_precision() -> None:
    """Let products of float32 matrices use TF32 where the settings say so (MECHBOOK_TF32), and only then."""
    wanted = "tf32" if settings.uses_tf32() else "ieee"
    if settings.device().type == "cuda":
        matmul: Any = torch.backends.cuda.matmul
        matmul.fp32_precision = wanted
