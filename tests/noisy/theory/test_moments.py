"""Exact moments of the noisy chain and of the first gradients, against enumeration, loops and the unlumped chain."""

import itertools

import numpy as np
import pytest
import torch

from mechbook.noisy.theory.moments import (
    first_step,
    key_query_step,
    lumped_chain,
    margin_moments,
    predictions,
    token_visits,
    value_gradient_moments,
    visits,
    visits_by_steps,
)
from mechbook.noisy.theory.uniform_task import UniformNoisyTask, sample_counts


def sequences(task, output):
    """Every possible z_1..z_T given the output, with its probability: (frequencies, probability)."""
    N = task.N

    def chance(before, after):
        if before == 0:
            return task.alpha * (after == N) + (1 - task.alpha) * (after == output)
        return task.elsewhere if after == N else (1 - task.elsewhere) / N

    for z in itertools.product(range(N + 1), repeat=task.T - 1):
        p = chance(1, z[0])
        for before, after in itertools.pairwise(z):
            p *= chance(before, after)
        if p > 0:
            yield np.bincount([*z, 0], minlength=N + 1) / task.T, p


SMALL = [UniformNoisyTask(N=5, T=5, alpha=0.3), UniformNoisyTask(N=4, T=6, alpha=0.7, elsewhere=0.1)]


@pytest.mark.parametrize("task", SMALL, ids=str)
@pytest.mark.parametrize("output", [0, 1, 3])
def test_token_visits_are_those_of_all_sequences(task, output):
    # Oracle: enumeration of every sequence.
    mean, second = 0.0, 0.0
    for f, p in sequences(task, output):
        mean, second = mean + p * f, second + p * np.outer(f, f)
    found = token_visits(task, output)
    assert np.abs(found.mean - mean).max() < 1e-12
    assert np.abs(found.second - second).max() < 1e-12


@pytest.mark.parametrize("T", [2, 3, 41])
@pytest.mark.parametrize("output_is_trigger", [False, True])
def test_powers_are_the_steps(T, output_is_trigger):
    # Oracle: the recursion, step by step.
    start, P = lumped_chain(UniformNoisyTask(N=7, T=T, alpha=0.35, elsewhere=0.05), output_is_trigger)
    assert np.allclose(P.sum(1), 1) and np.isclose(start.sum(), 1)
    fast, slow = visits(start, P, T, 0), visits_by_steps(start, P, T, 0)
    assert np.abs(fast.mean - slow.mean).max() < 1e-12 and np.abs(fast.second - slow.second).max() < 1e-12


def outcomes(task):
    """Every (frequencies, target, output) with its probability."""
    for output in range(task.N):
        for f, p in sequences(task, output):
            yield f, task.N, p * task.alpha / task.N
            yield f, output, p * (1 - task.alpha) / task.N


def test_first_step_and_the_gradients_moments_are_those_of_all_sequences():
    # Oracle: enumeration. Every pair (j, k) of the same case has the same moments.
    task = SMALL[0]
    N, c = task.N, 1 / (task.N + 1)
    mean, square, forward = np.zeros((N + 1, N + 1)), np.zeros((N + 1, N + 1)), np.zeros(N + 1)
    for f, y, p in outcomes(task):
        error = c - np.eye(N + 1)[y]
        forward -= p * error
        mean += p * np.outer(error, f)
        square += p * np.outer(error**2, f**2)
    step = first_step(task)
    assert np.abs(step.values + mean).max() < 1e-12
    assert np.abs(step.feed_forward - forward).max() < 1e-12
    variance = square - mean**2
    for (row, column), (expected_mean, expected_variance) in value_gradient_moments(task).items():
        for j, k in itertools.product(range(N + 1), repeat=2):
            kinds = ["trigger" if x == 0 else "noise" if x == N else "token" for x in (j, k)]
            if kinds == ["token", "token"] and j == k:
                kinds[1] = "same"
            if (row, column) == tuple(kinds):
                assert abs(mean[j, k] - expected_mean) < 1e-12, (j, k)
                assert abs(variance[j, k] - expected_variance) < 1e-12, (j, k)


@pytest.mark.parametrize("task", SMALL, ids=str)
def test_key_query_step_is_that_of_all_sequences(task):
    # Oracle: enumeration of E[f_k (w_k - w . f)] with arbitrary predictions that treat ordinary tokens alike.
    N, step = task.N, first_step(task)
    p = np.full(N + 1, 0.6 / (N - 1))
    p[0], p[N] = 0.1, 0.3
    g = np.zeros(N + 1)
    for f, y, chance in outcomes(task):
        w = (np.eye(N + 1)[y] - p) @ step.values
        g += chance * f * (w - w @ f)
    found = key_query_step(task, step, p)
    assert np.abs(np.array([found.trigger, found.others, found.noise]) - g[[0, 2, N]]).max() < 1e-14
    assert np.abs(g[1:N] - g[2]).max() < 1e-14


def test_margin_moments_are_sums_over_outputs():
    # Oracle: the mixture over all outputs, token by token, with the population's runner-up.
    task = UniformNoisyTask(N=7, T=19, alpha=0.4)
    test = sample_counts(task, 5, torch.Generator().manual_seed(0)).frequencies.numpy()
    logits = test @ first_step(task).values.T
    mean, variance = margin_moments(task, test)
    for i, f in enumerate(test):
        j = int(logits[i, :7].argmax())
        first = second = 0.0
        for y in range(7):
            v = token_visits(task, y)
            hit = (1 - task.alpha) * (y == j)
            first += (task.alpha - hit) * v.mean @ f / 7
            second += (task.alpha + hit) * f @ v.second @ f / 7
        assert abs(mean[i] - first) < 1e-12 and abs(variance[i] - second + first**2) < 1e-12


def test_leading_orders_of_appendix_a2():
    # Oracle: closed forms for N large: -(alpha - p) alpha^2 (1 - alpha)/N^2, and + .../N^3 at T >> N, within 2%.
    N, alpha = 2000, 0.3
    task = UniformNoisyTask(N=N, T=200 * N, alpha=alpha)
    step = first_step(task)
    p = np.full(N + 1, (1 - 0.1) / N)
    p[N] = 0.1
    found = key_query_step(task, step, p)
    size = (alpha - 0.1) * alpha**2 * (1 - alpha)
    assert abs(found.noise * N**2 / -size - 1) < 0.02
    x = 1 / 200
    assert abs(found.others * N**3 / (size * (1 - (x + x**2) / (alpha * (1 - alpha)))) - 1) < 0.02


def test_too_few_tokens_are_refused():
    with pytest.raises(ValueError, match="N is 3; the exact moments need at least 4 ordinary tokens."):
        first_step(UniformNoisyTask(N=3, T=5, alpha=0.5))


def test_predictions_are_the_softmax_of_the_feed_forward_s_step():
    # Oracle: torch's softmax.
    step = first_step(UniformNoisyTask(N=6, T=9, alpha=0.7))
    assert np.allclose(predictions(step), torch.tensor(step.feed_forward).softmax(0).numpy(), atol=1e-14)
