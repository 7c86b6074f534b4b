"""Noisy in-context recall: after a trigger comes the sequence's own output, or a noise token (Chen et al. section 4).

Per sequence: an output o_k, uniform over the N characters, for each of K fixed triggers q_k; z_1 ~ pi_u, then

    p(z_{t+1} = j | z_t = q_k) = (1 - alpha) 1[j = o_k] + alpha 1[j = noise]
    p(z_{t+1} = j | z_t = i) = pi_b(j | i)     for any other i <= N
    p(z_{t+1} = j | z_t = noise) = pi_u(j)     (the paper's bigrams do not say what follows the noise)

except that the last input z_T is always a trigger. The noise is a token of its own, number N in code.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mechbook.shared.bigrams import BigramTask, shakespeare_task


@dataclass(frozen=True, kw_only=True, eq=False)
class NoisyTask:
    """Settings of the task: the bigrams with their fixed triggers, and the probability `alpha` of noise after one.

    `noise` is the number of the noise token, None standing for N, the extra one. Raises ValueError for alpha outside
    [0, 1], triggers that are drawn per sequence, outputs that are not uniform, or a noise token among
    the characters.
    """

    bigrams: BigramTask
    alpha: float
    noise: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha is {self.alpha}; the probability of noise must be in [0, 1].")
        if self.bigrams.triggers is None:
            raise ValueError("the triggers are drawn for each sequence; noisy recall needs fixed ones: name them.")
        if self.bigrams.outputs != "uniform":
            raise ValueError(f"outputs is {self.bigrams.outputs!r}; noisy recall draws them uniformly: use 'uniform'.")
        if self.noise not in (None, self.N):
            raise ValueError(
                f"noise is {self.noise}; the noise must be the extra token {self.N}, after the characters "
                f"0..{self.N - 1}."
            )

    @property
    def N(self) -> int:
        """Number of characters: those that can be outputs. The model's vocabulary is N + 1."""
        return self.bigrams.N

    @property
    def T(self) -> int:
        """Number of inputs of a sequence."""
        return self.bigrams.T

    @property
    def noise_token(self) -> int:
        """The number of the noise token, N."""
        return self.N

    @property
    def triggers(self) -> tuple[int, ...]:
        """The fixed triggers."""
        assert self.bigrams.triggers is not None
        return self.bigrams.triggers

    def fingerprint(self) -> dict[str, object]:
        """Return JSON-able values that differ whenever the task does."""
        return {"task": "noisy", "alpha": self.alpha, "noise": self.noise_token, "bigrams": self.bigrams.fingerprint()}

    @cached_property
    def _steps(self) -> Float[Tensor, "n"]:
        """The sums of each row of pi_b, then of pi_u, row i raised by i: one increasing list of (N + 1) N numbers."""
        rows = torch.cat([self.bigrams.pi_b.double(), self.bigrams.pi_u.double().unsqueeze(0)]).cpu()
        sums = rows.cumsum(1)
        sums = sums / sums[:, -1:]
        return (sums + torch.arange(self.N + 1).unsqueeze(1)).flatten()


def shakespeare_noisy_task(*, T: int, alpha: float, K: int = 1, noise: int | None = None) -> NoisyTask:
    """Return the task with tiny Shakespeare's characters; the triggers are its K most frequent, for K = 1 the space."""
    return NoisyTask(bigrams=shakespeare_task(T=T, K=K, triggers="frequent"), alpha=alpha, noise=noise)


@dataclass(frozen=True, kw_only=True, eq=False)
class NoisyBatch:
    """B sequences with what is known about each position; position t of `inputs` is to predict `targets` there.

    One sequence with T = 7, the trigger q, its output b, the noise # (characters for token numbers):

        z           a q # c q b d q     the last input is a trigger, here with z_{T+1} = #:
        inputs      a q # c q b q
        targets     q # c q b q #
        is_trigger  0 1 0 0 1 0 1
        answers     - b - - b - b       -1 where there is no trigger
        in_context  0 0 0 0 1 0 1       triggers from their second occurrence on: the loss is taken here
    """

    z: Int[Tensor, "B T_plus_1"]
    is_trigger: Bool[Tensor, "B T"]
    in_context: Bool[Tensor, "B T"]
    answers: Int[Tensor, "B T"]

    @property
    def inputs(self) -> Int[Tensor, "B T"]:
        """The first T tokens of each sequence."""
        return self.z[:, :-1]

    @property
    def targets(self) -> Int[Tensor, "B T"]:
        """The token that follows each input."""
        return self.z[:, 1:]

    @property
    def global_tokens(self) -> Bool[Tensor, "B T"]:
        """Positions whose target comes from the global bigrams."""
        return ~self.is_trigger

    @property
    def answer(self) -> Int[Tensor, "B"]:
        """The correct output of each sequence's last trigger."""
        return self.answers[:, -1]

    def to(self, device: torch.device | str) -> "NoisyBatch":
        """Return the batch on another device."""
        return NoisyBatch(
            z=self.z.to(device),
            is_trigger=self.is_trigger.to(device),
            in_context=self.in_context.to(device),
            answers=self.answers.to(device),
        )


def sample(
    task: NoisyTask, batch_size: int, generator: torch.Generator, device: torch.device | str | None = None
) -> NoisyBatch:
    """Draw a batch of sequences on the generator's device and move it to `device` (None: leave it there).

    All sequences advance together, a binary search a step. `NoisyBatch` shows one aligned sequence. Raises ValueError
    when batch_size < 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; it must be at least 1.")
    batch = chain(task, *random_numbers(task, batch_size, generator))
    return batch if device is None else batch.to(device)


def random_numbers(
    task: NoisyTask, B: int, generator: torch.Generator
) -> tuple[Float[Tensor, "T B"], Bool[Tensor, "T B"], Int[Tensor, "B K"], Int[Tensor, "B"]]:
    """Draw what `chain` makes B sequences of, on the generator's device."""
    T, home = task.T, generator.device
    uniform = torch.rand(T, B, generator=generator, device=home, dtype=torch.float64)
    noisy = torch.rand(T, B, generator=generator, device=home) < task.alpha
    outputs = torch.randint(task.N, (B, len(task.triggers)), generator=generator, device=home)
    last = torch.randint(len(task.triggers), (B,), generator=generator, device=home)
    return uniform, noisy, outputs, last


def chain(
    task: NoisyTask,
    uniform: Float[Tensor, "T B"],
    noisy: Bool[Tensor, "T B"],
    outputs: Int[Tensor, "B K"],
    last: Int[Tensor, "B"],
) -> NoisyBatch:
    """Return the sequences that given random numbers make.

    Positions from 0: token t is the first whose cumulative probability exceeds uniform[t], which is in [0, 1); what
    follows a trigger at position t is noise where noisy[t]; the last input is trigger number last[b].
    """
    N, T, home = task.N, task.T, uniform.device
    B = uniform.shape[1]
    steps = task._steps.to(home)
    triggers = torch.tensor(task.triggers, device=home)
    # what must follow each token: an output, or -1 where chance decides
    follows = torch.full((B, N + 1), -1, device=home).scatter_(1, triggers.expand(B, -1), outputs)
    flat, start = follows.view(-1), torch.arange(B, device=home) * (N + 1)
    noise = torch.tensor(task.noise_token, device=home)

    z = torch.empty(T + 1, B, dtype=torch.int64, device=home)
    # the noise's row is pi_u, from which the first token is drawn too
    z[0] = torch.searchsorted(steps, uniform[0] + N, right=True) - N * N
    for now, after, u, spoiled in zip(z[: T - 2], z[1 : T - 1], uniform[1:], noisy, strict=False):
        drawn = torch.searchsorted(steps, u + now, right=True) - now * N
        known = flat.index_select(0, start + now)
        torch.where(known < 0, drawn, torch.where(spoiled, noise, known), out=after)
    z[T - 1] = triggers[last]
    z[T] = torch.where(noisy[T - 1], noise, flat[start + z[T - 1]])

    z = z.t().contiguous()
    answers = follows.gather(1, z[:, :-1])
    same = [z[:, :-1] == trigger for trigger in task.triggers]
    again = torch.stack([here & (here.cumsum(1) >= 2) for here in same]).any(0)
    return NoisyBatch(z=z, is_trigger=answers >= 0, in_context=again, answers=answers)
