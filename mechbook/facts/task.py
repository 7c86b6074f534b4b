"""The factual-recall task: find subject and relation among noise, and answer (Nichani et al. section 4).

The vocabulary holds S subjects, R relations, noise tokens and EOS. A relation r has D possible answers of its own,
A_r = {r D, ..., r D + D - 1}, and every pair has one true answer a*(s, r) in A_r. A sequence of T tokens ends in EOS; s
and r, drawn uniformly, stand in two different slots of the others, and noise fills the rest.

A model without positions sees only how often each token occurs: `counts` are all it needs.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class FactTask:
    """Settings of the task. Tokens: subjects 0..S-1, relations S..S+R-1, noise S+R..V-2, EOS V-1.

    `answers[s, r]` is a*(s, r), one of r D .. r D + D - 1 (`structured_answers`, `random_answers`).
    Raises ValueError for S, R or D < 1, T < 3, no noise where slots are left for it, and answers that do not fit.
    """

    S: int
    R: int
    D: int
    T: int
    n_noise: int
    # axes of their own: sizes that do not fit are refused below, with a sentence
    answers: Int[Tensor, "n_subjects n_relations"]

    def __post_init__(self) -> None:
        _check_sizes(self.S, self.R, self.D)
        if self.T < 3:
            raise ValueError(
                f"T is {self.T}; a sequence needs at least 3 slots, for the subject, the relation and EOS."
            )
        if self.n_noise < 0 or (self.n_noise == 0 and self.T > 3):
            raise ValueError(
                f"n_noise is {self.n_noise}, and {self.T - 3} slots are to be filled with noise: "
                "give 1 noise token or more, or T = 3."
            )
        if tuple(self.answers.shape) != (self.S, self.R):
            raise ValueError(f"answers has shape {tuple(self.answers.shape)}; it must be ({self.S}, {self.R}).")
        strange = (self.answers.cpu() // self.D != torch.arange(self.R)).nonzero()
        if len(strange):
            s, r = strange[0].tolist()
            raise ValueError(
                f"the answer of subject {s} and relation {r} is {int(self.answers[s, r])}; "
                f"it must be one of {r * self.D} to {r * self.D + self.D - 1}."
            )

    @property
    def V(self) -> int:
        """Size of the vocabulary."""
        return self.S + self.R + self.n_noise + 1

    @property
    def A(self) -> int:
        """Number of answers, R D."""
        return self.R * self.D

    @property
    def eos(self) -> int:
        """The token EOS, the last of the vocabulary."""
        return self.V - 1


def structured_answers(S: int, R: int, D: int) -> Int[Tensor, "S R"]:
    """Return a*(s, r) = r D + floor(s D / S): S / D subjects share an answer (Nichani et al. Figure 5).

    Raises ValueError for S, R or D < 1, or a D that does not divide S.
    """
    _check_sizes(S, R, D)
    if S % D:
        raise ValueError(
            f"D is {D} and S is {S}; for the structured map D must divide S, so that answers are balanced."
        )
    return torch.arange(R) * D + (torch.arange(S) * D // S).unsqueeze(1)


def random_answers(S: int, R: int, D: int, generator: torch.Generator) -> Int[Tensor, "S R"]:
    """Draw every a*(s, r) uniformly from A_r (Nichani et al. Figure 3). Raises ValueError for S, R or D < 1."""
    _check_sizes(S, R, D)
    home = generator.device
    return torch.arange(R, device=home) * D + torch.randint(D, (S, R), generator=generator, device=home)


def random_task(S: int, generator: torch.Generator, *, D: int, T: int) -> FactTask:
    """S subjects and S relations with random answers, and twice as many noise tokens (Nichani et al. Figure 3)."""
    return FactTask(S=S, R=S, D=D, T=T, n_noise=2 * S, answers=random_answers(S, S, D, generator))


@dataclass(frozen=True, kw_only=True, eq=False)
class FactBatch:
    """B sequences, what they ask, and the answer. One, with S = R = D = 2, two noise tokens and T = 6:

    z        5 1 4 5 3 6      noise, subject 1, noise, noise, relation 1 (token S + 1), EOS
    s, r     1, 1
    targets  a*(1, 1), which is 2 or 3
    """

    z: Int[Tensor, "B T"]
    s: Int[Tensor, "B"]
    r: Int[Tensor, "B"]
    targets: Int[Tensor, "B"]


@dataclass(frozen=True, kw_only=True, eq=False)
class CountBatch:
    """B sequences as token counts, `counts[b, v]` times token v; s, r and targets as in `FactBatch`."""

    counts: Float[Tensor, "B V"]
    s: Int[Tensor, "B"]
    r: Int[Tensor, "B"]
    targets: Int[Tensor, "B"]


def sample(task: FactTask, batch_size: int, generator: torch.Generator) -> FactBatch:
    """Draw sequences on the generator's device. Raises ValueError when batch_size < 1."""
    s, r, noise = draw_tokens(task, batch_size, generator)
    home, T = generator.device, task.T
    at_s = torch.randint(T - 1, (batch_size, 1), generator=generator, device=home)
    at_r = torch.randint(T - 2, (batch_size, 1), generator=generator, device=home)
    at_r += at_r >= at_s
    z = torch.full((batch_size, T), task.eos, device=home)
    if T > 3:
        slot = torch.arange(T - 1, device=home)
        # How many slots before this one hold noise; at the two others the value is overwritten.
        before = slot - (at_s < slot).long() - (at_r < slot).long()
        z[:, :-1] = noise.gather(1, before.clamp(max=T - 4))
    z.scatter_(1, at_s, s.unsqueeze(1)).scatter_(1, at_r, task.S + r.unsqueeze(1))
    return FactBatch(z=z, s=s, r=r, targets=task.answers.to(home)[s, r])


def sample_counts(task: FactTask, batch_size: int, generator: torch.Generator) -> CountBatch:
    """Draw token counts: the same as counting `sample`'s sequences from a generator in the same state.

    Slots are not drawn, so the generator ends up elsewhere. Raises ValueError when batch_size < 1.
    """
    s, r, noise = draw_tokens(task, batch_size, generator)
    rest = torch.full_like(s, task.eos)
    tokens = torch.cat([noise, torch.stack([s, task.S + r, rest], 1)], 1)
    return CountBatch(counts=count_tokens(tokens, task.V), s=s, r=r, targets=task.answers.to(s.device)[s, r])


def count_tokens(z: Int[Tensor, "B T"], V: int) -> Float[Tensor, "B V"]:
    """Return how often each of V tokens occurs in each sequence."""
    rows = torch.arange(len(z), device=z.device).unsqueeze(1) * V
    return torch.bincount((z + rows).flatten(), minlength=len(z) * V).view(len(z), V).float()


def every_fact(task: FactTask, contexts: int, generator: torch.Generator) -> CountBatch:
    """Return each pair (s, r) `contexts` times, in order of s and then r, each with noise of its own.

    Raises ValueError when contexts < 1.
    """
    drawn = sample_counts(task, _at_least_one("contexts", contexts) * task.S * task.R, generator)
    home = generator.device
    s = torch.arange(task.S, device=home).repeat_interleave(task.R * contexts)
    r = torch.arange(task.R, device=home).repeat_interleave(contexts).repeat(task.S)
    counts = drawn.counts
    counts[:, : task.S + task.R] = 0
    counts.scatter_(1, s.unsqueeze(1), 1.0).scatter_(1, task.S + r.unsqueeze(1), 1.0)
    return CountBatch(counts=counts, s=s, r=r, targets=task.answers.to(home)[s, r])


def draw_tokens(task: FactTask, batch_size: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Subjects, relations and T - 3 noise tokens each."""
    B, home = _at_least_one("batch_size", batch_size), generator.device
    s = torch.randint(task.S, (B,), generator=generator, device=home)
    r = torch.randint(task.R, (B,), generator=generator, device=home)
    # an empty draw needs a bound above 0
    noise = torch.randint(max(task.n_noise, 1), (B, task.T - 3), generator=generator, device=home)
    return s, r, noise + task.S + task.R


def _at_least_one(name: str, value: int) -> int:
    if value < 1:
        raise ValueError(f"{name} is {value}; it must be at least 1.")
    return value


def _check_sizes(S: int, R: int, D: int) -> None:
    for name, value in (("S", S), ("R", R), ("D", D)):
        _at_least_one(name, value)
