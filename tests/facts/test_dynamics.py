"""Figure 5's runs: the step against plain matrices, the theory's rates against the exact gradient, and the searches."""

import dataclasses
import math
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from mechbook.facts import capacity as facts_capacity
from mechbook.facts import dynamics as facts
from mechbook.facts import hand as facts_hand
from mechbook.facts import knowledge
from mechbook.facts.model import FactConfig, head_tables, initial_weights, linear_logits, softmax_logits, stack
from mechbook.facts.task import FactTask, structured_answers
from mechbook.facts.task_stack import FactStack


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small_stack(G: int = 2) -> FactStack:
    answers = structured_answers(6, 5, 3)
    return FactStack([FactTask(S=6, R=5, D=3, T=9, n_noise=7, answers=answers)] * G)


def double(batch: Any) -> Any:
    return dataclasses.replace(batch, counts=batch.counts.double())


def test_a_step_on_tables_is_a_step_on_the_matrices() -> None:
    """Oracle: autograd on W_OV and W_KQ e_EOS themselves, in float64, for three steps of two models."""
    together, d = small_stack(), 11
    E, U = (torch.randn(2, n, d, generator=generator(n), dtype=torch.float64) for n in (together.V, together.A))
    W_OV = torch.randn(2, d, d, generator=generator(1), dtype=torch.float64)
    key = torch.randn(2, d, generator=generator(2), dtype=torch.float64)
    tables, kernels = head_tables(E, U, W_OV, key), (E @ E.mT, U @ U.mT)
    for seed in range(3):
        batch = double(together.sample_counts(19, generator(seed)))
        facts.descend(softmax_logits, tables, kernels, batch, 0.3)
        W_OV.requires_grad_(), key.requires_grad_()
        for g in range(2):
            out = softmax_logits(*head_tables(E[g], U[g], W_OV[g], key[g]), batch.counts[g])
            F.cross_entropy(out, batch.targets[g]).backward()
        W_OV, key = (W_OV - 0.3 * W_OV.grad).detach(), (key - 0.3 * key.grad).detach()
    for found, expected in zip(tables, head_tables(E, U, W_OV, key), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def test_a_step_with_one_hot_embeddings_is_plain_descent() -> None:
    """Oracle: autograd for each model alone."""
    together = small_stack(3)
    values = torch.randn(3, together.V, together.A, generator=generator(1), dtype=torch.float64)
    weights = torch.randn(3, together.V, generator=generator(2), dtype=torch.float64)
    before, batch = (values.clone(), weights.clone()), double(together.sample_counts(17, generator(3)))
    facts.descend(linear_logits, (values, weights), None, batch, 0.2)
    for g in range(3):
        v, w = (table[g].requires_grad_() for table in before)
        F.cross_entropy(linear_logits(v, w, batch.counts[g]), batch.targets[g]).backward()
        torch.testing.assert_close(values[g], (v - 0.2 * v.grad).detach(), rtol=0, atol=1e-12)
        torch.testing.assert_close(weights[g], (w - 0.2 * w.grad).detach(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("relation_known", [False, True])
@pytest.mark.parametrize(("S", "R", "D"), [(6, 5, 3), (16, 4, 8), (3, 7, 3)])
def test_rates_are_norms_of_the_exact_gradient(S: int, R: int, D: int, relation_known: bool) -> None:
    """Oracle: g_z by a loop over all facts, at the uniform prediction; for subjects also where relations are known."""
    answers, A = structured_answers(S, R, D), R * D
    g = torch.zeros(S + R, A, dtype=torch.float64)
    for s in range(S):
        for r in range(R):
            error = torch.full((A,), -1 / A, dtype=torch.float64)
            if relation_known:
                error.zero_()
                error[r * D : (r + 1) * D] = -1 / D
            error[answers[s, r]] += 1
            g[s] += error / (S * R)
            g[S + r] += error / (S * R)
    relation, subject = facts.growth_rates(S, R, D)
    assert float((g[:S].norm(dim=1) - subject).abs().max()) < 1e-12
    expected = 0.0 if relation_known else relation
    assert float((g[S:].norm(dim=1) - expected).abs().max()) < 1e-12
    assert float(g.sum(1).abs().max()) < 1e-12


def test_the_time_of_escape_is_that_of_the_flow() -> None:
    """Oracle: Euler steps of w' = lr |g| W, W' = lr |g| w from (init, 0), until w W = 1."""
    rate, lr, init = 0.0765, 0.1, 1e-5
    w, W, step = init, 0.0, 0
    while w * W < 1:
        w, W, step = w + lr * rate * W, W + lr * rate * w, step + 1
    assert facts.escape_steps(rate, lr, init) == pytest.approx(step, rel=0.01)


def test_the_longest_stretch_is_found() -> None:
    """Oracle: by hand."""
    steps = [0, 10, 20, 30, 40, 50, 60]
    assert facts.longest_stretch(steps, [True, True, False, True, True, True, False]) == (30, 50)
    assert facts.longest_stretch(steps, [False] * 6 + [True]) == (0, 0)
    assert facts.longest_stretch(steps, [True] * 7) == (0, 60)


def test_checkpoints_go_from_the_start_to_the_end() -> None:
    """Oracle: the docstring; 25 factors from 1 to 8192 are 8192^(1/25) each, up to rounding."""
    steps = facts.checkpoint_steps(8192, 25)
    assert steps[0] == 0 and steps[-1] == 8192 and steps == sorted(set(steps)) and 15 <= len(steps) <= 26
    ratios = [b / a for a, b in zip(steps[4:], steps[5:], strict=False)]
    assert all(abs(ratio / 8192 ** (1 / 25) - 1) < 0.05 for ratio in ratios)


def small_run(model: str) -> facts.DynamicsRun:
    """A run of a moment, in which a model learns."""
    return facts.DynamicsRun(
        model=model, S=6, R=3, D=2, T=9, n_noise=5, d=40, lr=1.0, init=0.01, steps=300, batch_size=64, seeds=2,
        probe_every=50, test_size=256, checkpoints=9,
    )  # fmt: skip


@pytest.mark.parametrize("model", ["linear", "softmax"])
def test_a_run_learns_and_comes_back_the_same(model: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: log |A| at the start, less at the end; from the cache bit for bit what was computed."""
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))
    spec = small_run(model)
    run, again = spec.run(), spec.run()
    assert run.scores["loss"].shape == (7, 2) and run.steps == [0, 50, 100, 150, 200, 250, 300]
    assert float((run.scores["loss"][0] - math.log(6)).abs().max()) < 0.02
    assert float(run.scores["loss"][-1].max()) < 0.7 * math.log(6)
    assert torch.equal(run.final_values, again.final_values) and run.seconds == again.seconds
    assert not torch.equal(run.final_values[0], run.final_values[1])
    assert torch.equal(run.values[-1], run.final_values[0])


def test_a_rate_that_explodes_is_told() -> None:
    """Oracle: the sentence."""
    with pytest.raises(FloatingPointError, match="lower lr = 1e\\+30"):
        facts._train(dataclasses.replace(small_run("linear"), lr=1e30, steps=20))


# ---- capacity, hand-built weights, knowledge -----------------------------------------------------------------------


def test_neurons_that_a_model_has_not_stay_off() -> None:
    """Oracle: a stack without padding is what the padded one must equal, given the same weights."""
    recipe = facts_capacity.Recipe(steps=40, batch_size=32, rates=(1e-2,))
    tasks = [facts_capacity.random_task(4, generator(seed)) for seed in (1, 2)]
    wide = [initial_weights(FactConfig(V=17, A=32, d=8, H=2, d_h=4, m=7), generator(seed)) for seed in (3, 4)]
    narrow = [
        dataclasses.replace(w, W_in=w.W_in[:3], b_in=w.b_in[:3], W_out=w.W_out[:, :3] * math.sqrt(7 / 3)) for w in wide
    ]
    hidden = (torch.arange(7) < 3).float().expand(2, 7)
    padded, plain = stack(wide), stack(narrow)
    first = facts_capacity.train_stack(tasks, padded, recipe, 1e-2, generator(5), hidden=hidden)
    second = facts_capacity.train_stack(tasks, plain, recipe, 1e-2, generator(5))
    torch.testing.assert_close(padded.W_O, plain.W_O, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(padded.W_out[..., :3], plain.W_out, rtol=1e-3, atol=1e-4)
    assert float((first - second).abs().max()) < 0.01


def test_training_teaches_the_facts_of_each_size() -> None:
    """Oracle: a stack of a small and a larger task; a wide model knows both, and never names an answer not there."""
    recipe = facts_capacity.Recipe(steps=400, batch_size=64, rates=(1e-2,))
    tasks = [facts_capacity.random_task(size, generator(size)) for size in (3, 5)]
    config = FactConfig(V=21, A=40, d=24, H=4, d_h=6, m=32)
    weights = stack([initial_weights(config, generator(seed)) for seed in (1, 2)])
    untrained = facts_capacity.train_stack(
        tasks, weights, dataclasses.replace(recipe, steps=0), 1e-2, generator(3)
    )
    trained = facts_capacity.train_stack(tasks, weights, recipe, 1e-2, generator(3))
    assert float(untrained.max()) < 0.4 and float(trained.min()) > 0.97


def test_parameters_of_the_grid_and_the_shapes() -> None:
    """Oracle: 4 H d_h d + 2 m d by a loop; 4 alpha d^2 + 2 beta d^2 where 8 divides alpha d."""
    grid = facts_capacity.TradeoffGrid(S=5, d=7, d_h=3, H=(1, 4), m=(0, 5, 11))
    assert grid.parameters().tolist() == [[4 * H * 3 * 7 + 2 * m * 7 for m in (0, 5, 11)] for H in (1, 4)]
    for d, alpha, beta in ((16, 1.0, 1.0), (24, 2.0, 0.5)):
        assert facts_capacity.shape(d, alpha, beta, 9).parameters == (4 * alpha + 2 * beta) * d * d
    config = facts_capacity.shape(16, 1.0, 1.0, 9)
    task = facts_capacity.random_task(9, generator(1))
    assert (config.V, config.A) == (task.V, task.A)


def test_the_paper_scale_is_the_official_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: the numbers of the published code, written out."""
    monkeypatch.setenv("MECHBOOK_SCALE", "paper")
    parts = {0.25, 0.5, 1.0, 2.0, 4.0}
    points = facts_capacity.capacity_points()
    assert sorted({d for d, _, _ in points}) == [8, 11, 16, 23, 32, 45, 64, 91, 128, 181]
    assert {a for _, a, _ in points} == {b for _, _, b in points} == parts and len(set(points)) == 10 * 25
    recipe, grid = facts_capacity.capacity_recipe(), facts_capacity.tradeoff_grid()
    assert (recipe.steps, recipe.batch_size, set(recipe.rates)) == (16384, 1024, {1e-3, 3e-3, 1e-2})
    assert facts_capacity.tradeoff_recipe() == facts_capacity.Recipe(steps=16384, batch_size=1024, rates=(1e-2,))
    assert (grid.S, grid.d, grid.d_h, len(grid.H), len(grid.m)) == (32, 32, 8, 13, 13)
    assert facts_capacity.TEST_SIZE == 1024
    task, linear, soft = facts_capacity.random_task(32, generator(0)), facts.linear_run(), facts.softmax_run()
    assert (task.T, task.D, task.n_noise) == (32, 8, 64)
    for run in (linear, soft):
        assert (run.S, run.R, run.D, run.T, run.n_noise, run.steps) == (16, 4, 8, 32, 20, 8192)
    assert (linear.lr, linear.batch_size, linear.init) == (0.1, 1024, 1e-5)
    assert {100, 1000} <= set(knowledge.exposures())
    monkeypatch.setenv("MECHBOOK_SCALE", "laptop")
    assert set(facts_capacity.capacity_points()) <= set(points)


def test_the_smallest_construction_is_just_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: mean accuracy of the size found, and of one up to 20% smaller, with the search's own weights."""
    draws = 3
    monkeypatch.setattr(facts_hand, "FACTS_ASKED", 5 * 5 * draws)
    for kind in facts_hand.KINDS:
        size = facts_hand._smallest(kind, 5, 0)
        assert size > 0
        real = facts_hand.accuracy
        asked: dict[int, list[float]] = {}

        def spy(weights: Any, *rest: Any) -> float:
            held = asked.setdefault(facts_hand.stored_parameters(weights), [])  # noqa: B023
            held.append(real(weights, *rest))  # noqa: B023
            return held[-1]

        monkeypatch.setattr(facts_hand, "accuracy", spy)
        assert facts_hand._smallest(kind, 5, 0) == size
        monkeypatch.setattr(facts_hand, "accuracy", real)
        mean = {count: sum(held[:draws]) / draws for count, held in asked.items()}
        assert mean[size] >= 0.99 and all(len(set(held[:draws])) > 1 or min(held) == 1 for held in asked.values())
        assert any(value < 0.99 and 0.8 * size < count < size for count, value in mean.items())


def test_a_knowledge_run_learns_bits_and_int8_keeps_them(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: nothing learned without training, much with it, never more than R_max."""
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))
    spec = knowledge.KnowledgeRun(shape=(1, 12, 2), N=37, exposures=60, batch_size=13, lr=2e-2, seeds=2)
    found = spec.run()
    assert all(0.3 * found.most < ratio <= found.most + 1e-9 for ratio in found.ratio)
    assert all(abs(b / a - 1) < 0.1 for a, b in zip(found.ratio, found.ratio_int8, strict=True))
    assert found.ratio_int8 != found.ratio
    assert max(dataclasses.replace(spec, exposures=1).run().ratio) < 0.1 * found.most
