"""People with attributes, after bioS of Allen-Zhu and Li (2024): knowledge whose bits can be counted.

A person is a name, `name_tokens` tokens that no other has, and `attribute_tokens` tokens drawn uniformly. With an
alphabet of Q tokens there are N_0 = Q^name_tokens names, and S_0 = Q^attribute_tokens values of all attributes.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechbook.facts.task import _at_least_one


@dataclass(frozen=True, kw_only=True)
class PeopleTask:
    """N people over an alphabet of Q tokens; token Q itself begins every sequence.

    Raises ValueError for a size < 1, or more people than names.
    """

    N: int
    Q: int = 32
    name_tokens: int = 3
    attribute_tokens: int = 6

    def __post_init__(self) -> None:
        for name in ("N", "Q", "name_tokens", "attribute_tokens"):
            _at_least_one(name, getattr(self, name))
        if self.N > self.Q**self.name_tokens:
            raise ValueError(
                f"N is {self.N}; with {self.name_tokens} tokens there are {self.Q**self.name_tokens} names."
            )

    @property
    def length(self) -> int:
        """Tokens of one person."""
        return self.name_tokens + self.attribute_tokens

    @property
    def name_bits(self) -> float:
        """log2 N_0."""
        return self.name_tokens * math.log2(self.Q)

    @property
    def attribute_bits(self) -> float:
        """log2 S_0."""
        return self.attribute_tokens * math.log2(self.Q)

    def most_bits(self) -> float:
        """The numerator of R_max: N log2(N_0 / N) + N log2 S_0 (Allen-Zhu and Li, Definition 4.3)."""
        return self.N * (self.name_bits - math.log2(self.N)) + self.N * self.attribute_bits


def draw_people(task: PeopleTask, generator: torch.Generator) -> Int[Tensor, "N length"]:
    """Draw all people, one in a row: the tokens of a distinct name, then those of the attributes.

        7 0 30   4 19 4 2 31 8      name tokens, then attribute tokens

    The name's number, in base Q with the first token the smallest digit, is drawn without replacement.
    """
    home = generator.device
    number = torch.randperm(task.Q**task.name_tokens, generator=generator, device=home)[: task.N]
    digits = task.Q ** torch.arange(task.name_tokens, device=home)
    names = number.unsqueeze(1) // digits % task.Q
    values = torch.randint(task.Q, (task.N, task.attribute_tokens), generator=generator, device=home)
    return torch.cat([names, values], 1)


def model_inputs(task: PeopleTask, people: Int[Tensor, "*B length"]) -> Int[Tensor, "*B length"]:
    """Return what a model reads to predict each token of the people: the token Q, then all but the last."""
    start = torch.full_like(people[..., :1], task.Q)
    return torch.cat([start, people[..., :-1]], -1)


def learned_bits(task: PeopleTask, losses: Float[Tensor, "*G N length"]) -> Float[Tensor, "*G"]:
    """Return the numerator of the capacity ratio, N log2(N_0 / e^p1) + N log2(S_0 / e^p2) (Definition 4.3).

    losses: cross-entropy in nats of every token of every person. p1 is the mean over people of the sum over a name's
    tokens, p2 of that over the attributes' tokens. A part that is worse than uniform counts as nothing learned.
    """
    by_name = losses[..., : task.name_tokens].sum(-1).mean(-1) / math.log(2)
    by_value = losses[..., task.name_tokens :].sum(-1).mean(-1) / math.log(2)
    return task.N * ((task.name_bits - by_name).clamp(min=0) + (task.attribute_bits - by_value).clamp(min=0))
