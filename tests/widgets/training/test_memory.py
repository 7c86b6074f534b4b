"""The page's steps on one memory. Oracle: torch's derivative of the same loss, its singular value decomposition."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.browser.browser import library_page

KERNELS = ("vectors", "plain")
RUN = """([kernels, settings, pairs, steps]) => {
  const { code, memoryRunOf } = mechbook.training;
  const floats = Object.fromEntries(Object.entries(pairs).map(([name, values]) => [name, Float32Array.from(values)]));
  const run = memoryRunOf(kernels === "plain" ? null : code(), settings, floats), seen = [];
  for (let i = 0; i < steps; i++) { run.advance(); seen.push(Array.from(run.W())); }
  return { points: run.points, seen, vectors: run.vectors };
}"""


@pytest.fixture(scope="module")
def page(browser: Any) -> Iterator[Any]:
    with library_page(browser) as found:
        yield found


def pairs(N: int, d: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(4)
    keys, values = (torch.randn(N, d, generator=generator) / d**0.5 for _ in range(2))
    return keys, values


def steps(keys: Tensor, values: Tensor, a: float, way: str, lr: float, count: int) -> tuple[list[Tensor], list[float]]:
    """W after each step, in float64, and the share of pairs that W recalls before each."""
    keys, values, N = keys.double(), values.double(), len(keys)
    p = torch.arange(1, N + 1, dtype=torch.float64) ** -a
    p, W = p / p.sum(), torch.zeros(values.shape[1], keys.shape[1], dtype=torch.float64)
    held, stored = [], []
    for _ in range(count):
        W = W.detach().requires_grad_()
        logits = keys @ W.T @ values.T
        best = logits.argmax(1) == torch.arange(N)
        stored.append(float(best.double().mean()) if bool((logits != 0).any()) else 0.0)
        loss = (p * F.cross_entropy(logits, torch.arange(N), reduction="none")).sum()
        (step,) = torch.autograd.grad(loss, W)
        if way == "polar":
            U, _, V = torch.linalg.svd(step, full_matrices=False)
            step = U @ V
        W = W.detach() - lr * step
        held.append(W)
    return held, stored


def in_page(page: Any, kernels: str, keys: Tensor, values: Tensor, a: float, way: str, lr: float, count: int) -> Any:
    N, d = keys.shape
    settings = {"N": N, "d": d, "a": a, "way": way, "lr": lr, "seed": 0, "every": 1, "steps": 100}
    given = {"keys": keys.flatten().tolist(), "values": values.flatten().tolist()}
    return page.evaluate(RUN, [kernels, settings, given, count])


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize(
    ("N", "d", "a", "way", "lr"),
    [
        (13, 7, 0.0, "gradient", 10.0),
        (11, 19, 1.5, "gradient", 20.0),
        (17, 7, 1.0, "polar", 0.5),
        (23, 14, 0.5, "polar", 1.0),
    ],
)
def test_every_step_is_pytorchs(page: Any, kernels: str, N: int, d: int, a: float, way: str, lr: float) -> None:
    keys, values = pairs(N, d)
    found = in_page(page, kernels, keys, values, a, way, lr, 12)
    assert found["vectors"] == (kernels == "vectors")
    held, stored = steps(keys, values, a, way, lr, 12)
    for W, right in zip(found["seen"], held, strict=True):
        far = (torch.tensor(W).double() - right.flatten()).norm() / right.norm()
        assert float(far) < 1e-3
    assert [point["stored"] for point in found["points"]] == pytest.approx(stored, abs=1e-6)


def test_one_polar_step_stores_what_a_gradient_step_leaves_out(page: Any) -> None:
    keys, values = pairs(24, 32)
    one = [in_page(page, "vectors", keys, values, 1.5, way, lr, 2)["points"][1]
           for way, lr in (("gradient", 20.0), ("polar", 1.0))]  # fmt: skip
    assert one[0]["stored"] < 0.5 and one[1]["stored"] > 0.9
    assert one[0]["answered"] < one[1]["answered"]


def test_plain_and_compiled_kernels_agree_in_every_bit(page: Any) -> None:
    keys, values = pairs(13, 11)
    fast, plain = (in_page(page, kernels, keys, values, 1.0, "polar", 0.5, 5)["seen"] for kernels in KERNELS)
    assert fast == plain
