"""What chapter 6 runs: `LAPTOP` and `PAPER`, to be read side by side; `mechbook.facts.experiments` follows."""

from dataclasses import dataclass
from itertools import product

from mechbook.core.presets import require
from mechbook.facts.knowledge import Shape
from mechbook.facts.stack_training import StackSettings


@dataclass(frozen=True, kw_only=True)
class DescentPreset:
    """How one model of Figure 5 is trained: gradient descent with step size lr on fresh batches."""

    lr: float
    batch_size: int

    def __post_init__(self) -> None:
        require(self, ("lr", self.lr > 0, "above 0"), ("batch_size", self.batch_size >= 1, "at least 1"))


@dataclass(frozen=True, kw_only=True)
class SwappedPreset:
    """Linear attention with few subjects and many relations; D, T, n_noise and init are Figure 5's."""

    S: int
    R: int
    lr: float
    steps: int
    batch_size: int
    test_size: int

    def __post_init__(self) -> None:
        for name in ("S", "R", "steps", "batch_size", "test_size"):
            require(self, (name, getattr(self, name) >= 1, "at least 1"))
        require(self, ("lr", self.lr > 0, "above 0"))


@dataclass(frozen=True, kw_only=True)
class ConstructionPreset:
    """The weights written by hand."""

    S: int
    """S = R of the task whose facts are all asked."""
    contexts: int
    """In how many contexts each is asked."""
    d: int
    """Attention alone: dimension."""
    d_h: int
    """Attention alone: head dimension."""
    H: int
    """Attention alone: heads."""
    d_mlp: int
    """Attention and MLP: dimension."""
    m: int
    """Attention and MLP: width of the MLP."""
    sizes: tuple[int, ...]
    """S = R of the search for the fewest parameters; above D, for a head superposes R + D answers and R is to grow."""
    load_d: int
    """Dimension of the map of what a head can hold."""
    load_d_h: tuple[int, ...]
    """Its head dimensions."""
    load_tokens: tuple[int, ...]
    """Its numbers of tokens that a head serves."""

    def __post_init__(self) -> None:
        for name in ("S", "contexts", "d", "d_h", "H", "d_mlp", "m"):
            require(self, (name, getattr(self, name) >= 1, "at least 1"))
        require(
            self,
            ("d_h", self.d_h <= self.d, f"at most d = {self.d}"),
            ("H", 2 <= self.H <= 2 * self.S, f"between 2 and 2 S = {2 * self.S}"),
            ("sizes", len(set(self.sizes)) >= 2 and min(self.sizes) >= 2, "two different sizes or more, all above 1"),
            ("load_d_h", bool(self.load_d_h) and max(self.load_d_h) <= self.load_d, f"up to load_d = {self.load_d}"),
            ("load_tokens", bool(self.load_tokens) and max(self.load_tokens) <= self.S, f"up to S = {self.S}"),
        )


@dataclass(frozen=True, kw_only=True)
class CapacityPreset:
    """The search for the facts that a trained model stores."""

    points: tuple[tuple[int, float, float], ...]
    """(d, alpha, beta) of each model: dimension, H d_h = alpha d, m = beta d."""
    training: StackSettings
    """How each is trained."""

    def __post_init__(self) -> None:
        require(self, ("points", len(set(self.points)) >= 2, "two models or more, for a slope"))


@dataclass(frozen=True, kw_only=True)
class TradeoffPreset:
    """The grid of heads and MLP widths."""

    S: int
    """S = R of the task."""
    d: int
    """Dimension."""
    d_h: int
    """Head dimension."""
    H: tuple[int, ...]
    """Numbers of heads, rising."""
    m: tuple[int, ...]
    """Widths of the MLP, rising from 0 (none)."""
    training: StackSettings
    """How each model is trained."""

    def __post_init__(self) -> None:
        heads = bool(self.H) and self.H[0] >= 1 and _rise(self.H)
        widths = len(self.m) >= 2 and self.m[0] == 0 and _rise(self.m)
        require(self, ("H", heads, "numbers that rise, from 1 on"), ("m", widths, "0 and then widths that rise"))


@dataclass(frozen=True, kw_only=True)
class KnowledgePreset:
    """What small GPTs learn of people."""

    shapes: tuple[Shape, ...]
    """(layers, dimension, heads) of the three GPTs, six to nine thousand parameters, from wide to deep."""
    people: tuple[int, ...]
    """N, numbers of people."""
    exposures: tuple[int, ...]
    """How often each person is seen, rising."""
    batch_size: int
    lr: float

    def __post_init__(self) -> None:
        require(
            self,
            ("shapes", len(self.shapes) == 3, "three shapes, which the claim compares"),
            ("people", bool(self.people) and min(self.people) >= 1, "one number of people or more, all at least 1"),
            ("exposures", len(self.exposures) >= 2 and _rise(self.exposures), "two numbers or more that rise"),
            ("batch_size", self.batch_size >= 1, "at least 1"),
            ("lr", self.lr > 0, "above 0"),
        )


@dataclass(frozen=True, kw_only=True)
class FactsPreset:
    """All settings of chapter 6: first Figure 5's and what is common, then each experiment's own numbers.

    ValueError for values that cannot be run.
    """

    S: int
    """Subjects of Figure 5."""
    R: int
    """Relations of Figure 5."""
    D: int
    """Answers of each relation, in every task."""
    T: int
    """Tokens of a sequence, in every task."""
    n_noise: int
    """Noise tokens of Figure 5's vocabulary; the other tasks have two for each subject."""
    init: float
    """What every entry trained for Figure 5 is at first, but for a tenth of noise: alpha."""
    d: int
    """Dimension of the softmax head's random embeddings."""
    d_narrow: int
    """A smaller one, to compare."""
    steps: int
    """Training steps of Figure 5."""
    dynamics_seeds: int
    """Seeds of Figure 5."""
    seeds: int
    """Seeds of everything else."""
    linear: DescentPreset
    softmax: DescentPreset
    swapped: SwappedPreset
    construction: ConstructionPreset
    capacity: CapacityPreset
    tradeoff: TradeoffPreset
    knowledge: KnowledgePreset

    def __post_init__(self) -> None:
        for name in ("S", "R", "D", "n_noise", "d", "d_narrow", "steps", "dynamics_seeds", "seeds"):
            require(self, (name, getattr(self, name) >= 1, "at least 1"))
        balanced = self.S % self.D == 0 and self.swapped.S % self.D == 0
        require(
            self,
            ("T", self.T >= 4, "at least 4: a subject, a relation, noise and EOS"),
            ("D", balanced, f"a divisor of S = {self.S} and of swapped.S = {self.swapped.S}, so that answers balance"),
            ("init", 0 < self.init < 1, "above 0 and below 1"),
        )


def _rise(numbers: tuple[int, ...]) -> bool:
    return list(numbers) == sorted(set(numbers))


LAPTOP = FactsPreset(
    S=16, R=4, D=8, T=32, n_noise=20, init=1e-5,
    d=256, d_narrow=128, steps=8192, dynamics_seeds=5, seeds=3,
    linear=DescentPreset(lr=0.1, batch_size=512),
    softmax=DescentPreset(lr=4.0, batch_size=128),
    swapped=SwappedPreset(S=8, R=32, lr=0.3, steps=5120, batch_size=256, test_size=2048),
    construction=ConstructionPreset(
        S=16, contexts=10, d=1024, d_h=256, H=8, d_mlp=64, m=256,
        sizes=(11, 16, 23, 32),
        load_d=768, load_d_h=(16, 32, 64, 128), load_tokens=(1, 2, 4, 8, 16),
    ),
    capacity=CapacityPreset(
        # of the paper's dimensions those up to 45 whose models store at least 8 x 8 facts, where its search begins
        points=(
            (16, 1.0, 1.0), (23, 1.0, 1.0), (32, 1.0, 1.0), (45, 1.0, 1.0),
            (11, 1.0, 4.0), (16, 1.0, 4.0), (23, 1.0, 4.0), (32, 1.0, 4.0),
        ),
        training=StackSettings(steps=1500, batch_size=256, rates=(1e-2,)),
    ),
    tradeoff=TradeoffPreset(
        S=16, d=32, d_h=8,
        H=(1, 2, 4, 6, 8, 12, 16),
        m=(0, 16, 32, 64, 128),
        training=StackSettings(steps=1200, batch_size=256, rates=(1e-2,)),
    ),
    knowledge=KnowledgePreset(
        shapes=((1, 20, 2), (2, 16, 2), (4, 12, 2)),
        people=(300, 700),
        exposures=(30, 100, 360),
        batch_size=100, lr=1e-2,
    ),
)  # fmt: skip

PAPER = FactsPreset(
    S=16, R=4, D=8, T=32, n_noise=20, init=1e-5,
    d=256, d_narrow=128, steps=8192, dynamics_seeds=5, seeds=3,
    linear=DescentPreset(lr=0.1, batch_size=1024),
    softmax=DescentPreset(lr=4.0, batch_size=1024),
    swapped=SwappedPreset(S=8, R=32, lr=0.3, steps=5120, batch_size=256, test_size=2048),
    construction=ConstructionPreset(
        S=16, contexts=10, d=1024, d_h=256, H=8, d_mlp=64, m=256,
        sizes=(11, 16, 23, 32, 45, 64),
        load_d=768, load_d_h=(16, 32, 64, 128), load_tokens=(1, 2, 4, 8, 16),
    ),
    capacity=CapacityPreset(
        points=tuple(
            (round(2 ** (k / 2)), alpha, beta)
            for k, alpha, beta in product(range(6, 16), *[(0.25, 0.5, 1.0, 2.0, 4.0)] * 2)
        ),
        training=StackSettings(steps=2**14, batch_size=1024, rates=(1e-3, 3e-3, 1e-2)),
    ),
    tradeoff=TradeoffPreset(
        S=32, d=32, d_h=8,
        H=(1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 28, 32),
        m=(0, 8, 16, 32, 48, 64, 96, 128, 192, 256, 320, 384, 512),
        training=StackSettings(steps=2**14, batch_size=1024, rates=(1e-2,)),
    ),
    knowledge=KnowledgePreset(
        shapes=((1, 20, 2), (2, 16, 2), (4, 12, 2)),
        people=(300, 500, 700, 1000, 1500),
        exposures=(100, 300, 1000),
        batch_size=100, lr=1e-2,
    ),
)  # fmt: skip
