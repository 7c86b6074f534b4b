"""The numbers of chapter 3's experiments.

PAPER is Birth's own size and step size (appendix E): T = 256, batches of 512, d = 128, uniform initial matrices.
LAPTOP reaches the same conclusions in minutes on one CPU thread.
"""

from dataclasses import dataclass
from typing import Literal

from mechbook.core.presets import amounts, counts, require
from mechbook.shared.shakespeare import load_counts

# Updates between two probes, and between two checkpoints, of the runs of Figure 3.
PROBE_EVERY, CHECKPOINT_EVERY = 10, 20
# Ranks of the most frequent characters that rarer triggers leave out.
MOST_FREQUENT = 5


@dataclass(frozen=True, kw_only=True)
class AllTokensPreset:
    """Figures 4 to 7: global and in-context knowledge together, W_F trained too, the loss on all tokens.

    d, batch_size: width, and sequences in a batch
    trigger_lr, trigger_steps: step size and updates where triggers are compared (Figures 4, left, and 5)
    output_lr, output_steps, output_K: the same, and the triggers of a sequence, where outputs are (Figures 4, 6, 7)
    """

    d: int
    batch_size: int
    trigger_lr: float
    trigger_steps: int
    output_lr: float
    output_steps: int
    output_K: int

    def __post_init__(self) -> None:
        require(self, *counts(self, d=1, batch_size=1, trigger_steps=1, output_steps=1, output_K=1))
        require(self, *amounts(self, "trigger_lr", "output_lr"))


@dataclass(frozen=True, kw_only=True)
class DimensionPreset:
    """Figure 8: W_O2 trained alone in several dimensions.

    batch_size: sequences in a batch
    lrs: the step sizes tried for each dimension
    fixed_lr: the one of the curves that are not tuned, one of `lrs`
    steps, wide_steps: updates below d = 128, and from there on, where fewer are needed and each costs more
    patient_steps, bold_lr: more updates, and a larger step size, with which the smallest d is tried as well
    """

    batch_size: int
    lrs: tuple[float, ...]
    fixed_lr: float
    steps: int
    wide_steps: int
    patient_steps: int
    bold_lr: float

    def __post_init__(self) -> None:
        require(self, *counts(self, batch_size=1, steps=1, wide_steps=1, patient_steps=1), *amounts(self, "bold_lr"))
        require(
            self,
            ("lrs", bool(self.lrs) and min(self.lrs, default=0) > 0, "one or more positive step sizes"),
            ("fixed_lr", self.fixed_lr in self.lrs, f"one of lrs = {self.lrs}"),
        )


@dataclass(frozen=True, kw_only=True)
class LengthPreset:
    """Few triggers in long contexts: five frequent triggers against one, all matrices and W_F, on every token.

    T, d, batch_size, lr, steps: as in the experiments above
    """

    T: int
    d: int
    batch_size: int
    lr: float
    steps: int

    def __post_init__(self) -> None:
        require(self, *counts(self, d=1, batch_size=1, steps=1), *amounts(self, "lr"))
        require(self, ("T", self.T >= 8, "8 or more"))


@dataclass(frozen=True, kw_only=True)
class RealisticPreset:
    """Figure 10: everything trained, with LayerNorm, and an MLP in layer 2 alone; random triggers.

    T, batch_size, steps: inputs of a sequence, sequences in a batch, updates; the rest is as in `vanilla`
    short_steps: updates where T is the preset's short_T and a batch has as many tokens, to see what the length does
    """

    T: int
    batch_size: int
    steps: int
    short_steps: int

    def __post_init__(self) -> None:
        require(self, *counts(self, batch_size=1, steps=1, short_steps=1))
        require(self, ("T", self.T >= 8, "8 or more"))


@dataclass(frozen=True, kw_only=True)
class VanillaPreset:
    """Figures 2 and 11: the vanilla transformer, everything trained, the loss on all tokens.

    K, d: triggers of a sequence, and width
    batch_size, optimizer, lr, weight_decay, warmup, clip_norm: as in `TrainingSettings`
    fixed_steps, random_steps, heads_steps: updates with fixed and with random triggers, and with several heads
    """

    K: int
    d: int
    batch_size: int
    optimizer: Literal["sgd", "adamw"]
    lr: float
    weight_decay: float
    warmup: int
    clip_norm: float | None
    fixed_steps: int
    random_steps: int
    heads_steps: int

    def __post_init__(self) -> None:
        require(self, *counts(self, K=1, d=1, batch_size=1, fixed_steps=1, random_steps=1, heads_steps=1))
        require(self, *amounts(self, "lr"))


@dataclass(frozen=True, kw_only=True)
class InductionPreset:
    """All that chapter 3 can be run with.

    seeds: repetitions of what is claimed for most seeds ("in 4 of 5")
    few_seeds: repetitions of everything else, at most `seeds`
    T: inputs of a sequence where the induction head is learned alone or written by hand
    short_T: inputs of a sequence in all other experiments
    K: triggers of a sequence, where an experiment has no number of its own
    hand_d: width of the model written by hand
    d, matrix_init, batch_size, lr, steps: the runs of Figure 3, in which the induction head is learned alone
    frozen_steps: the update before which Figure 3's frozen matrices are released
    released_steps: updates of the runs in which something is frozen, which go on after the release
    keep_joint: whether the runs with nothing frozen keep a checkpoint at every probe step, from the second seed on; the
        first keeps those that the widgets show. What needs them all trains such a run again where they are not kept
    all_tokens, length, dimension, vanilla, realistic: what the other experiments have of their own
    """

    seeds: int
    few_seeds: int
    T: int
    short_T: int
    K: int
    hand_d: int
    d: int
    matrix_init: Literal["gaussian", "uniform"]
    batch_size: int
    lr: float
    steps: int
    frozen_steps: int
    released_steps: int
    keep_joint: bool
    all_tokens: AllTokensPreset
    length: LengthPreset
    dimension: DimensionPreset
    vanilla: VanillaPreset
    realistic: RealisticPreset

    def __post_init__(self) -> None:
        require(self, *counts(self, seeds=1, hand_d=1, d=1, batch_size=1))
        require(self, *amounts(self, "lr"))
        most = load_counts().N - MOST_FREQUENT
        # early and late positions are told apart from 8 on; a widget needs three checkpoints
        released = self.frozen_steps % PROBE_EVERY == 0 and 0 <= self.frozen_steps <= self.steps
        require(
            self,
            ("few_seeds", 1 <= self.few_seeds <= self.seeds, f"between 1 and seeds = {self.seeds}"),
            ("T", self.T >= 8, "8 or more"),
            ("short_T", self.short_T >= 8, "8 or more"),
            ("K", 1 <= self.K <= most, f"between 1 and {most}, as the {MOST_FREQUENT} most frequent can be left out"),
            ("matrix_init", self.matrix_init in ("gaussian", "uniform"), "'gaussian' or 'uniform'"),
            ("steps", self.steps >= 2 * CHECKPOINT_EVERY, f"{2 * CHECKPOINT_EVERY} or more"),
            ("frozen_steps", released, f"a multiple of {PROBE_EVERY}, at most steps = {self.steps}"),
            ("released_steps", self.released_steps >= self.frozen_steps, f"frozen_steps = {self.frozen_steps} or more"),
        )


# Few triggers in long contexts are trained once and recorded, whatever the scale.
LENGTH = LengthPreset(T=256, d=128, batch_size=32, lr=0.2, steps=400)

LAPTOP = InductionPreset(
    seeds=5,
    few_seeds=3,
    T=64,
    short_T=32,
    K=5,
    hand_d=512,
    d=128,
    matrix_init="gaussian",
    batch_size=64,
    lr=0.05,
    steps=320,
    frozen_steps=300,
    released_steps=480,
    keep_joint=True,
    all_tokens=AllTokensPreset(
        d=256,
        batch_size=32,
        trigger_lr=0.1,
        trigger_steps=200,
        output_lr=0.2,  # twice the trigger runs': what happens late in training is what counts here
        output_steps=440,
        output_K=3,
    ),
    length=LENGTH,
    dimension=DimensionPreset(
        batch_size=64,
        lrs=(0.2, 0.5, 1.0),
        fixed_lr=0.2,
        steps=300,
        wide_steps=150,
        patient_steps=1000,
        bold_lr=8.0,
    ),
    vanilla=VanillaPreset(
        K=5,
        d=64,
        batch_size=32,
        optimizer="adamw",
        lr=5e-3,
        weight_decay=1e-2,
        warmup=50,
        clip_norm=1.0,
        fixed_steps=500,
        random_steps=2000,
        heads_steps=1000,
    ),
    realistic=RealisticPreset(T=128, batch_size=16, steps=1000, short_steps=300),
)

PAPER = InductionPreset(
    seeds=5,
    few_seeds=3,
    T=256,
    short_T=256,
    K=5,
    hand_d=512,
    d=128,
    matrix_init="uniform",
    batch_size=512,
    lr=0.2,
    steps=600,
    frozen_steps=300,
    released_steps=600,
    keep_joint=False,
    all_tokens=AllTokensPreset(
        d=128,
        batch_size=512,
        trigger_lr=1.0,
        trigger_steps=1000,
        output_lr=1.0,
        output_steps=2000,
        output_K=3,
    ),
    length=LENGTH,
    dimension=DimensionPreset(
        batch_size=512,
        lrs=(0.05, 0.1, 0.2, 0.5, 1.0),
        fixed_lr=0.2,
        steps=300,
        wide_steps=150,
        patient_steps=1000,
        bold_lr=8.0,
    ),
    vanilla=VanillaPreset(
        K=3,
        d=128,
        batch_size=512,
        optimizer="sgd",
        lr=0.2,
        weight_decay=1e-4,
        warmup=0,
        clip_norm=None,
        fixed_steps=4000,
        random_steps=10_000,
        heads_steps=10_000,
    ),
    realistic=RealisticPreset(T=256, batch_size=512, steps=10_000, short_steps=10_000),
)
