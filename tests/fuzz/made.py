"""Objects that functions take, by their class: small tasks and batches as the package itself makes them."""

from typing import Any

import torch
from hypothesis import strategies as st

from mechbook.facts.task import FactTask, random_task
from mechbook.gradients import task as single
from mechbook.hops.task import Composition, draw_composition, random_permutations
from mechbook.noisy.task import NoisyBatch, NoisyTask
from mechbook.noisy.task import sample as sample_noisy
from mechbook.noisy.theory.uniform_task import UniformNoisyTask
from mechbook.shared.bigrams import BigramBatch, BigramTask
from mechbook.shared.bigrams import sample as sample_bigrams
from tests.fuzz.arguments import Drawn, Maker


def composition(drawn: Drawn) -> Composition:
    """Of the sizes n, from 2, and k, from 1."""
    return draw_composition(max(2, drawn.size("n")), drawn.size("k"), drawn.generator())


def sigma(drawn: Drawn) -> torch.Tensor:
    """B draws of the permutations in context, as many as `composition` has positions."""
    return random_permutations(drawn.size("B"), drawn.size("k"), max(2, drawn.size("n")), drawn.generator())


def fact_task(drawn: Drawn) -> FactTask:
    """Two to four subjects and relations."""
    S, D, T = (drawn(st.integers(2, 4)) for _ in range(3))
    return random_task(S, drawn.generator(), D=D, T=T + 1)


def single_task(drawn: Drawn) -> single.SingleTriggerTask:
    """One token and one position more than the sizes N and T."""
    return single.SingleTriggerTask(N=drawn.size("N") + 1, T=drawn.size("T") + 1)


def single_batch(drawn: Drawn) -> single.SingleTriggerBatch:
    """One to four sequences."""
    return single.sample(single_task(drawn), drawn.size("B"), drawn.generator())


def bigram_task(drawn: Drawn, **fixed: Any) -> BigramTask:
    """With one trigger, random or fixed; one token and one position more than the sizes N and T."""
    N, first = drawn.size("N") + 1, drawn(st.integers(0, 1))
    pi_u, pi_b = (torch.randint(4, shape, generator=drawn.generator()).double() + 0.25 for shape in ((N,), (N, N)))
    options = {"triggers": (0,) if first else None, "outputs": drawn(st.sampled_from(["uniform", "bigram"])), **fixed}
    pi_u, pi_b = pi_u / pi_u.sum(), pi_b / pi_b.sum(1, keepdim=True)
    return BigramTask(pi_u=pi_u, pi_b=pi_b, T=drawn.size("T") + 1, K=1, **options)


def bigram_batch(drawn: Drawn) -> BigramBatch:
    """One to four sequences of a task."""
    return sample_bigrams(bigram_task(drawn), drawn.size("B"), drawn.generator())


def noisy_task(drawn: Drawn) -> NoisyTask:
    """With one trigger, the token 0."""
    bigrams = bigram_task(drawn, triggers=(0,), outputs="uniform")
    return NoisyTask(bigrams=bigrams, alpha=drawn(st.sampled_from([0.0, 0.5, 1.0])))


def noisy_batch(drawn: Drawn) -> NoisyBatch:
    """One to four sequences of a task."""
    return sample_noisy(noisy_task(drawn), drawn.size("B"), drawn.generator())


def uniform_task(drawn: Drawn) -> UniformNoisyTask:
    """Two to five tokens."""
    alpha = drawn(st.sampled_from([0.0, 0.3, 1.0]))
    return UniformNoisyTask(N=drawn(st.integers(2, 5)), T=drawn(st.integers(2, 6)), alpha=alpha)


MADE: dict[Any, Maker] = {
    torch.Generator: Drawn.generator,
    torch.dtype: st.sampled_from([torch.float32, torch.float64]),
    Composition: composition,
    FactTask: fact_task,
    single.SingleTriggerTask: single_task,
    single.SingleTriggerBatch: single_batch,
    BigramTask: bigram_task,
    BigramBatch: bigram_batch,
    NoisyTask: noisy_task,
    NoisyBatch: noisy_batch,
    UniformNoisyTask: uniform_task,
}
