"""The page's draws, memories and gradient descent. Oracle: the generator and PyTorch in plain Python, and moments."""

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from mechbook.gradients.lemmas import association_gradient, descend, deterministic_joint, with_positions
from mechbook.memories.outer_product import outer_product_memory, predicted_recall, scores
from mechbook.memories.widgets import capacity
from tests.browser.browser import library_page

WORD = 0xFFFFFFFF
EMBEDDINGS = "(all) => Array.from(mechbook.associative.embeddings(...all))"
INNER = """([x, n, y, m, d]) =>
  Array.from(mechbook.associative.inner(Float32Array.from(x), n, Float32Array.from(y), m, d))"""
RECALL = """([u, v, f, d]) => {
  const { scores, share } = mechbook.associative.recall(Float32Array.from(u), Float32Array.from(v), f, d);
  return [Array.from(scores), share];
}"""
DESCEND = """([U, x, y, targets, d, eta, steps]) => {
  const [a, b, c] = [U, x, y].map((values) => Float32Array.from(values));
  const look = (logits, seen) => [Array.from(logits(c)), Array.from(seen)];
  return mechbook.associative.descend({ U: a, x: b, targets, d, eta, steps, look });
}"""


@pytest.fixture(scope="module")
def page(browser: Any) -> Iterator[Any]:
    with library_page(browser) as found:
        yield found


def uniforms(seed: int, stream: int, count: int) -> list[float]:
    """The generator as its definition states it, on whole numbers."""
    a, b, c, counter, found = seed, stream, 0x6D656D, 1, []
    for _ in range(15 + count):
        out = (a + b + counter) & WORD
        counter = (counter + 1) & WORD
        a, b = b ^ (b >> 9), (c + (c << 3)) & WORD
        c = (((c << 21) | (c >> 11)) + out) & WORD
        found.append(out / 2**32)
    return found[15:]


def test_embeddings_are_the_documented_draw(page: Any) -> None:
    """Oracle: Box and Muller on the generator, value by value."""
    found = page.evaluate(EMBEDDINGS, [7, 3, 5, 13])
    u = uniforms(7, 3, 66)
    expected = []
    for first, second in zip(u[::2], u[1::2], strict=True):
        radius = math.sqrt(-2 * math.log(1 - first) / 13)
        expected += [radius * math.cos(2 * math.pi * second), radius * math.sin(2 * math.pi * second)]
    assert found == pytest.approx(expected[:65], abs=1e-6)
    # With more rows the first ones stay; another seed or stream is another draw.
    assert page.evaluate(EMBEDDINGS, [7, 3, 11, 13])[:65] == found
    assert not set(found) & set(page.evaluate(EMBEDDINGS, [8, 3, 5, 13]) + page.evaluate(EMBEDDINGS, [7, 4, 5, 13]))


def test_embeddings_are_gaussian_and_independent(page: Any) -> None:
    """Oracle: moments of N(0, 1/d), each within four standard errors."""
    d, n = 64, 2048
    x = torch.tensor(page.evaluate(EMBEDDINGS, [1, 2 * d, n, d]), dtype=torch.float64).view(n, d) * math.sqrt(d)
    y = torch.tensor(page.evaluate(EMBEDDINGS, [1, 2 * d + 1, n, d]), dtype=torch.float64).view(n, d) * math.sqrt(d)
    error = 1 / math.sqrt(n * d)
    for values, mean, variance in (
        (x, 0, 1),
        (x**2, 1, 2),
        (x**3, 0, 15),
        (x**4, 3, 96),
        (x[:, 1:] * x[:, :-1], 0, 1),
        (x[1:] * x[:-1], 0, 1),
        (x * y, 0, 1),
    ):
        assert abs(float(values.mean()) - mean) < 4 * error * math.sqrt(variance * 1.1)


@pytest.mark.parametrize(("n", "m", "d"), [(1, 1, 1), (5, 7, 3), (2, 4, 11), (13, 2, 5)])
def test_inner_products_at_every_edge_of_the_blocks(page: Any, n: int, m: int, d: int) -> None:
    generator = torch.Generator().manual_seed(n)
    x, y = (torch.randn(size, d, generator=generator, dtype=torch.float64) for size in (n, m))
    found = page.evaluate(INNER, [x.flatten().tolist(), n, y.flatten().tolist(), m, d])
    torch.testing.assert_close(torch.tensor(found, dtype=torch.float64).view(n, m), x @ y.T, rtol=0, atol=1e-5)


@pytest.mark.parametrize("f", [[2, 0, 1], [0, 1, 1, 0, 0, 1, 1]])
def test_scores_of_any_map(page: Any, f: list[int]) -> None:
    """Oracle: mechbook.memories.outer_product, for maps that the widget does not use too."""
    N, M, d = len(f), max(f) + 1, 5
    generator = torch.Generator().manual_seed(N)
    u, v = (torch.randn(n, d, generator=generator, dtype=torch.float64) for n in (N, M))
    found, share = page.evaluate(RECALL, [u.flatten().tolist(), v.flatten().tolist(), f, d])
    targets = torch.tensor(f)
    expected = scores(outer_product_memory(u, v, targets), u, v)
    torch.testing.assert_close(torch.tensor(found, dtype=torch.float64).view(N, M), expected, rtol=1e-5, atol=1e-5)
    # A score that only ties is no recall; here none does.
    assert share == pytest.approx(float((expected.argmax(1) == targets).double().mean()))


@pytest.mark.parametrize("positions", [False, True])
def test_gradient_descent_is_the_chapters(page: Any, positions: bool) -> None:
    """Oracle: mechbook.gradients.lemmas, at every step, on a map that is not one to one."""
    N, T, d, eta, steps = 7, 3, 11, 3.0, 5
    generator = torch.Generator().manual_seed(1)
    W_E, W_U, P = (torch.randn(n, d, generator=generator) / d**0.5 for n in (N, N, T))
    W_E, W_U, P = W_E.double(), W_U.double(), P.double()
    targets = torch.tensor([3, 3, 0, 6, 1, 2, 5])
    inputs, joint = W_E, deterministic_joint(targets, N)
    if positions:
        inputs, joint = with_positions(W_E, P, joint)
    drawn = [values.flatten().tolist() for values in (W_U, inputs, P)]
    found = page.evaluate(DESCEND, [*drawn, joint.argmax(1).tolist(), d, eta, steps])
    assert len(found) == steps + 1
    for step, (read, seen) in enumerate(found):
        zero = torch.zeros(d, d, dtype=torch.float64)
        W = descend(lambda W: association_gradient(W, inputs, W_U, joint), zero, steps=step, lr=eta)
        for values, rows in ((read, P), (seen, inputs)):
            expected = rows @ W.T @ W_U.T
            torch.testing.assert_close(
                torch.tensor(values, dtype=torch.float64).view_as(expected), expected, rtol=0, atol=1e-6
            )


def test_the_page_has_the_predicted_recall(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: mechbook.memories.outer_product; computed and read from the cache it is the same, and JSON."""
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))
    monkeypatch.setattr(capacity, "COUNTS", (4, 8, 11, 181))
    monkeypatch.setattr(capacity, "DIMENSIONS", (16, 48))
    first = capacity.predicted_table()
    assert json.loads(json.dumps(capacity.predicted_table())) == first
    expected = {
        "own": [[predicted_recall(N, d) for N in (4, 8, 11, 181)] for d in (16, 48)],
        "shared": [[predicted_recall(N, d, min(N, 8)) for N in (4, 8, 11, 181)] for d in (16, 48)],
    }
    assert first == expected
