"""What chapter 4 can be run with: one dataclass, and its values at both scales.

PAPER is Chen et al.'s own size (appendix A.5): d = T = 256, batches of 512, 2000 steps of SGD with step size 0.03, of
which the paper names {0.001, 0.03}. LAPTOP reaches the same conclusions in minutes on one CPU thread.
"""

from dataclasses import dataclass

from mechbook.core.presets import require


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and with what a model is trained.

    steps: updates, those at `cool_lr` among them
    batch: sequences in each
    lr: step size of SGD
    """

    steps: int
    batch: int
    lr: float

    def __post_init__(self) -> None:
        require(
            self,
            ("steps", self.steps >= 3, "3 or more, as the last third of a run may have a step size of its own"),
            ("batch", self.batch >= 1, "1 or more"),
            ("lr", 0 < self.lr < 1, "between 0 and 1"),
        )


@dataclass(frozen=True, kw_only=True)
class Margins:
    """One-step updates of the one-layer model, against Theorem 1.

    N, T: ordinary tokens and length
    sizes: sequences in an update
    updates: how many updates of each size, where the sequences last
    sequences: how many are drawn in all
    """

    N: int
    T: int
    sizes: tuple[int, ...]
    updates: int
    sequences: int

    def __post_init__(self) -> None:
        require(
            self,
            ("N", self.N >= 4, "4 or more"),
            ("T", self.T >= 2, "2 or more"),
            ("sizes", len(self.sizes) >= 2 and min(self.sizes) >= 1, "two sizes or more, of 1 or more"),
            ("sequences", self.sequences >= max(128, *self.sizes), "128 or more, and enough for the largest update"),
        )


@dataclass(frozen=True, kw_only=True)
class Needs:
    """How many samples attention needs, over sizes: `updates` one-step updates of `batch` sequences for each (N, T)."""

    N: tuple[int, ...]
    T: tuple[int, ...]
    batch: int
    updates: int

    def __post_init__(self) -> None:
        last = self.N[-1] if self.N else 0
        require(
            self,
            ("N", len(self.N) >= 1 and min(self.N) >= 4, "one number or more, of 4 or more"),
            ("T", {last // 8, last} <= set(self.T), f"lengths with {last // 8} and {last} among them, N / 8 and N"),
            ("updates", self.updates >= 2, "2 or more"),
        )


@dataclass(frozen=True, kw_only=True)
class Table2:
    """The Monte Carlo for Table 2: the task, and how many sequences are drawn."""

    N: int
    T: int
    alpha: float
    sequences: int


@dataclass(frozen=True, kw_only=True)
class KeyQuery:
    """The gradient on W_KQ after one step, over sizes.

    short, long: numbers of tokens N, at T = 4 N and at T = N^2
    N, ratios: the number of tokens at which T / N takes these values
    sequences: how many are drawn for each task
    """

    short: tuple[int, ...]
    long: tuple[int, ...]
    N: int
    ratios: tuple[int, ...]
    sequences: int


@dataclass(frozen=True, kw_only=True)
class Flip:
    """The gradient on W_KQ where the noise is frequent elsewhere: the task, and how many sequences are drawn."""

    N: int
    T: int
    sequences: int


@dataclass(frozen=True, kw_only=True)
class Figure6:
    """The linear memory of Figure 6.

    n, alpha: pairs, and the probability of the noise
    dimensions: a wide and a narrow one
    runs, sets: runs of a set, over which medians are taken, and how many sets there are
    steps: of gradient descent
    """

    n: int
    alpha: float
    dimensions: tuple[int, int]
    runs: int
    sets: int
    steps: int


@dataclass(frozen=True, kw_only=True)
class AlphaVsN:
    """The linear memory over numbers of pairs n and noise levels: steps of gradient descent for each."""

    n: tuple[int, ...]
    alphas: tuple[float, ...]
    steps: int


@dataclass(frozen=True, kw_only=True)
class Theorem2:
    """The linear memory with n = 2 against its flow: noise levels, step size and steps of gradient descent."""

    alphas: tuple[float, ...]
    lr: float
    steps: int


@dataclass(frozen=True, kw_only=True)
class NoisyPreset:
    """All that chapter 4 runs with.

    seeds: models of each kind, and repetitions of each sampled number of the theory
    alpha: probability of the noise after a trigger, for the models and for the one-layer theory
    T, d: length of the sequences and dimension of the models
    K: triggers, but for the model with several
    steps, batch, lr: the schedule of the main models, those of most figures
    cool_lr: step size of the last third of a run; None: that of the rest
    other_d: further dimensions that the main models are compared with
    levels: the three noise levels compared, with their schedules (at `alpha` itself: the main models)
    several_K, several: triggers of the model with several, and its schedule
    clean, fine_tuned: the schedules on clean data, which is never cooled, and of going on from there with noise
    mlp_linear, linear_mlp, no_blocks: the schedules of Figures 10, 11 and 12, named by F_1 and F_2
    margins, needs, table_2, key_query, flip: the theory's samples of the one-layer model
    figure_6, alpha_vs_n, theorem_2: the linear memory
    """

    seeds: int
    alpha: float
    T: int
    d: int
    K: int
    steps: int
    batch: int
    lr: float
    cool_lr: float | None
    other_d: tuple[int, ...]
    levels: tuple[tuple[float, Schedule], ...]
    several_K: int
    several: Schedule
    clean: Schedule
    fine_tuned: Schedule
    mlp_linear: Schedule
    linear_mlp: Schedule
    no_blocks: Schedule
    margins: Margins
    needs: Needs
    table_2: Table2
    key_query: KeyQuery
    flip: Flip
    figure_6: Figure6
    alpha_vs_n: AlphaVsN
    theorem_2: Theorem2

    def __post_init__(self) -> None:
        alphas = [alpha for alpha, _ in self.levels]
        require(
            self,
            ("seeds", self.seeds >= 2, "2 or more, as spreads are over seeds"),
            ("alpha", 0.1 <= self.alpha <= 0.9, "between 0.1 and 0.9: beyond, the theory's lengths are too short"),
            ("T", self.T >= 16, "16 or more, so that triggers occur again"),
            ("d", self.d >= 1, "1 or more"),
            ("K", 1 <= self.K <= 65, "between 1 and the 65 characters"),
            ("several_K", 1 <= self.several_K <= 65, "between 1 and the 65 characters"),
            ("steps", self.steps >= 3, "3 or more, as the last third of a run may have a step size of its own"),
            ("batch", self.batch >= 1, "1 or more"),
            ("lr", 0 < self.lr < 1, "between 0 and 1"),
            ("cool_lr", self.cool_lr is None or 0 < self.cool_lr < 1, "between 0 and 1, or None"),
            ("other_d", all(d >= 1 for d in self.other_d), "of dimensions of 1 or more"),
            ("levels", len(alphas) == 3 and alphas == sorted(set(alphas)), "three noise levels, in increasing order"),
            ("levels", all(0 < alpha < 1 for alpha in alphas), "of noise levels between 0 and 1"),
        )

    @property
    def main(self) -> Schedule:
        """The schedule of the main models."""
        return Schedule(steps=self.steps, batch=self.batch, lr=self.lr)


LAPTOP = NoisyPreset(
    seeds=3,
    alpha=0.5,
    T=64,
    d=128,
    K=1,
    steps=800,
    batch=32,
    lr=0.05,
    cool_lr=0.01,
    other_d=(64,),
    levels=(
        (0.2, Schedule(steps=650, batch=32, lr=0.05)),
        (0.5, Schedule(steps=800, batch=32, lr=0.05)),
        # at a larger step size more of the frequent noise settles elsewhere than in F_2, where dropping that leaves it;
        # the many steps that a small one takes are cheap on small batches
        (0.8, Schedule(steps=2200, batch=16, lr=0.02)),
    ),
    several_K=5,
    # some of the runs on batches of 16 diverge at 0.05
    several=Schedule(steps=500, batch=16, lr=0.03),
    # until attention has found the pairs: more steps sharpen it until it hardly changes
    clean=Schedule(steps=120, batch=32, lr=0.05),
    fine_tuned=Schedule(steps=600, batch=32, lr=0.05),
    mlp_linear=Schedule(steps=600, batch=16, lr=0.03),
    linear_mlp=Schedule(steps=500, batch=32, lr=0.05),
    no_blocks=Schedule(steps=900, batch=16, lr=0.03),
    margins=Margins(N=64, T=256, sizes=(10, 30, 100, 300, 1000, 3000), updates=400, sequences=131_072),
    needs=Needs(N=(16, 64, 256), T=(4, 8, 16, 32, 64, 128, 256, 512), batch=100, updates=200),
    table_2=Table2(N=23, T=200, alpha=0.3, sequences=200_000),
    key_query=KeyQuery(
        short=(16, 32, 64, 128), long=(32, 64, 128, 256), N=64, ratios=(1, 2, 3, 4, 5, 6, 8, 12, 16), sequences=10_000
    ),
    flip=Flip(N=32, T=512, sequences=10_000),
    figure_6=Figure6(n=3, alpha=0.03, dimensions=(12, 8), runs=20, sets=6, steps=10_000),
    alpha_vs_n=AlphaVsN(
        n=(2, 3, 4, 6), alphas=(0.003, 0.007, 0.015, 0.03, 0.08, 0.15, 0.3, 0.45, 0.55, 0.7), steps=15_000
    ),
    # three within the theorem's (0.2, 0.4), and one on each side of it
    theorem_2=Theorem2(alphas=(0.05, 0.22, 0.3, 0.38, 0.7), lr=0.1, steps=100_000),
)
PAPER = NoisyPreset(
    seeds=3,
    alpha=0.5,
    T=256,
    d=256,
    K=1,
    steps=2000,
    batch=512,
    lr=0.03,
    cool_lr=None,
    other_d=(128,),
    levels=(
        (0.2, Schedule(steps=2000, batch=512, lr=0.03)),
        (0.5, Schedule(steps=2000, batch=512, lr=0.03)),
        (0.8, Schedule(steps=2000, batch=512, lr=0.03)),
    ),
    several_K=5,
    several=Schedule(steps=2000, batch=512, lr=0.03),
    clean=Schedule(steps=2000, batch=512, lr=0.03),
    fine_tuned=Schedule(steps=2000, batch=512, lr=0.03),
    mlp_linear=Schedule(steps=2000, batch=512, lr=0.03),
    linear_mlp=Schedule(steps=2000, batch=512, lr=0.03),
    no_blocks=Schedule(steps=2000, batch=512, lr=0.03),
    margins=Margins(N=256, T=1024, sizes=(10, 30, 100, 300, 1000, 3000, 10_000), updates=400, sequences=1_048_576),
    needs=Needs(N=(16, 64, 256, 1024), T=(4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048), batch=100, updates=1000),
    table_2=Table2(N=64, T=1024, alpha=0.3, sequences=1_000_000),
    key_query=KeyQuery(
        short=(16, 32, 64, 128, 256),
        long=(32, 64, 128, 256, 512),
        N=256,
        ratios=(1, 2, 3, 4, 5, 6, 8, 12, 16),
        sequences=100_000,
    ),
    flip=Flip(N=128, T=8192, sequences=100_000),
    figure_6=Figure6(n=3, alpha=0.03, dimensions=(12, 8), runs=20, sets=6, steps=100_000),
    alpha_vs_n=AlphaVsN(
        n=(2, 3, 4, 6), alphas=(0.003, 0.007, 0.015, 0.03, 0.08, 0.15, 0.3, 0.45, 0.55, 0.7), steps=150_000
    ),
    theorem_2=Theorem2(alphas=(0.05, 0.22, 0.3, 0.38, 0.7), lr=0.05, steps=2_000_000),
)
