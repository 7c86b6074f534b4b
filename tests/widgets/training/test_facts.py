"""The page's fact recall against PyTorch's. Oracle: descend_one and fact_scores on the same batches, in float64."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from scipy.stats import chi2_contingency

from mechbook.facts.model import linear_logits
from mechbook.facts.plain import descend_one
from mechbook.facts.task import CountBatch, FactTask, sample_counts, structured_answers
from tests.browser.browser import library_page

KERNELS = ("vectors", "plain")
GRADIENTS, AFTER_STEPS, LEVEL = 1e-4, 1e-3, 1e-3
TASK = FactTask(S=6, R=5, D=3, T=11, n_noise=7, answers=structured_answers(6, 5, 3))
BATCH = 37
TRAIN = """([kernels, settings, tables, batches]) => {
  const { code, factsOf } = mechbook.training;
  const floats = Object.fromEntries(Object.entries(tables).map(([name, values]) => [name, Float32Array.from(values)]));
  const run = factsOf(kernels === "plain" ? null : code(), settings, floats), seen = [];
  let slopes = null;
  for (const [rows, targets] of batches) {
    seen.push(run.measure(rows, targets));
    slopes ??= run.slopes();
    const held = run.held(), now = run.slopes();
    for (const name of ["values", "weights"]) held[name] = held[name].map((x, i) => x - settings.lr * now[name][i]);
    run.take({ step: 0, updates: 0, points: [], sums: [0, 0, 0, 0], parts: held });
  }
  const lists = (all) => Object.fromEntries(Object.entries(all).map(([name, found]) => [name, Array.from(found)]));
  return { seen, slopes: lists(slopes), held: lists(run.held()), vectors: run.vectors };
}"""
RUN = """([kernels, settings, steps, asked]) => {
  const run = mechbook.training.factsOf(kernels === "plain" ? null : mechbook.training.code(), settings);
  for (let i = 0; i < steps; i++) run.advance();
  const { values, weights } = run.held();
  const [p, table, row] = [run.seen(asked).p, values, weights].map((one) => Array.from(one));
  return { points: run.points, values: table, weights: row, p };
}"""


@pytest.fixture(scope="module")
def page(browser: Any) -> Iterator[Any]:
    with library_page(browser) as found:
        yield found


def settings(task: FactTask = TASK, **change: Any) -> dict[str, Any]:
    given = {"S": task.S, "R": task.R, "D": task.D, "T": task.T, "noise": task.n_noise, "B": BATCH}
    how = {"answers": task.answers.tolist(), "init": 1e-5, "jitter": 0.1, "lr": 0.1, "seed": 0}
    return {**given, **how, "every": 10, "steps": 4000, **change}


def tables() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(TASK.V, TASK.A, generator=generator), torch.randn(TASK.V, generator=generator)


def batches(count: int) -> list[CountBatch]:
    generator = torch.Generator().manual_seed(2)
    return [sample_counts(TASK, BATCH, generator) for _ in range(count)]


def distance(found: list[float], expected: torch.Tensor) -> float:
    right = expected.detach().double().flatten()
    return float((torch.tensor(found).double() - right).norm() / right.norm())


@pytest.mark.parametrize("kernels", KERNELS)
def test_gradients_and_a_hundred_steps_are_pytorchs(page: Any, kernels: str) -> None:
    values, weights = tables()
    drawn = batches(100)
    given = {"values": values.flatten().tolist(), "weights": weights.tolist()}
    rows = [[batch.counts.tolist(), batch.targets.tolist()] for batch in drawn]
    found = page.evaluate(TRAIN, [kernels, settings(), given, rows])
    assert found["vectors"] == (kernels == "vectors")
    exact = [values.double().requires_grad_(), weights.double().requires_grad_()]
    first = drawn[0]
    loss = torch.nn.functional.cross_entropy(linear_logits(*exact, first.counts.double()), first.targets)
    slopes = torch.autograd.grad(loss, exact)
    assert found["seen"][0]["loss"] == pytest.approx(loss.item(), rel=1e-5)
    far = [distance(found["slopes"][name], slope) for name, slope in zip(("values", "weights"), slopes, strict=True)]
    assert max(far) < GRADIENTS, far
    ended = [values.clone(), weights.clone()]
    losses = descend_one(linear_logits, ended, drawn, 0.1)
    far = [distance(found["held"][name], table) for name, table in zip(("values", "weights"), ended, strict=True)]
    assert max(far) < AFTER_STEPS, far
    assert [seen["loss"] for seen in found["seen"]] == pytest.approx(losses, rel=AFTER_STEPS)
    assert losses[-1] < 0.8 * losses[0]


def test_plain_and_compiled_kernels_agree_in_every_bit(page: Any) -> None:
    asked = {"s": 4, "r": 2}
    fast, plain = (page.evaluate(RUN, [kernels, settings(), 40, asked]) for kernels in KERNELS)
    assert fast == plain


def test_answers_to_a_question_are_the_models(page: Any) -> None:
    """Oracle: the tables that the page holds, in PyTorch, on the question's mean counts."""
    found = page.evaluate(RUN, ["vectors", settings(lr=0.3, init=0.02), 900, {"s": 4, "r": 2}])
    counts = torch.zeros(1, TASK.V, dtype=torch.float64)
    counts[0, TASK.S + TASK.R : -1] = (TASK.T - 3) / TASK.n_noise
    counts[0, [4, TASK.S + 2, TASK.eos]] = 1
    held = torch.tensor(found["values"]).double().view(TASK.V, TASK.A), torch.tensor(found["weights"]).double()
    expected = linear_logits(*held, counts).softmax(-1)[0]
    torch.testing.assert_close(torch.tensor(found["p"]).double().view(TASK.S, -1)[4], expected, rtol=1e-4, atol=1e-6)
    # the model has learned by then: what is compared is no uniform distribution
    assert expected.max() > 0.5


def test_hallucination_comes_before_the_fact(page: Any) -> None:
    """The three stages, on a small task: the valid answers first, the true one a plateau later."""
    points = page.evaluate(RUN, ["vectors", settings(lr=0.3), 4000, {"s": 0, "r": 0}])["points"]
    valid = next(point["step"] for point in points if point["valid"] > 0.9)
    truth = next(point["step"] for point in points if point["truth"] > 0.9)
    between = [point for point in points if valid <= point["step"] and point["truth"] < 0.6]
    assert 0 < valid < truth and len(between) > 5
    # right by chance, one in D; and its best guesses come right long before it is sure of them
    best = next(point["step"] for point in points if point["best"] > 0.9)
    sure = next(point["step"] for point in points if point["truth"] > 0.7)
    assert valid < best < sure and points[-1]["best"] == pytest.approx(1)
    assert max(point["best"] for point in points if point["step"] <= valid) < 3 / TASK.D
    assert min(point["truth"] for point in between) == pytest.approx(1 / TASK.D, abs=0.1)


def test_the_noise_around_a_question_is_the_packages(page: Any) -> None:
    """Oracle: the package's counts of one noise token, by chi-square at a level of 1 in 1000."""
    script = """(settings) => {
      const run = mechbook.training.factsOf(mechbook.training.code(), settings);
      return run.drawn(60);
    }"""
    found = torch.tensor(page.evaluate(script, settings())).view(-1, TASK.V)
    expected = sample_counts(TASK, 4000, torch.Generator().manual_seed(4)).counts
    assert torch.equal(found.sum(1), torch.full((len(found),), float(TASK.T)))
    assert bool((found[:, TASK.eos] == 1).all())
    for token in (0, TASK.S + 1, TASK.S + TASK.R + 3):
        both = torch.stack([rows[:, token].long().bincount(minlength=9) for rows in (found, expected)])
        often = both.sum(0) >= 20
        table = torch.cat([both[:, often], both[:, ~often].sum(1, keepdim=True)], 1)
        assert chi2_contingency(table[:, table.sum(0) > 0].numpy()).pvalue > LEVEL
