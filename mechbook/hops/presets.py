"""All that chapter 7 can be run with, at the two scales of the book: LAPTOP and PAPER, to be read side by side."""

from dataclasses import dataclass

from mechbook.core.presets import require


@dataclass(frozen=True, kw_only=True)
class ScalingPreset:
    """The models of different numbers of hops, which differ in nothing else but their layers.

    n: values; few, for k = 8 has kn tokens in a sequence
    steps: the most updates of a run
    batch_size: sequences in an update
    lr: step size
    """

    n: int
    steps: int
    batch_size: int
    lr: float

    def __post_init__(self) -> None:
        require(self, ("n", self.n >= 2, "2 or more"), *_training_rules(self))


@dataclass(frozen=True, kw_only=True)
class HeadsPreset:
    """The k-hop induction heads.

    letters: how many different letters there are
    T: letters in a sequence
    n_heads: heads in each layer
    steps: updates of a run, all of them used
    batch_size: sequences in an update
    lr: step size
    record_every: accuracies are means over so many steps
    """

    letters: int
    T: int
    n_heads: int
    steps: int
    batch_size: int
    lr: float
    record_every: int

    def __post_init__(self) -> None:
        rules = [
            ("letters", self.letters >= 2, "2 or more"),
            ("T", self.T >= 1, "1 or more"),
            ("n_heads", self.n_heads >= 1, "1 or more"),
            ("record_every", self.record_every >= 1, "1 or more"),
        ]
        require(self, *rules, *_training_rules(self))
        require(self, _in_records("steps", self.steps, self.record_every))


@dataclass(frozen=True, kw_only=True)
class HopsPreset:
    """What decides every run of chapter 7.

    n: values
    k: positions, and the most hops that are asked for
    d: width of the stream, in all models that are trained
    n_heads: heads in each layer; a model for k hops has ceil(log2 k) + 1 layers
    seeds: seeds of the mixture, of the curriculum, and of the mixture with one layer fewer
    few_seeds: seeds of everything else, the first of the others
    steps: the most updates of the mixture and of a curriculum
    batch_size: sequences in an update
    lr: step size
    advance_at: the running accuracy at which a curriculum takes up its next hop
    record_every: accuracies are means over so many steps
    direct_factor: direct training has so many times the steps that the mixture needed
    shallow_factor: one layer fewer has so many times the steps that the mixture needed
    scaling: the models of different numbers of hops
    heads: the k-hop induction heads
    """

    n: int
    k: int
    d: int
    n_heads: int
    seeds: int
    few_seeds: int
    steps: int
    batch_size: int
    lr: float
    advance_at: float
    record_every: int
    direct_factor: int
    shallow_factor: int
    scaling: ScalingPreset
    heads: HeadsPreset

    def __post_init__(self) -> None:
        rules = [
            ("n", 2 <= self.n <= 10, "2 to 10, because values are written as digits"),
            ("k", self.k >= 4, "4 or more, because the claims are about 1 to 4 hops"),
            ("d", self.d >= 1, "1 or more"),
            ("n_heads", self.n_heads >= 1 and self.d % self.n_heads == 0, f"a divisor of d = {self.d}"),
            ("few_seeds", self.few_seeds >= 2, "2 or more, because tables show a spread over seeds"),
            ("seeds", self.seeds >= self.few_seeds, f"few_seeds = {self.few_seeds} or more"),
            ("advance_at", 0 < self.advance_at < 1, "between 0 and 1"),
            ("record_every", self.record_every >= 1, "1 or more"),
            ("direct_factor", self.direct_factor >= 1, "1 or more"),
            ("shallow_factor", self.shallow_factor >= 1, "1 or more"),
        ]
        require(self, *rules, *_training_rules(self))
        require(self, _in_records("steps", self.steps, self.record_every))
        require(self.scaling, _in_records("steps", self.scaling.steps, self.record_every))
        require(self.heads, ("n_heads", self.d % self.heads.n_heads == 0, f"a divisor of d = {self.d}"))


def _training_rules(preset: ScalingPreset | HeadsPreset | HopsPreset) -> list[tuple[str, bool, str]]:
    return [("batch_size", preset.batch_size >= 1, "1 or more"), ("lr", preset.lr > 0, "positive")]


def _in_records(name: str, steps: int, every: int) -> tuple[str, bool, str]:
    return name, steps >= 1 and steps % every == 0, f"a multiple of record_every = {every}"


LAPTOP = HopsPreset(
    n=5,
    k=4,
    d=64,
    n_heads=8,
    seeds=5,
    few_seeds=3,
    steps=2000,
    batch_size=32,
    lr=4e-3,
    advance_at=0.98,
    record_every=25,
    direct_factor=5,
    shallow_factor=3,
    scaling=ScalingPreset(n=3, steps=2000, batch_size=16, lr=3e-3),
    heads=HeadsPreset(letters=4, T=32, n_heads=4, steps=800, batch_size=32, lr=3e-3, record_every=50),
)

# batches four times as large: fewer, steadier steps
PAPER = HopsPreset(
    n=5,
    k=4,
    d=64,
    n_heads=8,
    seeds=5,
    few_seeds=3,
    steps=2000,
    batch_size=128,
    lr=4e-3,
    advance_at=0.98,
    record_every=25,
    direct_factor=10,
    shallow_factor=3,
    scaling=ScalingPreset(n=3, steps=20_000, batch_size=64, lr=3e-3),
    heads=HeadsPreset(letters=4, T=100, n_heads=4, steps=20_000, batch_size=32, lr=3e-3, record_every=50),
)
