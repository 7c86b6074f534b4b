"""What chapter 5 measures on the small GPT-NeoX along its training: "the", the answer, and LASER.

"Ratio" is the mean probability of the answer over the mean probability of "the". The matrix, layer and rho are chosen
on half A of the prompts at the end of the training and everything is reported on half B, at every checkpoint.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mechbook.core.progress import Line
from mechbook.laser.data import english
from mechbook.laser.data.english import INDEX
from mechbook.laser.english_runs import EnglishSettings
from mechbook.laser.streams import STREAMS
from mechbook.laser.values import DYNAMICS, PREPOSITIONS
from mechbook.shared.truncation import truncated

# the weights of one layer, as transformers names them; query_key_value is three matrices in one
MATRICES = ("mlp.dense_h_to_4h", "mlp.dense_4h_to_h", "attention.dense")
THE = INDEX["the"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Prompts:
    """n prompts of one length, what should follow, and, for IOI, the name that should not (else None)."""

    tokens: Int[Tensor, "n T"]
    answer: Int[Tensor, "n"]
    S: Int[Tensor, "n"] | None = None

    def half(self, which: str) -> "Prompts":
        """Half "A", to choose on, or "B", to report on: every other prompt. KeyError for another."""
        part = slice({"A": 0, "B": 1}[which], None, 2)
        return Prompts(tokens=self.tokens[part], answer=self.answer[part], S=None if self.S is None else self.S[part])


@dataclass(frozen=True, kw_only=True)
class Means:
    """Mean probabilities over prompts; S is 0 where there is no such name."""

    the: float
    answer: float
    S: float = 0.0

    @property
    def ratio(self) -> float:
        """Of the answer over "the"."""
        return self.answer / self.the


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A truncation: matrix, layer (from 0) and rho."""

    matrix: str
    layer: int
    rho: float

    @property
    def name(self) -> str:
        """The parameter's name."""
        return weight_name(self.matrix, self.layer)


def weight_name(matrix: str, layer: int) -> str:
    """The parameter that holds `matrix` of `layer` in transformers' GPT-NeoX."""
    return f"gpt_neox.layers.{layer}.{matrix}.weight"


def tasks(n: int, seed: int) -> dict[str, Prompts]:
    """The prompts of "ioi" (`n` random sentences) and "facts" (every city)."""
    names = english.name_prompts(n, STREAMS.generator("name prompts", seed))
    tokens, countries = english.fact_prompts()
    # shuffled: cities of one country stand together, and would be split evenly between the halves
    order = torch.randperm(len(countries), generator=STREAMS.generator("order of cities", seed))
    return {
        "ioi": Prompts(tokens=names.tokens, answer=names.IO, S=names.S),
        "facts": Prompts(tokens=tokens[order], answer=countries[order]),
    }


def means(model: nn.Module, prompts: Prompts) -> Means:
    """Return the mean probabilities at the end of the prompts."""
    p = last_probabilities(model, prompts.tokens)
    rows = torch.arange(len(p))
    S = 0.0 if prompts.S is None else float(p[rows, prompts.S].mean())
    return Means(the=float(p[:, THE].mean()), answer=float(p[rows, prompts.answer].mean()), S=S)


def last_probabilities(model: nn.Module, tokens: Int[Tensor, "n T"]) -> Float[Tensor, "n N"]:
    """Return the probabilities of what follows each prompt, on the CPU."""
    device = next(model.parameters()).device
    with torch.no_grad():
        p: Tensor = model(tokens.to(device)).logits[:, -1].softmax(-1).cpu()
    return p


def sweep(model: nn.Module, prompts: Prompts, n_layers: int, rhos: Sequence[float]) -> dict[Choice, Means]:
    """Return the means under every truncation: matrices x layers x rates, one decomposition a matrix."""
    found = {}
    with Line("a sweep of LASER", len(MATRICES) * n_layers * len(rhos), "truncations") as line:
        for matrix in MATRICES:
            for layer in range(n_layers):
                with truncated(model, weight_name(matrix, layer)) as weight:
                    for rho in rhos:
                        weight.keep(rho=rho)
                        found[Choice(matrix=matrix, layer=layer, rho=rho)] = line.passed(means(model, prompts))
    return found


def best(found: dict[Choice, Means]) -> Choice:
    """The truncation of the largest ratio."""
    return max(found, key=lambda choice: found[choice].ratio)


@dataclass(frozen=True, kw_only=True, eq=False)
class DynamicsResult:
    """One run on one task: the choice made on half A at the end, and half B's means at every checkpoint."""

    steps: tuple[int, ...]
    choice: Choice
    full: list[Means]
    truncated: list[Means]

    def gain(self, place: int) -> float:
        """By what factor LASER raises the ratio at the checkpoint number `place` (-1: the last)."""
        return self.truncated[place].ratio / self.full[place].ratio


def dynamics(how: EnglishSettings, prompts: Prompts, rhos: Sequence[float]) -> DynamicsResult:
    """Choose on half A with the final weights, and follow half B along the checkpoints, full and truncated."""
    checkpoints, A, B = how.checkpoints(), prompts.half("A"), prompts.half("B")
    steps = how.checkpoint_steps()
    choice = best(sweep(checkpoints.at(steps[-1]), A, how.model.n_layers, rhos))
    full, cut = [], []
    for step in steps:
        model = checkpoints.at(step)
        full.append(means(model, B))
        with truncated(model, choice.name, rho=choice.rho):
            cut.append(means(model, B))
    return DynamicsResult(steps=steps, choice=choice, full=full, truncated=cut)


def at_the_end(how: EnglishSettings, prompts: Prompts, choice: Choice, rhos: Sequence[float]) -> list[float]:
    """By what factor the chosen matrix, cut to each of `rhos`, raises the ratio on half B at the last checkpoint."""
    model, B = how.checkpoints().at(how.checkpoint_steps()[-1]), prompts.half("B")
    whole, gains = means(model, B).ratio, []
    for rho in rhos:
        with truncated(model, choice.name, rho=rho):
            gains.append(means(model, B).ratio / whole)
    return gains


def the_before_the_answer(ioi: DynamicsResult) -> int:
    """The place of the checkpoint with the largest P(the) among those where P(IO) < 0.1 and |P(IO) - P(S)| < 0.1.

    Where there is none, the first checkpoint, at which nothing is learned.
    """
    early = [i for i, m in enumerate(ioi.full) if m.answer < 0.1 and abs(m.answer - m.S) < 0.1]
    return max(early, key=lambda i: ioi.full[i].the, default=0)


def dynamics_values(ioi: DynamicsResult) -> dict[str, float]:
    """What `laser.dynamics` is reported with."""
    m = ioi.full[the_before_the_answer(ioi)]
    gap = abs(m.answer - m.S)
    return DYNAMICS(the=m.the, IO=m.answer, gap=gap, gain_previous=ioi.gain(-2), gain_last=ioi.gain(-1))


def average_rank(p: Float[Tensor, "n N"], token: int) -> float:
    """Return the token's mean rank among the predictions, 1 for the most likely; ties count as half a rank each."""
    own = p[:, token].unsqueeze(1)
    ranks = 1 + (p > own).sum(1) + ((p == own).sum(1) - 1) / 2
    return float(ranks.double().mean())


def preposition_ranks(how: EnglishSettings, seed: int) -> dict[str, list[float]]:
    """Average rank of "the" at every checkpoint, after the 30 prepositions ("words") and sentences that end in one."""
    inputs = {
        "words": english.preposition_prompts(),
        "sentences": english.preposition_sentences(STREAMS.generator("preposition sentences", seed)),
    }
    checkpoints = how.checkpoints()
    ranks: dict[str, list[float]] = {name: [] for name in inputs}
    for step in how.checkpoint_steps():
        model = checkpoints.at(step)
        for name, tokens in inputs.items():
            ranks[name].append(average_rank(last_probabilities(model, tokens), THE))
    return ranks


def preposition_values(steps: Sequence[int], ranks: dict[str, list[float]]) -> dict[str, int]:
    """What `laser.prepositions` is reported with: the first checkpoint with a rank below 3, else the last + 1."""
    first = {
        name: next((s for s, rank in zip(steps, values, strict=True) if rank < 3), steps[-1] + 1)
        for name, values in ranks.items()
    }
    return PREPOSITIONS(**first, steps=steps[-1])
