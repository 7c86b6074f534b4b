"""The published probe of W_K1 against loops, its chance against random matrices, and which positions are looked for."""

import pytest
import torch
from torch import Generator

from mechbook.core.presets import replace
from mechbook.induction.experiments import joint_settings
from mechbook.induction.positions import along, chance, position_use, probed, recall_over_all_keys
from mechbook.induction.presets import LAPTOP
from mechbook.shared.bigrams import sample, shakespeare_task
from mechbook.shared.recall import previous_token_recall

T, D = 13, 7
WINDOWS = [(1, T), (1, 5), (5, 11)]


def matrices(seed: int) -> tuple[torch.Tensor, ...]:
    random = Generator().manual_seed(seed)
    return tuple(torch.randn(n, D, generator=random, dtype=torch.float64) for n in (D, T))


@pytest.mark.parametrize("window", [None, *WINDOWS])
@pytest.mark.parametrize("weighted", [False, True])
def test_recall_is_the_share_of_queries_whose_predecessor_is_the_best_of_all_keys(window, weighted) -> None:
    """Oracle: a loop over query and key positions; half of the queries are made to be right."""
    W, P = matrices(1)
    W = W + 9 * sum(torch.outer(P[t], P[t - 1]) for t in range(2, T, 2))
    weights = torch.rand(T, generator=Generator().manual_seed(2), dtype=torch.float64)
    start, stop = window or (1, T)
    right, counted = 0.0, 0.0
    for t in range(start, stop):
        scores = [float(P[t] @ W @ P[s]) for s in range(T)]
        weight = float(weights[t]) if weighted else 1.0
        right += weight * (max(range(T), key=scores.__getitem__) == t - 1)
        counted += weight
    found = float(recall_over_all_keys(W, P, window, weights if weighted else None))
    assert found == pytest.approx(right / counted, abs=1e-12) and 0 < found < 1


def test_future_keys_count() -> None:
    """The last key beats every other: none is right, where the keys up to the query have every one right."""
    P = torch.eye(T, dtype=torch.float64)
    W = torch.diag(torch.ones(T - 1, dtype=torch.float64), -1)
    W[:, -1] = 2.0
    assert recall_over_all_keys(W, P, (1, T - 1)) == 0 and previous_token_recall(W, P, (1, T - 1)) == 1


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("all_keys", [False, True])
def test_chance_is_the_mean_recall_of_random_matrices(window, all_keys) -> None:
    """Oracle: 4000 matrices, four standard errors; positions are orthonormal, so that all keys are alike."""
    P, random = torch.eye(T), Generator().manual_seed(5)
    probe = recall_over_all_keys if all_keys else previous_token_recall
    found = torch.stack([probe(torch.randn(T, T, generator=random), P, window) for _ in range(4000)])
    assert abs(float(found.mean()) - chance(T, window, all_keys=all_keys)) < 4 * float(found.std()) / 4000**0.5


@pytest.mark.parametrize("window", [(0, 3), (4, 4), (2, T + 1)])
def test_an_impossible_window_is_refused(window) -> None:
    W, P = matrices(1)
    for refused in (lambda: recall_over_all_keys(W, P, window), lambda: chance(T, window)):
        with pytest.raises(ValueError, match="it must hold positions between 1 and 13"):
            refused()


def test_what_is_looked_for_against_a_loop() -> None:
    """Oracle: for every in-context query, the positions just after earlier occurrences of its token, one by one."""
    task = shakespeare_task(T=17, K=5)
    batch = sample(task, 23, Generator().manual_seed(3))
    read = [0] * 17
    for z, there in zip(batch.inputs.tolist(), batch.in_context.tolist(), strict=True):
        for t in range(17):
            for s in range(1, t + 1):
                read[s] += there[t] and z[s - 1] == z[t]
    found = position_use(task, 23, Generator().manual_seed(3))
    assert found.tolist() == pytest.approx([n / sum(read) for n in read], abs=1e-6) and read[0] == 0


def test_nothing_looked_for_is_refused() -> None:
    with pytest.raises(ValueError, match="None of 1 sequences of T = 2"):
        position_use(shakespeare_task(T=2, K=1, triggers="rare"), 1, Generator().manual_seed(0))


def test_a_run_is_probed_at_its_checkpoints(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracles: the run's own probe at the same checkpoints, and the last value from the final weights."""
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))
    setup = replace(LAPTOP, T=8, d=8, batch_size=2, steps=40, frozen_steps=20, released_steps=40)
    spec = joint_settings(setup, 1)
    use = torch.arange(8.0) / 28
    run = probed(spec, use)
    assert along(spec, lambda m: previous_token_recall(m.W_K1, m.P)) == run.values["W_K1"]
    model = spec.build()
    model.load_state_dict(run.final)
    windows = {"": None, "_early": (1, 2), "_late": (2, 8)}
    for name, window in windows.items():
        expected = float(recall_over_all_keys(model.W_K1, model.P, window))
        assert run.values[f"W_K1_all_keys{name}"][-1] == expected
    assert run.values["W_K1_all_keys_used"][-1] == float(recall_over_all_keys(model.W_K1, model.P, None, use))
    assert all(len(row) == len(run.steps) for row in run.values.values())


def test_checkpoints_must_all_be_there(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))
    setup = replace(LAPTOP, T=8, d=8, batch_size=2, steps=40, frozen_steps=20, released_steps=40)
    with pytest.raises(ValueError, match="take joint_settings"):
        probed(replace(joint_settings(setup, 1), checkpoint_steps=(0, 40)), torch.ones(8) / 8)
