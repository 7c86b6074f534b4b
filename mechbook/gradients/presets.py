"""The settings of chapter 2 and their values at the two scales.

No number of a paper's is behind the sizes: the lemmas hold at any, and Theorem 3 is stated without. PAPER is a larger
version of LAPTOP, and where the paper names sizes (Figure 9) both have them.
"""

from dataclasses import dataclass

from mechbook.core.presets import amounts, counts, grids, positive, replace, require, whole


@dataclass(frozen=True, kw_only=True)
class IdentityPreset:
    """Sizes of the random data on which formulas are held against autograd: primes, so that transposed axes fail."""

    n: int
    """Inputs of an associative memory."""
    N: int
    """Outputs."""
    d: int
    """Dimension."""
    T: int
    """Positions."""
    B: int
    """Sequences; for Lemma 2 there are N times as many pairs."""

    def __post_init__(self) -> None:
        require(self, *counts(self, n=2, N=2, d=2, T=2, B=2))


@dataclass(frozen=True, kw_only=True)
class SpanPreset:
    """Descent on a random distribution, and what it adds to a random start (Birth eq. 6)."""

    n: int
    """Tokens, inputs and outputs alike."""
    d: int
    """Dimension; above n, so that there is an outside of the span."""
    lr: float
    """Step size."""
    weight_decay: float
    """Weight decay of the "decayed" runs."""
    steps: int
    """Gradient steps."""

    def __post_init__(self) -> None:
        inside = ("d", self.d > self.n, f"above n = {self.n}: else nothing is outside the span")
        require(self, *counts(self, n=2, d=1, steps=1), inside, *amounts(self, "lr", "weight_decay"))


@dataclass(frozen=True, kw_only=True)
class OneStepPreset:
    """One step on a permutation."""

    N: int
    """Tokens."""
    dimensions: tuple[int, ...]
    """Dimensions of the embeddings; the claim is about the largest."""

    def __post_init__(self) -> None:
        require(self, *counts(self, N=2), *grids(self, dimensions=1))


@dataclass(frozen=True, kw_only=True)
class IgnoredPreset:
    """One step on tokens with a position that tells nothing."""

    N: int
    """Tokens."""
    T: int
    """Positions."""
    d: int
    """Dimension."""

    def __post_init__(self) -> None:
        require(self, *counts(self, N=2, T=1, d=1))


@dataclass(frozen=True, kw_only=True)
class OptimumPreset:
    """Descent to the optimum of the convex loss."""

    N: int
    """Tokens, with random conditional distributions."""
    dimensions: tuple[int, ...]
    """Dimensions; the claim is about the largest."""
    steps: tuple[int, ...]
    """Numbers of steps at which the divergence is taken."""

    def __post_init__(self) -> None:
        require(self, *counts(self, N=2), *grids(self, dimensions=1, steps=1))


@dataclass(frozen=True, kw_only=True)
class FactorPreset:
    """The factor in front of what step 3 stores, with perfect memories."""

    vocabularies: tuple[int, ...]
    """Numbers of tokens."""
    T: int
    """Inputs; few, as (T - 1) / T and 1 - 1/N are to differ."""
    sequences: int
    """Sequences, drawn 2,000 at a time."""

    def __post_init__(self) -> None:
        multiple = ("sequences", self.sequences % 2_000 == 0, "a multiple of 2000")
        require(self, *grids(self, vocabularies=2), *counts(self, T=4, sequences=1), multiple)


@dataclass(frozen=True, kw_only=True)
class GapPreset:
    """The gap that step 2 makes, with a perfect W_O2, on Theorem 3's T."""

    vocabularies: tuple[int, ...]
    """Numbers of tokens; the claim compares the last with the first."""
    sequences: int
    """Sequences, drawn 10,000 at a time."""

    def __post_init__(self) -> None:
        multiple = ("sequences", self.sequences % 10_000 == 0, "a multiple of 10000")
        require(self, *grids(self, vocabularies=3), *counts(self, sequences=1), multiple)


@dataclass(frozen=True, kw_only=True)
class OrderPreset:
    """The three steps in other orders, from a random start."""

    d: int
    """Dimension."""
    sequences: int
    """Sequences for each step."""
    gap: float
    """The score gap of W_K2 while steps are taken: small, as layer 2's softmax is exact."""

    def __post_init__(self) -> None:
        require(self, *counts(self, d=1, sequences=1), *amounts(self, "gap"))


@dataclass(frozen=True, kw_only=True)
class VariantPreset:
    """Theorem 3 with one of the proof's restrictions undone."""

    d: int
    """Dimension; one of the preset's `dimensions`."""
    gaps: tuple[float, ...]
    """Score gaps of layer 2 during step 3, where its softmax is exact."""
    full_model_sequences: int
    """Sequences that chapter 3's model is asked."""

    def __post_init__(self) -> None:
        gaps = bool(self.gaps) and all(map(positive, self.gaps))
        require(self, *counts(self, d=1, full_model_sequences=1), ("gaps", gaps, "a tuple of finite numbers > 0"))


@dataclass(frozen=True, kw_only=True)
class GridPreset:
    """Birth's Figure 9; its dimensions and numbers of batches name the claim's values (`values.py`)."""

    T: int
    """Inputs of a sequence."""
    K: int
    """Triggers of a sequence."""
    batch: int
    """Sequences of a batch."""
    rival_sequences: int
    """Sequences for the table of rivals, drawn 2,048 at a time."""

    def __post_init__(self) -> None:
        multiple = ("rival_sequences", self.rival_sequences % 2_048 == 0, "a multiple of 2048")
        require(self, *counts(self, T=2, K=1, batch=1, rival_sequences=1), multiple)


@dataclass(frozen=True, kw_only=True)
class DeepLinearPreset:
    """A memory in two linear layers."""

    modes: int
    """Associations, of strengths from 1 to 8 in equal ratios."""
    d: int
    """Dimensions of keys, values and hidden layer."""
    std: float
    """Standard deviation of the weights at the start."""
    lr: float
    """Step size; times the steps it is the time."""
    steps: int
    """Gradient steps."""

    def __post_init__(self) -> None:
        room = ("d", self.d >= self.modes, f"at least modes = {self.modes}")
        require(self, *counts(self, modes=2, d=1, steps=1), room, *amounts(self, "std", "lr"))


@dataclass(frozen=True, kw_only=True)
class GradientsPreset:
    """All that chapter 2 runs with. N, T, d and what follows up to `test_sequences` are Theorem 3's three steps."""

    seeds: int
    """Seeds of the experiments with a claim about noise: one step, positions, the three steps, Figure 9."""
    fewer_seeds: int
    """Seeds of the identities, the span, the factor of step 3 and the deep linear memory."""
    sweep_seeds: int
    """Seeds at each point of the sweeps: the optimum, the three steps by dimension, their variants."""
    N: int
    """Tokens."""
    T: int
    """Inputs of a sequence."""
    d: int
    """Dimension."""
    dimensions: tuple[int, ...]
    """Dimensions of the sweep."""
    sequences: int
    """Fresh sequences for each step."""
    logit: float
    """The mean right logit that the step on W_O2 makes."""
    gap_W_K2: float
    """The score gap that the step on W_K2 makes in layer 2."""
    gap_W_K1: float
    """The score gap that the step on W_K1 makes in layer 1."""
    test_sequences: int
    """Sequences that accuracy and attention are measured on."""
    identities: IdentityPreset
    """Every formula against autograd."""
    span: SpanPreset
    """Where descent can go."""
    one_step: OneStepPreset
    """One step on a permutation."""
    optimum: OptimumPreset
    """Many steps."""
    ignored: IgnoredPreset
    """A position to be ignored."""
    factor: FactorPreset
    """How strong the signal of step 3 is."""
    gap: GapPreset
    """How strong the signal of step 2 is."""
    order: OrderPreset
    """In which order."""
    variants: VariantPreset
    """What the three steps need."""
    grid: GridPreset
    """One step on real sequences."""
    deep: DeepLinearPreset
    """One after another."""

    def __post_init__(self) -> None:
        seeds = "a whole number >= 2, as the spread over seeds is shown"
        require(
            self,
            *((name, whole(getattr(self, name), 2), seeds) for name in ("seeds", "fewer_seeds", "sweep_seeds")),
            ("sweep_seeds", self.sweep_seeds <= self.seeds, f"at most seeds = {self.seeds}"),
            *counts(self, N=3),
            ("T", whole(self.T, 9), "a whole number >= 9: accuracy is drawn by blocks of eight positions"),
            *counts(self, d=1, sequences=1, test_sequences=1),
            *grids(self, dimensions=1),
            *amounts(self, "logit", "gap_W_K2", "gap_W_K1"),
            ("variants", self.variants.d in self.dimensions, f"of a dimension of the sweep, {self.dimensions}"),
        )


LAPTOP = GradientsPreset(
    seeds=10,
    fewer_seeds=5,
    sweep_seeds=3,
    N=64,
    T=64,
    d=2048,
    dimensions=(128, 256, 512, 1024, 2048),
    sequences=50_000,
    logit=0.3,
    gap_W_K2=30.0,
    gap_W_K1=100.0,
    test_sequences=10_000,
    identities=IdentityPreset(n=23, N=17, d=29, T=13, B=101),
    span=SpanPreset(n=31, d=64, lr=5.0, weight_decay=0.01, steps=100),
    one_step=OneStepPreset(N=100, dimensions=(8, 16, 32, 64, 128, 256, 512, 1024)),
    optimum=OptimumPreset(N=16, dimensions=(8, 16, 32, 128), steps=(10, 30, 100, 300, 1000, 3000, 10000)),
    ignored=IgnoredPreset(N=100, T=64, d=1024),
    factor=FactorPreset(vocabularies=(16, 64, 256), T=16, sequences=20_000),
    gap=GapPreset(vocabularies=(64, 256), sequences=50_000),
    order=OrderPreset(d=1024, sequences=20_000, gap=0.3),
    variants=VariantPreset(d=1024, gaps=(0.3, 3.0, 30.0), full_model_sequences=100),
    grid=GridPreset(T=256, K=5, batch=32, rival_sequences=16_384),
    deep=DeepLinearPreset(modes=8, d=32, std=1e-5, lr=2e-3, steps=9000),
)

# what is not named here no paper gives a size for
PAPER = replace(
    LAPTOP,
    N=128,
    T=128,
    d=4096,
    one_step=replace(LAPTOP.one_step, N=1000),
    ignored=IgnoredPreset(N=1000, T=256, d=4096),
)
