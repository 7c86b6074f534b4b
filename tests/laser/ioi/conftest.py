"""What the tests of the IOI circuit share: a tiny model of random weights, and prompts without words."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mechbook.laser.data.ioi import IOIPrompts
from mechbook.pretrained.adapter import Adapter
from mechbook.pretrained.architectures import adapt

T = 11


@pytest.fixture(scope="module")
def adapter(tiny_model: Callable[..., Path]) -> Adapter:
    from transformers import AutoModelForCausalLM

    return adapt(AutoModelForCausalLM.from_pretrained(tiny_model("llama"), dtype=torch.float64))


def _prompts(seed: int, sizes: tuple[int, ...] = (7, 5)) -> list[IOIPrompts]:
    """A group of prompts without words for each size: names 3 to 9 at places 2, 4 and 7, other tokens above 9."""
    random = torch.Generator().manual_seed(seed)
    groups = []
    for number, n in enumerate(sizes):
        names = torch.stack([torch.randperm(7, generator=random)[:2] + 3 for _ in range(n)])
        rows, IO, S = torch.randint(10, 60, (n, T), generator=random), names[:, 0], names[:, 1]
        ABBA = torch.arange(n) % 2 == 0
        rows[:, 2], rows[:, 4], rows[:, 7] = torch.where(ABBA, IO, S), torch.where(ABBA, S, IO), S
        groups.append(
            IOIPrompts(
                template=f"{number}", texts=("",) * n, tokens=rows, abc=torch.randint(3, 60, (n, T), generator=random),
                IO=IO, S=S, IO_at=torch.where(ABBA, 2, 4), S1_at=torch.where(ABBA, 4, 2),
                S2_at=torch.full((n,), 7), is_ABBA=ABBA,
            )
        )  # fmt: skip
    return groups


@pytest.fixture
def prompts() -> Callable[..., list[IOIPrompts]]:
    """What makes the prompts of a seed; a fixture, for tests do not import each other."""
    return _prompts
