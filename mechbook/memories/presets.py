"""All that chapter 1 can be run with, at both scales: LAPTOP and PAPER, to be read side by side."""

from dataclasses import dataclass

from mechbook.core.presets import amounts, counts, grids, replace, require, rising, whole


@dataclass(frozen=True, kw_only=True)
class Vectors:
    """Random vectors and what a random matrix makes of them."""

    n: int
    """Embeddings whose inner products are measured."""
    draws: int
    """Pairs of a vector and a matrix, drawn a thousand at a time."""

    def __post_init__(self) -> None:
        require(
            self,
            *counts(self, n=2),
            ("draws", whole(self.draws, 2000) and self.draws % 1000 == 0, "a multiple of 1000, at least 2000"),
        )


@dataclass(frozen=True, kw_only=True)
class Crosstalk:
    """Crosstalk of outer-product memories, with a value for each key and with a few for all."""

    N: int
    """Pairs stored."""
    d: int
    """Dimension."""
    M: int
    """Values of the many-to-one map."""
    memories: int
    """Memories drawn for each seed and map."""
    weights: tuple[float, float] = (0.5, 2.0)
    """The smallest and the largest weight of the pairs, where these are not all 1."""

    def __post_init__(self) -> None:
        low, high = self.weights
        require(
            self,
            *counts(self, N=2, d=1),
            ("M", whole(self.M, 2) and self.M <= self.N, f"a whole number in 2 .. N = {self.N}"),
            ("weights", 0 < low < high < float("inf"), "two finite numbers > 0, the smaller first"),
            *counts(self, memories=2),
        )


@dataclass(frozen=True, kw_only=True)
class Recall:
    """Recall of outer-product memories as they fill."""

    N: tuple[int, ...]
    """Numbers of pairs, ascending."""
    memories: int
    """Memories drawn for each seed and N."""

    def __post_init__(self) -> None:
        require(self, *grids(self, N=1), *counts(self, memories=1))


@dataclass(frozen=True, kw_only=True)
class Outer:
    """The capacity of outer-product memories."""

    d: tuple[int, ...]
    """Dimensions where each key has a value of its own, ascending."""
    d_shared: tuple[int, ...]
    """Dimensions where all keys share M values, ascending."""
    few: int
    """Memories searched for each seed and dimension above 64."""
    many: int
    """Memories for d <= 64, where the capacity is a small number that depends much on the draw, and cheap to find."""
    M: tuple[int, ...] = (2, 4, 8, 16, 32, 64)
    """Numbers of shared values, ascending, by which the capacity at d_M is searched."""
    d_M: int = 256
    """The dimension of that search."""

    def __post_init__(self) -> None:
        require(self, *grids(self, count=2, d=1, d_shared=1, M=2), *counts(self, few=1, many=1, d_M=8))


@dataclass(frozen=True, kw_only=True)
class Linear:
    """The capacity of trained linear memories."""

    d: tuple[int, ...]
    """Dimensions, ascending."""
    lr: float
    """Adam's step size."""
    d_patient: tuple[int, ...] = (16, 32)
    """Dimensions, ascending, in which training is also given `patience` times the steps."""
    patience: int = 10
    """By how much the steps are multiplied there."""

    def __post_init__(self) -> None:
        require(self, *grids(self, count=2, d=4, d_patient=4), *amounts(self, "lr"), *counts(self, patience=2))


@dataclass(frozen=True, kw_only=True)
class Mlp:
    """The capacity of trained MLP memories."""

    sizes: tuple[tuple[int, int], ...]
    """(d, width m) where each key has a value of its own."""
    sizes_shared: tuple[tuple[int, int], ...]
    """(d, width m) where all keys share M values."""
    lr: float
    """Adam's step size."""

    def __post_init__(self) -> None:
        for name in ("sizes", "sizes_shared"):
            sizes = getattr(self, name)
            fits = len({d * m for d, m in sizes}) > 1 and all(d >= 2 and m >= 1 for d, m in sizes)
            require(self, (name, fits, "pairs (d, m) of whole numbers with at least two different d m"))
        require(self, *amounts(self, "lr"))


@dataclass(frozen=True, kw_only=True)
class Factors:
    """Recall of factorised memories."""

    d: int
    """Dimension of keys and values."""
    N: tuple[int, int]
    """Pairs: few, which the factors store, and many, which they do not."""
    d_prime: tuple[int, ...]
    """Inner dimensions d', ascending; the last is d, where the claim is judged."""
    memories: int
    """Memories drawn for each seed, N and d'."""
    N_steps: tuple[int, ...] = (384, 768)
    """Pairs, ascending, by which step sizes are compared at d' = d."""

    def __post_init__(self) -> None:
        require(
            self,
            *counts(self, d=1),
            *grids(self, N_steps=1),
            ("N", len(self.N) == 2 and rising(self.N, 1), "two ascending whole numbers"),
            ("d_prime", rising(self.d_prime, 1) and self.d_prime[-1] == self.d, f"ascending, up to d = {self.d}"),
            *counts(self, memories=1),
        )


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Recall of the MLP that filters crosstalk."""

    N: tuple[int, ...]
    """Numbers of pairs, ascending."""
    judged_at: int
    """The number of pairs at which the claim compares the filter with the outer-product memory."""

    def __post_init__(self) -> None:
        require(
            self,
            *grids(self, N=1),
            ("judged_at", self.judged_at in self.N, f"one of the numbers of pairs, {', '.join(map(str, self.N))}"),
        )


@dataclass(frozen=True, kw_only=True)
class Sets:
    """Sets of two tokens as keys."""

    d: int
    """Dimension."""
    b: float
    """The filter's threshold: above 1/2, the overlap of sets with a token in common, and below 1."""
    tokens: int
    """Tokens of one family, n: an even number, so that the table of sums is made of XORs."""

    def __post_init__(self) -> None:
        even = whole(self.tokens, 4) and self.tokens % 2 == 0 and 2 * self.tokens <= self.d
        require(
            self,
            *counts(self, d=2),
            ("b", 0 <= self.b < 1, "in [0, 1)"),
            ("tokens", even, f"an even number >= 4, at most d/2 = {self.d // 2}"),
        )


@dataclass(frozen=True, kw_only=True)
class Zipf:
    """Errors of memories whose inputs follow Zipf's law."""

    N: int
    """Inputs."""
    M: int
    """Values, f(x) = x mod M."""
    d: tuple[int, ...]
    """Dimensions, ascending."""
    part: int
    """The scheme "top" stores the first M d/part inputs."""
    memories: int
    """Memories drawn for each seed, scheme and dimension."""
    d_endless: tuple[int, ...] = (1024, 2048, 4096, 8192)
    """Dimensions, ascending, of the expected errors with inputs without end."""
    more: int = 16
    """Another `part`, twice as many inputs stored, for comparison."""

    def __post_init__(self) -> None:
        require(
            self,
            *counts(self, N=2),
            ("M", whole(self.M, 2) and self.M <= self.N, f"a whole number in 2 .. N = {self.N}"),
            *grids(self, count=2, d=1, d_endless=1),
            ("part", whole(self.part, 1) and self.M * self.d[0] >= self.part, "in 1 .. M d, so that one is stored"),
            *counts(self, memories=1, more=1),
        )


@dataclass(frozen=True, kw_only=True)
class Writers:
    """One step on pairs of unequal probability: along the gradient, and along its polar factor."""

    N: int
    """Pairs, of probabilities in proportion to i^-a."""
    d: tuple[int, ...]
    """Dimensions, ascending; the last is the one in which pairs are counted."""

    def __post_init__(self) -> None:
        require(self, *counts(self, N=2), *grids(self, count=2, d=2))


@dataclass(frozen=True, kw_only=True)
class Online:
    """Pairs that come one after another."""

    N: int
    """Pairs."""
    d: int
    """Dimension."""
    memories: int
    """Memories drawn for each seed."""
    loads: tuple[int, ...] = (64, 96, 128, 192, 256)
    """Pairs, ascending, by which least squares is asked how much it keeps."""

    def __post_init__(self) -> None:
        four = ("N", whole(self.N, 4) and self.N % 4 == 0, "a multiple of 4, as recall is shown by quarters")
        require(self, four, *counts(self, d=2, memories=1), *grids(self, loads=2))


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
