"""All that chapter 1 can be run with, at both scales: LAPTOP and PAPER, to be read side by side."""

from dataclasses import dataclass

from mechbook.core.presets import counts, replace, require, whole
from mechbook.memories.parts import (
    Crosstalk,
    Factors,
    Filter,
    Linear,
    Mlp,
    Online,
    Outer,
    Recall,
    Sets,
    Vectors,
    Writers,
    Zipf,
)


@dataclass(frozen=True, kw_only=True)
class MemoriesPreset:
    """The settings of chapter 1: first those that several experiments share or a reader may like to change."""

    seeds: int
    """Seeds of every experiment, 0 .. seeds - 1."""
    d: int
    """Dimension of the memories that are filled: outer products, and the MLP filter."""
    M: int
    """Values where keys share them, in recall and in every capacity."""
    enough: float
    """The recall at which a memory counts as storing its pairs."""
    linear_steps: int
    """Updates at most in which a linear memory is trained."""
    mlp_steps: int
    """Updates at most in which an MLP memory is trained."""
    b: float
    """The threshold of the MLP filter."""
    a: float
    """The exponent of Zipf's law, p(x) in proportion to x^-a."""
    vectors: Vectors
    """Random vectors."""
    crosstalk: Crosstalk
    """Crosstalk's variance."""
    recall: Recall
    """Recall as a memory fills."""
    outer: Outer
    """The capacity of outer-product memories."""
    linear: Linear
    """The capacity of trained linear memories."""
    mlp: Mlp
    """The capacity of trained MLP memories."""
    factors: Factors
    """Products of two matrices."""
    filter: Filter
    """The MLP filter with tokens as keys."""
    sets: Sets
    """Sets as keys."""
    zipf: Zipf
    """Scaling laws."""
    writers: Writers
    """Muon as a writer."""
    online: Online
    """The delta rule."""

    def __post_init__(self) -> None:
        require(
            self,
            ("seeds", whole(self.seeds, 2), "a whole number >= 2, as spreads over seeds are shown"),
            ("d", whole(self.d, 5), "a whole number >= 5, where the predicted recall is exact enough"),
            *counts(self, M=2),
            ("enough", 0.9 <= self.enough < 1, "at least 0.9, as searches are made for, and below 1"),
            *counts(self, linear_steps=1, mlp_steps=1),
            ("b", 0 <= self.b < 1, "in [0, 1)"),
            ("a", self.a > 1, "> 1, as the probabilities of ever more inputs have a sum"),
        )


LAPTOP = MemoriesPreset(
    seeds=3,
    d=64,
    M=8,
    enough=0.99,
    linear_steps=400,
    mlp_steps=1500,
    b=0.3,
    a=1.5,
    vectors=Vectors(n=1000, draws=20_000),
    crosstalk=Crosstalk(N=100, d=32, M=10, memories=400),
    recall=Recall(N=(16, 32, 64, 128, 192, 256, 384, 512, 768, 1024, 2048), memories=4),
    outer=Outer(
        d=(8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256),
        d_shared=(32, 45, 64, 91, 128, 181, 256, 362, 512),
        few=4,
        many=16,
    ),
    linear=Linear(d=(8, 11, 16, 23, 32, 45, 64), lr=1.0),
    mlp=Mlp(
        sizes=((6, 24), (8, 32), (11, 44), (16, 64), (8, 16), (8, 64), (11, 22), (16, 32)),
        sizes_shared=((6, 12), (6, 24), (8, 16), (8, 32)),
        lr=0.03,
    ),
    factors=Factors(d=128, N=(64, 384), d_prime=(4, 8, 16, 32, 64, 96, 128), memories=4),
    filter=Filter(N=(64, 128, 256, 512, 1024, 2048, 4096), judged_at=1024),
    sets=Sets(d=256, b=0.7, tokens=24),
    zipf=Zipf(N=4000, M=5, d=(16, 32, 64, 128, 256, 512), part=32, memories=6),
    writers=Writers(N=2048, d=(32, 64, 128, 256)),
    online=Online(N=128, d=64, memories=20),
)

# with more parameters than these the scores of all pairs, N^2, are too many for one machine
_PAPER_SIZES = tuple((d, a * d) for a in (1, 2, 4, 8) for d in (16, 32, 64, 91, 128, 181) if a * d * d <= 33_000)

# what is not named here no paper gives a size for, or LAPTOP has it
PAPER = replace(
    LAPTOP,
    seeds=5,
    linear_steps=4096,
    mlp_steps=6000,
    linear=replace(LAPTOP.linear, d=(8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256)),
    mlp=replace(LAPTOP.mlp, sizes=_PAPER_SIZES, sizes_shared=_PAPER_SIZES),
)
