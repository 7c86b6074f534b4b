"""How strong what the three steps store is: Birth's factors, with their terms of order 1/N, and their measurement."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from mechbook.gradients.presets import FactorPreset, GapPreset, GradientsPreset
from mechbook.gradients.streams import STREAMS
from mechbook.gradients.task import SingleTriggerTask, sample
from mechbook.gradients.three_steps.counts import W_K1_counts, W_K2_counts, W_O2_counts, harmonic_tails
from mechbook.gradients.three_steps.probes import diagonal_gap

SHORT_T, SHORT_SEQUENCES = 16, 20_000
"""Fewer inputs, where gamma_T and gamma_T in full are far apart, and as many sequences of them as that takes."""


def tau(T: int) -> float:
    """Return E[sum_{t >= t_o} 1/t] = (T - H_T) / (T - 1), t_o uniform on 2..T (Birth eq. 16), H_T the harmonic number.

    Raises ValueError for T < 2.
    """
    if T < 2:
        raise ValueError(f"T is {T}; a trigger and its output need at least 2 positions.")
    return (T - float(harmonic_tails(T)[0])) / (T - 1)


def spurious_ratio(N: int, T: int) -> float:
    """Return what eq. (16) calls tau, without its neglect of 1/N: the ratio of the two associations' strengths.

    Given y = k, the token k is not the trigger unless the trigger first occurs at T - 1, so it also turns up at random
    with probability 1/(N - 1) elsewhere, and not at the trigger's positions. Raises ValueError for N < 3 or T < 3.
    """
    if N < 3 or T < 3:
        raise ValueError(f"N is {N} and T is {T}; both must be at least 3.")
    h = harmonic_tails(T)
    # output at s + 1 after the trigger at s < T - 1 (from 1), other tokens uniform; or both trigger and output at T
    elsewhere = (T - h[: T - 2] - h[1 : T - 1] - h[-1]) / (N - 1)
    averages = (h[T - 2] + h[T - 1] + (h[1 : T - 1] + elsewhere).sum()) / (T - 1) - T / N
    direct = (2 + (T - 2) * (1 + (T - 3) / (N - 1))) / (T - 1) - T / N
    return float(averages / direct)


def predicted_previous(t: Float[Tensor, "n"], T: int) -> Float[Tensor, "n"]:
    """Return (1/T) (1/(T - 1)) (1/t) (1 - 1/t): p_{t-1}'s share in W_K1 p_t, in units of alpha alpha' (1 - 1/N).

    Raises ValueError for T < 2 or a position t < 1.
    """
    if T < 2 or bool((t < 1).any()):
        raise ValueError(f"T is {T} and the positions are {t.tolist()}; they must be T >= 2 and 1 or more.")
    return (1 - 1 / t) / t / T / (T - 1)


def gamma(T: int) -> float:
    """Return gamma_T = E[1/t_o - (1/T) sum_{t >= t_o - 1} 1/t - 1/T^2], t_o uniform on 2..T (Birth B.3.2).

    It is (H_T - 1)/(T - 1) - 1/T - 2/T^2, H_T the harmonic number. Raises ValueError for T < 2.
    """
    if T < 2:
        raise ValueError(f"T is {T}; a trigger and its output need at least 2 positions.")
    return (float(harmonic_tails(T)[0]) - 1) / (T - 1) - 1 / T - 2 / T**2


def gamma_in_full(T: int) -> float:
    """Return gamma_T with what it leaves out, the sequences in which the output is the trigger itself: one in T - 1.

    There t_o = T, where the trigger's mark is 2/T and not 1/T, and the token at T - 1 is the output, too: together
    1/(T (T - 1)) + (1/(T - 1) - (1/(T - 1) + 2/T)/T) / (T - 1) more. Exact but for 1/N. Raises ValueError for T < 2.
    """
    return gamma(T) + 1 / (T * (T - 1)) + (1 / (T - 1) - (1 / (T - 1) + 2 / T) / T) / (T - 1)


def W_K2_gap(T: int, how: GapPreset, seed: int, N: int) -> float:
    """What step 2 stores on the trigger's mark, less on other tokens' marks, in units of alpha / (T N): gamma_T.

    Perfect memories, vanishing logits (p_hat = 1/N): step 2's coefficients, mean over queries.
    """
    small, random = 1e-6, STREAMS.generator("second step's gap", seed, N)
    perfect, nothing = small * torch.eye(N, dtype=torch.float64), torch.zeros(N, T, dtype=torch.float64)
    task, batches = SingleTriggerTask(N=N, T=T), how.sequences // 10_000
    parts = [W_K2_counts(sample(task, 10_000, random), perfect, nothing)[:, :N] for _ in range(batches)]
    return diagonal_gap(torch.stack(parts).mean(0)) * T * N / small


def step_two_gap(setup: GradientsPreset, seed: int, N: int, short: bool = False) -> float:
    """`W_K2_gap` over gamma_T in full, at the preset's T or, from SHORT_SEQUENCES, at SHORT_T."""
    T = SHORT_T if short else setup.T
    how = replace(setup.gap, sequences=SHORT_SEQUENCES) if short else setup.gap
    return W_K2_gap(T, how, seed, N) / gamma_in_full(T)


def without_end(few: int, at_few: float, many: int, at_many: float) -> float:
    """Return what two measurements at N = few and many extrapolate to at 1/N = 0, where what is left falls as 1/N.

    Raises ValueError unless 1 <= few < many.
    """
    if not 1 <= few < many:
        raise ValueError(f"few is {few} and many is {many}; they must have 1 <= few < many.")
    return (many * at_many - few * at_few) / (many - few)


def counted_ratio(setup: GradientsPreset, seed: int) -> float:
    """The ratio of eq. (16)'s two associations, spurious to right, from the first step's coefficients alone.

    Without embeddings there is no crosstalk: what is left is the sampling of the sequences.
    """
    task, random = SingleTriggerTask(N=setup.N, T=setup.T), STREAMS.generator("first step's counts", seed)
    counts = W_O2_counts(sample(task, setup.sequences, random), setup.N)
    return diagonal_gap(counts[1]) / diagonal_gap(counts[0])


def counted_ratio_of_more(setup: GradientsPreset, seed: int) -> float:
    """What `counted_ratio` measures, on four times the sequences."""
    task, random = SingleTriggerTask(N=setup.N, T=setup.T), STREAMS.generator("first step's counts, more of them", seed)
    parts = [W_O2_counts(sample(task, setup.sequences, random), setup.N)[:2] for _ in range(4)]
    averages, direct = torch.stack(parts).mean(0)[[1, 0]]
    return diagonal_gap(averages) / diagonal_gap(direct)


def W_K1_factor(how: FactorPreset, seed: int, N: int) -> float:
    """The factor that multiplies (1/T) P(t_q = t - 1) (1/t)(1 - 1/t) in p_{t-1}'s coefficient, mean over t = 3..T - 1.

    Perfect memories, vanishing logits (p_hat = 1/N): step 3's coefficients in units of alpha alpha'. The text as
    printed has (T - 1)/T here.
    """
    small, random = 1e-6, STREAMS.generator("third step's factor", seed, N)
    perfect = torch.eye(N, dtype=torch.float64)
    task, batches = SingleTriggerTask(N=N, T=how.T), how.sequences // 2_000
    parts = [W_K1_counts(sample(task, 2_000, random), small * perfect, perfect) for _ in range(batches)]
    found = torch.stack(parts).mean(0).diagonal(-1) / small
    t = torch.arange(2, how.T + 1, dtype=torch.float64)
    return float((found / predicted_previous(t, how.T))[1:-1].mean())
