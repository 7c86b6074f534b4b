"""The bigram task: Markov sequences in which a few triggers are always followed by the same output (Birth section 3).

Per sequence: K triggers q_k (fixed, or drawn from pi_q without replacement), an output o_k for each, z_1 ~ pi_u, then

    p(z_{t+1} = j | z_t = i) = 1[j = o_k] if i = q_k, else pi_b(j | i).
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mechbook.shared.shakespeare import load_counts


@dataclass(frozen=True, kw_only=True, eq=False)
class BigramTask:
    """Settings of the task: the distributions, T inputs a sequence, K triggers.

    `triggers` fixes them for every sequence; None draws K different ones per sequence from `pi_q` (None: `pi_u`).
    `outputs` draws o_k uniformly over the vocabulary or from pi_b(. | q_k).
    Raises ValueError for a distribution that does not sum to 1, T < 2, K outside 1..N, or triggers that are repeated,
    not K, or outside the vocabulary.
    """

    # axes of their own: sizes that do not fit are refused below, with a sentence
    pi_u: Float[Tensor, "N"]
    pi_b: Float[Tensor, "N_from N_to"]
    T: int
    K: int
    triggers: tuple[int, ...] | None = None
    outputs: Literal["uniform", "bigram"] = "uniform"
    pi_q: Float[Tensor, "N_q"] | None = None

    def __post_init__(self) -> None:
        N = len(self.pi_u)
        if tuple(self.pi_b.shape) != (N, N):
            raise ValueError(f"pi_b has shape {tuple(self.pi_b.shape)}; it must be ({N}, {N}) as pi_u has {N} entries.")
        _check_distribution("pi_u", self.pi_u)
        _check_distribution("every row of pi_b", self.pi_b)
        if self.T < 2:
            raise ValueError(f"T is {self.T}; a sequence needs at least 2 inputs.")
        if not 1 <= self.K <= N:
            raise ValueError(f"K is {self.K}; it must be between 1 and the vocabulary's {N}.")
        if self.outputs not in ("uniform", "bigram"):
            raise ValueError(f"outputs is {self.outputs!r}; it must be 'uniform' or 'bigram'.")
        if self.triggers is not None:
            self._check_triggers(self.triggers)
        if self.pi_q is not None:
            if self.triggers is not None:
                raise ValueError(f"triggers are fixed to {self.triggers}; pi_q must then be None.")
            if tuple(self.pi_q.shape) != (N,):
                raise ValueError(f"pi_q has shape {tuple(self.pi_q.shape)}; it must be ({N},).")
            _check_distribution("pi_q", self.pi_q)
        possible = int((self.trigger_distribution > 0).sum())
        if self.triggers is None and self.K > possible:
            raise ValueError(f"K is {self.K}; pi_q gives a positive probability to only {possible} tokens.")

    def _check_triggers(self, triggers: tuple[int, ...]) -> None:
        if len(triggers) != self.K:
            raise ValueError(f"{len(triggers)} triggers are given, {triggers}; there must be K = {self.K}.")
        for trigger in triggers:
            if not 0 <= trigger < self.N:
                raise ValueError(f"the trigger {trigger} is outside the vocabulary 0..{self.N - 1}.")
        if len(set(triggers)) != len(triggers):
            raise ValueError(f"the triggers {triggers} repeat a token; each may occur once.")

    @property
    def N(self) -> int:
        """Size of the vocabulary."""
        return len(self.pi_u)

    @property
    def trigger_distribution(self) -> Float[Tensor, "N"]:
        """What random triggers are drawn from: `pi_q`, or `pi_u` where that is None."""
        return self.pi_u if self.pi_q is None else self.pi_q

    def fingerprint(self) -> dict[str, object]:
        """Return JSON-able values that differ whenever the task does; distributions appear as SHA-256 hashes."""
        return {
            "task": "bigrams",
            "pi_u": _digest(self.pi_u),
            "pi_b": _digest(self.pi_b),
            "T": self.T,
            "K": self.K,
            "triggers": None if self.triggers is None else list(self.triggers),
            "outputs": self.outputs,
            "pi_q": None if self.triggers is not None else _digest(self.trigger_distribution),
        }

    @cached_property
    def _tables(self) -> tuple[Float[Tensor, "n"], Int[Tensor, "n"]]:
        return _alias_tables(self)


def shakespeare_task(
    *,
    T: int,
    K: int,
    triggers: Literal["random", "frequent", "rare"] = "random",
    outputs: Literal["uniform", "bigram"] = "uniform",
) -> BigramTask:
    """Return the task with tiny Shakespeare's characters (Birth sections 3, 5 and appendix E).

    Triggers: "random" draws K from pi_u, "frequent" fixes the K most frequent, "rare" those of ranks 6 to 5 + K.
    """
    counts = load_counts()
    if triggers not in ("random", "frequent", "rare"):
        raise ValueError(f"triggers is {triggers!r}; it must be 'random', 'frequent' or 'rare'.")
    fixed = None
    if triggers != "random":
        first = 0 if triggers == "frequent" else 5
        if not 1 <= K <= counts.N - first:
            raise ValueError(f"K is {K}; with {triggers} triggers it must be between 1 and {counts.N - first}.")
        ranked = torch.sort(counts.unigram, descending=True, stable=True).indices
        fixed = tuple(ranked[first : first + K].tolist())
    return BigramTask(pi_u=counts.pi_u, pi_b=counts.pi_b, T=T, K=K, triggers=fixed, outputs=outputs)


@dataclass(frozen=True, kw_only=True, eq=False)
class BigramBatch:
    """B sequences with what is known about each position; position t of `inputs` is to predict `targets` there.

    One sequence with T = 6, the trigger a, its output b (characters for token numbers):

        z           a b c a b d a
        inputs      a b c a b d
        targets     b c a b d a
        is_trigger  1 0 0 1 0 0
        occurrence  1 1 1 2 2 1
        in_context  0 0 0 1 0 0      the first a could not know that b follows
        triggers    a
        outputs     b
    """

    z: Int[Tensor, "B T_plus_1"]
    is_trigger: Bool[Tensor, "B T"]
    occurrence: Int[Tensor, "B T"]
    triggers: Int[Tensor, "B K"]
    outputs: Int[Tensor, "B K"]

    @property
    def inputs(self) -> Int[Tensor, "B T"]:
        """The first T tokens of each sequence."""
        return self.z[:, :-1]

    @property
    def targets(self) -> Int[Tensor, "B T"]:
        """The token that follows each input."""
        return self.z[:, 1:]

    @property
    def in_context(self) -> Bool[Tensor, "B T"]:
        """Triggers from their second occurrence on: what follows them can be read off the context."""
        return self.is_trigger & (self.occurrence >= 2)

    @property
    def global_tokens(self) -> Bool[Tensor, "B T"]:
        """Positions whose target comes from the global bigrams."""
        return ~self.is_trigger

    def to(self, device: torch.device | str) -> "BigramBatch":
        """Return the batch on another device."""
        return BigramBatch(
            z=self.z.to(device),
            is_trigger=self.is_trigger.to(device),
            occurrence=self.occurrence.to(device),
            triggers=self.triggers.to(device),
            outputs=self.outputs.to(device),
        )


def sample(
    task: BigramTask, batch_size: int, generator: torch.Generator, device: torch.device | str | None = None
) -> BigramBatch:
    """Draw a batch of sequences on the generator's device and move it to `device` (None: leave it there).

    All sequences advance together, one alias-table look-up a step. `BigramBatch` shows one aligned sequence.
    Raises ValueError when batch_size < 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; it must be at least 1.")
    B, N, T, K, home = batch_size, task.N, task.T, task.K, generator.device
    probability, alias = (table.to(home) for table in task._tables)

    def uniform(*shape: int) -> Float[Tensor, "..."]:
        # float64: one number serves as column and as threshold, which would leave float32 too few digits for the latter
        return torch.rand(*shape, generator=generator, device=home, dtype=torch.float64).mul_(N)

    def look_up(row_start: Int[Tensor, "..."], column: Int[Tensor, "..."], threshold: Float[Tensor, "..."]) -> Tensor:
        cell = row_start + column
        return torch.where(threshold < probability[cell], column, alias[cell])

    if task.triggers is None:
        weights = task.trigger_distribution.to(home).expand(B, N)
        triggers = torch.multinomial(weights, K, replacement=False, generator=generator)
    else:
        triggers = torch.tensor(task.triggers, device=home).expand(B, K).contiguous()
    drawn = uniform(B, K)
    outputs = drawn.long()
    if task.outputs == "bigram":
        outputs = look_up(triggers * N, outputs, drawn - outputs)

    # Rows of the tables: i draws from pi_b(. | i), N + o always gives o, 2 N draws from pi_u. So one map per sequence
    # from its last token to a row makes triggers cost nothing inside the loop.
    row_start = (torch.arange(N, device=home) * N).repeat(B, 1).scatter_(1, triggers, (outputs + N) * N).view(-1)
    sequence_start = torch.arange(B, device=home) * N

    drawn = uniform(T + 1, B)
    column = drawn.long()
    threshold = drawn - column
    z = torch.empty(T + 1, B, dtype=torch.int64, device=home)
    place = torch.empty(T, B, dtype=torch.int64, device=home)
    z[0] = look_up(torch.full((B,), 2 * N * N, device=home), column[0], threshold[0])
    z_rows, place_rows = z.unbind(0), place.unbind(0)
    cell = torch.empty(B, dtype=torch.int64, device=home)
    for now, after, where, c, u in zip(
        z_rows, z_rows[1:], place_rows, column.unbind(0)[1:], threshold.unbind(0)[1:], strict=False
    ):
        torch.add(now, sequence_start, out=where)
        torch.add(row_start.index_select(0, where), c, out=cell)
        keep = u < probability.index_select(0, cell)
        torch.where(keep, c, alias.index_select(0, cell), out=after)

    z = z.t().contiguous()
    inputs = z[:, :-1]
    is_trigger = row_start.view(B, N).gather(1, inputs) >= N * N
    batch = BigramBatch(z=z, is_trigger=is_trigger, occurrence=_occurrence(inputs), triggers=triggers, outputs=outputs)
    return batch if device is None else batch.to(device)


def _occurrence(z: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
    """Count, for every position, the equal tokens up to and including it."""
    T = z.shape[1]
    # A stable sort lines up equal tokens in order of position; a token's rank within its run is its count.
    ordered, origin = torch.sort(z, dim=1, stable=True)
    rank = torch.arange(T, device=z.device)
    starts = torch.ones_like(ordered, dtype=torch.bool)
    starts[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    first = torch.where(starts, rank, 0).cummax(1).values
    return torch.empty_like(z).scatter_(1, origin, rank - first + 1)


def _alias_tables(task: BigramTask) -> tuple[Float[Tensor, "n"], Int[Tensor, "n"]]:
    """Build, flattened, the alias tables of the rows pi_b(. | i), the N certain rows, and pi_u."""
    N = task.N
    rows = torch.cat(
        [task.pi_b.double().cpu(), torch.eye(N, dtype=torch.float64), task.pi_u.double().cpu().unsqueeze(0)]
    )
    remaining = rows / rows.sum(1, keepdim=True) * N
    every = torch.arange(len(rows))
    probability = torch.ones_like(remaining)
    alias = torch.arange(N).repeat(len(rows), 1)
    open_cells = torch.ones_like(remaining, dtype=torch.bool)
    # Fill the emptiest cell from the fullest one, N - 1 times: each filled cell then holds two tokens at most.
    for _ in range(N - 1):
        low = remaining.masked_fill(~open_cells, float("inf")).argmin(1)
        high = remaining.masked_fill(~open_cells, float("-inf")).argmax(1)
        amount = remaining[every, low].clamp(0.0, 1.0)
        probability[every, low] = amount
        alias[every, low] = high
        remaining[every, high] -= 1.0 - amount
        open_cells[every, low] = False
    return probability.view(-1), alias.view(-1)


def _check_distribution(name: str, rows: Float[Tensor, "..."]) -> None:
    if not bool((rows >= 0).all()):
        raise ValueError(f"the smallest entry of {name} is {float(rows.min()):g}; probabilities must be >= 0.")
    sums = rows.double().sum(-1).reshape(-1)
    worst = float(sums[(sums - 1.0).abs().argmax()])
    if not abs(worst - 1.0) <= 1e-5:
        raise ValueError(f"{name} must sum to 1; a sum is {worst:g}.")


def _digest(values: Tensor) -> str:
    return hashlib.sha256(values.double().cpu().contiguous().numpy().tobytes()).hexdigest()
