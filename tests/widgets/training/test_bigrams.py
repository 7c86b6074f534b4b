"""The page's draws. Oracle: the package's sampler, by chi-square at a level of 1 in 1000; digits of Python's math."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from scipy.stats import chi2_contingency, norm

from mechbook.shared.bigrams import BigramTask, sample
from mechbook.shared.shakespeare import load_counts
from tests.browser.browser import library_page
from tests.widgets.training.page import uneven_task

LEVEL = 1e-3
# One sequence, six targets, the sum of all tokens and how many positions count; five N(0, 1) numbers.
RECORDED = ([8, 9, 7, 2, 4, 0, 10, 0, 0, 0, 9, 0, 7, 2, 4, 4, 8], [2, 4, 6, 2, 2, 2], 449995, 20810)
NORMALS = [
    "0x1.23c7300000000p-2",
    "-0x1.90d00a0000000p-2",
    "-0x1.e5de7e0000000p-2",
    "0x1.1f062a0000000p-1",
    "0x1.267dda0000000p+0",
]
BATCHES, SIZE = 40, 128
DRAW = """([task, batches, B, seed]) => {
  const { sampler } = mechbook.training, { uniforms } = mechbook.associative, draw = sampler(task), { T } = task;
  const room = {
    z: new Int32Array(B * T), stride: T, counts: new Int32Array(B),
    places: new Int32Array(B * T), targets: new Int32Array(B * T),
  };
  const all = [];
  for (let i = 0; i < batches; i++) {
    const n = draw(uniforms(seed, i + 1), room);
    const [z, counts] = [room.z, room.counts].map((one) => Array.from(one));
    const [places, targets] = [room.places, room.targets].map((one) => Array.from(one.subarray(0, n)));
    all.push({ z, counts, places, targets });
  }
  return all;
}"""


@pytest.fixture(scope="module")
def page(browser: Any) -> Iterator[Any]:
    with library_page(browser) as found:
        yield found


def in_page(page: Any, task: BigramTask, seed: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Sequences (n, T), which positions count (n, T), and the targets there."""
    given = {"pi_u": task.pi_u.tolist(), "pi_b": task.pi_b.tolist(), "T": task.T, "K": task.K}
    given["triggers"] = None if task.triggers is None else list(task.triggers)
    rows, chosen, targets = [], [], []
    for batch in page.evaluate(DRAW, [given, BATCHES, SIZE, seed]):
        rows.append(torch.tensor(batch["z"]).view(SIZE, task.T))
        mask = torch.zeros(SIZE, task.T, dtype=torch.bool)
        mask[torch.arange(SIZE).repeat_interleave(torch.tensor(batch["counts"])), torch.tensor(batch["places"])] = True
        chosen.append(mask)
        targets += batch["targets"]
    return torch.cat(rows), torch.cat(chosen), torch.tensor(targets)


def same(found: torch.Tensor, expected: torch.Tensor, cells: int) -> float:
    """The p-value of the two samples of cells having one distribution; rare cells count together."""
    counts = torch.stack([values.flatten().bincount(minlength=cells) for values in (found, expected)])
    often = counts.sum(0) >= 20
    table = torch.cat([counts[:, often], counts[:, ~often].sum(1, keepdim=True)], 1)
    return float(chi2_contingency(table[:, table.sum(0) > 0].numpy()).pvalue)


def fixed_task() -> BigramTask:
    task = uneven_task(11, 17, 3)
    return BigramTask(pi_u=task.pi_u, pi_b=task.pi_b, T=17, K=3, triggers=(2, 7, 5))


def shakespeare() -> BigramTask:
    counts = load_counts()
    return BigramTask(pi_u=counts.pi_u, pi_b=counts.pi_b, T=19, K=5)


@pytest.mark.parametrize("make", [lambda: uneven_task(11, 17, 3), fixed_task, shakespeare])
def test_the_distribution_is_that_of_the_packages_sampler(page: Any, make: Any) -> None:
    task = make()
    N, T = task.N, task.T
    z, chosen, targets = in_page(page, task)
    batch = sample(task, BATCHES * SIZE, torch.Generator().manual_seed(11))
    # one position a sequence: positions of one sequence are no independent draws
    rows = torch.arange(len(z))
    for t in (0, T // 2, T - 1):
        assert same(z[:, t], batch.inputs[:, t], N) > LEVEL
    pairs = lambda tokens, t: tokens[rows, t] * N + tokens[rows, t + 1]  # noqa: E731
    assert same(pairs(z, 0), pairs(batch.inputs, 0), N * N) > LEVEL
    assert same(pairs(z, T - 2), pairs(batch.inputs, T - 2), N * N) > LEVEL
    assert same(chosen.sum(1), batch.in_context.sum(1), T + 1) > LEVEL
    known = [z[chosen] * N + targets, batch.inputs[batch.in_context] * N + batch.targets[batch.in_context]]
    # the first such position of each sequence
    first = [mask & (mask.cumsum(1) == 1) for mask in (chosen, batch.in_context)]
    known = [values[f[mask]] for values, f, mask in zip(known, first, (chosen, batch.in_context), strict=True)]
    assert same(known[0], known[1], N * N) > LEVEL


def test_what_counts_is_a_trigger_from_its_second_time_on(page: Any) -> None:
    z, chosen, targets = in_page(page, fixed_task())
    assert set(z[chosen].tolist()) == {2, 7, 5}
    want = targets.tolist()
    place = 0
    for row, mask in zip(z[:300].tolist(), chosen[:300].tolist(), strict=True):
        after: dict[int, int] = {}
        seen: set[int] = set()
        for t, token in enumerate(row):
            repeated = token in (2, 7, 5) and token in seen
            assert mask[t] == repeated
            if repeated:
                assert want[place] == after[token] and (t + 1 == len(row) or row[t + 1] == after[token])
                place += 1
            if token not in seen and t + 1 < len(row):
                after[token] = row[t + 1]
            seen.add(token)


def test_a_seed_draws_the_same_in_every_browser(page: Any) -> None:
    """Oracle: what was drawn once, written down; the arithmetic is exact, so that other digits are a fault."""
    z, chosen, targets = in_page(page, fixed_task(), seed=5)
    numbers = page.evaluate("() => Array.from(mechbook.training.normals(mechbook.associative.uniforms(5, 0), 5, 1))")
    assert (z[0].tolist(), targets[:6].tolist(), int(z.sum()), int(chosen.sum())) == RECORDED
    assert [value.hex() for value in numbers] == NORMALS


def test_logarithms_are_right_to_the_last_digits(page: Any) -> None:
    values = [1e-300, 1e-9, 0.3, 0.7071067811865475, 0.99999, 1.0, 1.5, 2.0, 3e7]
    found = page.evaluate("(values) => values.map(mechbook.training.logarithm)", values)
    assert found == pytest.approx([math.log(value) for value in values], rel=4e-16, abs=1e-16)


def test_normal_numbers(page: Any) -> None:
    script = "() => Array.from(mechbook.training.normals(mechbook.associative.uniforms(2, 0), 40000, 2))"
    found = torch.tensor(page.evaluate(script)) / 2
    cells = torch.bucketize(found, torch.tensor([norm.ppf(k / 20) for k in range(1, 20)]))
    expected = torch.arange(20).repeat_interleave(100_000)
    assert same(cells, expected, 20) > LEVEL
    # neighbours come out of one draw
    pairs = found.view(-1, 2).sign()
    assert abs(float(pairs.prod(1).mean())) < 4 / 20000**0.5
