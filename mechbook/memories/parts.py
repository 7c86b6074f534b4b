"""What the experiments of chapter 1 have each of their own: the parts of its preset (`mechbook.memories.presets`)."""

from dataclasses import dataclass

from mechbook.core.presets import amounts, counts, grids, require, rising, whole


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
