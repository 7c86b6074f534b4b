"""The noisy-recall task against the obvious loop over one sequence, and against its probabilities.

Every distributional bound is five standard errors of what it bounds, at a fixed seed.
"""

import pytest
import torch

from mechbook.noisy.plain import one_sequence
from mechbook.noisy.task import NoisyTask, chain, sample, shakespeare_noisy_task
from mechbook.shared.bigrams import BigramTask, shakespeare_task


def small_task(alpha=0.4, triggers=(3, 1), T=13, N=7, **changes):
    generator = torch.Generator().manual_seed(2)
    pi_b = torch.rand(N, N, generator=generator, dtype=torch.float64)
    pi_b[pi_b < 0.25] = 0.0
    # the triggers are frequent
    pi_b[:, 1] += 0.6
    pi_b[:, 3] += 0.6
    pi_u = torch.rand(N, generator=generator, dtype=torch.float64)
    bigrams = BigramTask(
        pi_u=pi_u / pi_u.sum(), pi_b=pi_b / pi_b.sum(1, keepdim=True), T=T, K=len(triggers), triggers=triggers
    )
    return NoisyTask(bigrams=bigrams, alpha=alpha, **changes)


def draws(task, B, seed=3):
    g = torch.Generator().manual_seed(seed)
    K = len(task.triggers)
    return (
        torch.rand(task.T, B, generator=g, dtype=torch.float64),
        torch.rand(task.T, B, generator=g) < task.alpha,
        torch.randint(task.N, (B, K), generator=g),
        torch.randint(K, (B,), generator=g),
    )


@pytest.mark.parametrize("triggers", [(3,), (3, 1), (5, 0, 2)])
def test_equals_the_obvious_loop(triggers):
    """Oracle: `mechbook.noisy.plain`, one sequence at a time with the same random numbers; 1 to 3 triggers."""
    task = small_task(triggers=triggers)
    uniform, noisy, outputs, last = draws(task, 211)
    batch = chain(task, uniform, noisy, outputs, last)
    for b in range(211):
        z, answers, in_context = one_sequence(task, uniform[:, b], noisy[:, b], outputs[b], last[b])
        assert batch.z[b].tolist() == z
        assert batch.is_trigger[b].tolist() == [answer >= 0 for answer in answers]
        assert batch.in_context[b].tolist() == in_context
        assert batch.answers[b].tolist() == answers


def test_transitions_have_the_task_s_probabilities():
    """Oracle: pi_b, pi_u and alpha; every transition of 20,000 sequences within 5 standard errors, zeros exact."""
    task = small_task(T=17)
    batch = sample(task, 20_000, torch.Generator().manual_seed(1))
    # the last input is forced, so transitions into it say nothing
    now, after = batch.z[:, :15].flatten(), batch.z[:, 1:16].flatten()
    answers = batch.answers[:, :15].flatten()
    spoiled = after[answers >= 0] == task.noise_token
    error = (0.4 * 0.6 / len(spoiled)) ** 0.5
    assert abs(float(spoiled.double().mean()) - 0.4) <= 5 * error
    clean = (answers >= 0) & (after != task.noise_token)
    assert bool((after[clean] == answers[clean]).all())
    for token in range(task.N + 1):
        if token in task.triggers:
            continue
        p = task.bigrams.pi_u if token == task.N else task.bigrams.pi_b[token]
        here = after[now == token]
        frequency = torch.bincount(here, minlength=task.N + 1).double() / len(here)
        p = torch.cat([p, torch.zeros(1, dtype=torch.float64)])
        assert len(here) > 2000
        assert bool(((frequency - p).abs() <= 5 * (p * (1 - p) / len(here)).sqrt()).all()), token


def test_outputs_and_last_triggers_are_uniform():
    """Oracle: 1 / N and 1 / K within 5 standard errors."""
    task = small_task()
    batch = sample(task, 30_000, torch.Generator().manual_seed(4))
    answers = torch.bincount(batch.answer, minlength=task.N).double() / 30_000
    assert bool(((answers - 1 / 7).abs() <= 5 * (6 / 49 / 30_000) ** 0.5).all())
    assert abs(float((batch.inputs[:, -1] == 3).double().mean()) - 0.5) <= 5 * (0.25 / 30_000) ** 0.5
    assert bool(batch.is_trigger[:, -1].all())


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_the_ends_of_alpha_are_certain(alpha):
    """Oracle: at alpha = 0 no noise occurs; at alpha = 1 every trigger is followed by it."""
    batch = sample(small_task(alpha), 300, torch.Generator().manual_seed(5))
    noise = batch.z == 7
    if alpha == 0:
        assert not bool(noise.any())
    else:
        assert bool(noise[:, 1:][batch.is_trigger][:-1].any())
        inside = batch.is_trigger[:, :-2]
        assert bool(noise[:, 1:-2][inside].all()) and bool(noise[:, -1].all())


def test_shakespeare_s_trigger_is_the_space_and_five_are_the_papers():
    """Oracle: Chen et al. figure 8, q = 1 and Q = {1, 39, 43, 53, 58} among the 65 characters."""
    assert shakespeare_noisy_task(T=8, alpha=0.5).triggers == (1,)
    task = shakespeare_noisy_task(T=8, alpha=0.5, K=5)
    assert sorted(task.triggers) == [1, 39, 43, 53, 58]
    assert (task.N, task.noise_token) == (65, 65)


def test_equal_generators_give_equal_batches_and_other_tasks_other_fingerprints():
    """Oracle: equality; each of alpha, T and K changes the fingerprint."""
    task = shakespeare_noisy_task(T=9, alpha=0.5)
    one, two = (sample(task, 5, torch.Generator().manual_seed(6)) for _ in range(2))
    assert torch.equal(one.z, two.z)
    others = [
        shakespeare_noisy_task(T=9, alpha=0.25),
        shakespeare_noisy_task(T=10, alpha=0.5),
        shakespeare_noisy_task(T=9, alpha=0.5, K=2),
    ]
    assert all(other.fingerprint() != task.fingerprint() for other in others)
    assert shakespeare_noisy_task(T=9, alpha=0.5, noise=65).fingerprint() == task.fingerprint()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: shakespeare_noisy_task(T=8, alpha=1.01),
            r"alpha is 1.01; the probability of noise must be in \[0, 1\]",
        ),
        (lambda: shakespeare_noisy_task(T=8, alpha=-0.1), "alpha is -0.1"),
        (lambda: shakespeare_noisy_task(T=8, alpha=float("nan")), "alpha is nan"),
        (lambda: shakespeare_noisy_task(T=8, alpha=0.5, noise=2), "noise is 2; the noise must be the extra token 65"),
        (lambda: NoisyTask(bigrams=shakespeare_task(T=8, K=1), alpha=0.5), "needs fixed ones: name them"),
        (
            lambda: NoisyTask(bigrams=shakespeare_task(T=8, K=1, triggers="frequent", outputs="bigram"), alpha=0.5),
            "outputs is 'bigram'; noisy recall draws them uniformly",
        ),
        (
            lambda: sample(shakespeare_noisy_task(T=8, alpha=0.5), 0, torch.Generator()),
            "batch_size is 0; it must be at least 1",
        ),
    ],
)
def test_impossible_settings_are_refused_in_a_sentence(make, words):
    """Oracle: the sentence."""
    with pytest.raises(ValueError, match=words):
        make()
