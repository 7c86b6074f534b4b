"""One step on real sequences, Birth's Figure 9: recall after one gradient step, against width and data."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from mechbook.gradients.identities import normal
from mechbook.gradients.presets import GridPreset
from mechbook.gradients.streams import STREAMS
from mechbook.gradients.values import GRID_BATCHES, GRID_DIMENSIONS
from mechbook.shared.bigrams import BigramBatch, BigramTask, sample, shakespeare_task


def context_counts(batch: BigramBatch, N: int) -> tuple[Float[Tensor, "N N"], Float[Tensor, "N"]]:
    """Return, by target k, the summed token frequencies of the context and the number of in-context positions.

    Entry [k, j] of the first: the share of tokens 1..t that are j, summed over positions t whose target is k.
    """
    z, T = batch.inputs, batch.inputs.shape[1]
    t = torch.arange(1, T + 1, dtype=torch.float64, device=z.device)
    # (B, K, T): the in-context positions of each trigger, weighed by 1/t; a token at s is in the context of all t >= s
    asked = (z[:, None] == batch.triggers[:, :, None]) & batch.in_context[:, None]
    weight = (asked / t).flip(2).cumsum(2).flip(2)
    flat = (batch.outputs[:, :, None] * N + z[:, None]).flatten()
    total = torch.bincount(flat, weights=weight.flatten(), minlength=N * N).view(N, N)
    return total, torch.bincount(batch.targets[batch.in_context], minlength=N).double()


def context_counts_plainly(batch: BigramBatch, N: int) -> tuple[Float[Tensor, "N N"], Float[Tensor, "N"]]:
    """Return what `context_counts` returns, one position after another."""
    total, count = torch.zeros(N, N, dtype=torch.float64), torch.zeros(N, dtype=torch.float64)
    for z, targets, in_context in zip(batch.inputs, batch.targets, batch.in_context, strict=True):
        for t in in_context.nonzero()[:, 0].tolist():
            count[targets[t]] += 1
            total[targets[t]] += torch.bincount(z[: t + 1], minlength=N) / (t + 1)
    return total, count


def one_step_recall(total: Tensor, count: Tensor, remapped: Float[Tensor, "N d"]) -> float:
    """Return R_1 of Birth's Figure 9: the share of k with k = argmax_k' of W_V2 w_E(k') . (mu_k - mu).

    `remapped` has the rows W_V2 w_E(k). A token that never was a target has no mean and counts as wrong.
    """
    means = total / count.clamp(min=1)[:, None] - total.sum(0) / count.sum()
    scores = means @ remapped @ remapped.T
    return float(((scores.argmax(1) == torch.arange(len(count))) & (count > 0)).double().mean())


def random_bigram_task(how: GridPreset, N: int, random: torch.Generator) -> BigramTask:
    """The bigram task with random successors: each row of pi_b uniform over all distributions, and pi_u uniform."""
    pi_b = torch.empty(N, N, dtype=torch.float64).exponential_(generator=random)
    return BigramTask(pi_u=torch.full((N,), 1 / N), pi_b=pi_b / pi_b.sum(1, keepdim=True), T=how.T, K=how.K)


def recall_grid(how: GridPreset, seed: int, bigrams: Literal["shakespeare", "random"]) -> dict[str, float]:
    """One-step recall for each dimension and number of batches of the grid, named like "d128_b16".

    The bigrams are tiny Shakespeare's or random ones over as many tokens.
    """
    random = STREAMS.generator("Figure 9, sequences", seed)
    task = shakespeare_task(T=how.T, K=how.K)
    if bigrams == "random":
        task = random_bigram_task(how, task.N, random)
    total, count = torch.zeros(task.N, task.N, dtype=torch.float64), torch.zeros(task.N, dtype=torch.float64)
    result = {}
    for before, batches in zip((0, *GRID_BATCHES), GRID_BATCHES, strict=False):
        more, times = context_counts(sample(task, how.batch * (batches - before), random), task.N)
        total, count = total + more, count + times
        for d in GRID_DIMENSIONS:
            # the same embeddings for every number of batches
            frozen = STREAMS.generator("Figure 9, embeddings", seed, d)
            W_E, W_V2 = normal(task.N, d, generator=frozen), normal(d, d, generator=frozen)
            result[f"d{d}_b{batches}"] = one_step_recall(total, count, W_E @ W_V2.T)
    return result


def closest_rivals(how: GridPreset, seed: int) -> tuple[Tensor, Tensor]:
    """Return, for each target k, the token that rivals it in mu_k - mu, and by how much k is ahead, on Shakespeare.

    In orthonormal embeddings the frequencies are the scores of `one_step_recall`; a negative lead is a wrong answer.
    """
    task, random = shakespeare_task(T=how.T, K=how.K), STREAMS.generator("rivals", seed)
    parts = [context_counts(sample(task, 2_048, random), task.N) for _ in range(how.rival_sequences // 2_048)]
    total, count = (torch.stack(column).sum(0) for column in zip(*parts, strict=True))
    means = total / count[:, None] - total.sum(0) / count.sum()
    others = means.masked_fill(torch.eye(task.N, dtype=torch.bool), float("-inf"))
    return others.argmax(1), means.diagonal() - others.amax(1)
