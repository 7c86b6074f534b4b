"""The stand-in for an accelerator sees what it is to see: each fault planted, and a clean step passed."""

from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

from mechbook.core import devices, settings
from tests.devices import DEVICE, Seen, Waits, launches_on_the_cpu, standing_in

WAITS: dict[str, Callable[[Tensor], object]] = {
    "item": lambda x: x.sum().item(),
    "float": lambda x: float(x[0, 0]),
    "bool": lambda x: bool((x > 0).all()),
    "if": lambda x: 1 if x.sum() > 0 else 0,
    "tolist": lambda x: x.tolist(),
    "cpu": lambda x: x.cpu(),
    "copy to the CPU": lambda x: torch.zeros(3, 5).copy_(x),
    "copy to the device": lambda x: x + torch.ones(3, 5).to(DEVICE),
    "an index of the CPU's": lambda x: x[torch.tensor([0, 2])],
    "numbers to the device": lambda x: x[torch.tensor([0, 2], device=DEVICE)],
}
SHAPES: dict[str, Callable[[Tensor], object]] = {
    "mask": lambda x: x[x > 0],
    "set by a mask": lambda x: x.index_put_((x > 0,), x[0, 0]),
    "nonzero": lambda x: x.nonzero(),
    "where": lambda x: torch.where(x > 0),
    "bincount": lambda x: torch.bincount(x[0].long()),
    "unique": lambda x: x.unique(),
    "equal": lambda x: torch.equal(x, x),
    "multinomial": lambda x: torch.multinomial(x, 2),
    "repeat_interleave": lambda x: torch.repeat_interleave(x[0], x[0].long()),
}


def seen_in(monkeypatch: pytest.MonkeyPatch, step: Callable[[Tensor], object]) -> Seen:
    with standing_in(monkeypatch) as seen:
        x = torch.zeros(3, 5, device=DEVICE)
        seen.clear()
        step(x)
    return seen


@pytest.mark.parametrize("name", WAITS)
def test_each_wait_is_seen_once(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    seen = seen_in(monkeypatch, WAITS[name])
    assert seen.waits.total() == 1 and next(iter(seen.waits)).startswith("test_devices.py:")
    with pytest.raises(AssertionError):
        seen.nothing_wrong()


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_and_answers_that_depend_on_values_are_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(Waits, match="waits for the device"):
        seen_in(monkeypatch, SHAPES[name])


def test_float64_on_the_device_is_seen_and_on_the_cpu_not(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = seen_in(monkeypatch, lambda x: x.double())
    assert seen.doubles.total() == 1
    seen_in(monkeypatch, lambda x: torch.zeros(3, dtype=torch.float64)).nothing_wrong()


def test_two_devices_in_one_operation_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="device"):
        seen_in(monkeypatch, lambda x: x + torch.ones(3, 5))


def test_random_numbers_are_to_come_from_a_generator_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def from_the_cpu(x: Tensor) -> None:
        torch.rand(3, generator=Generator().manual_seed(1), device=DEVICE)
        x.exponential_(generator=Generator())

    def from_the_device(x: Tensor) -> None:
        there = devices.generator_on(settings.device())
        there.manual_seed(5)
        torch.rand(3, generator=there, device=there.device)
        x.exponential_(generator=there)

    assert seen_in(monkeypatch, from_the_cpu).strangers.total() == 2
    seen_in(monkeypatch, from_the_device).nothing_wrong()


def test_kernels_are_counted_and_views_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: by hand. Backward of a product and a sum: two products, and one filling; what expands is a view."""

    def step(x: Tensor) -> None:
        W = torch.ones(5, 7, device=DEVICE, requires_grad=True)
        (x.requires_grad_() @ W.T.t()).sum().backward()

    def on_the_cpu() -> None:
        W = torch.ones(5, 7, requires_grad=True)
        (torch.zeros(3, 5, requires_grad=True) @ W.T.t()).sum().backward()

    assert seen_in(monkeypatch, step).kernels == {"ones": 1, "mm": 3, "sum": 1, "ones_like": 1}
    with launches_on_the_cpu() as seen:
        on_the_cpu()
    assert seen.kernels == {"ones": 1, "zeros": 1, "mm": 3, "sum": 1, "ones_like": 1}
