"""The training runs of chapter 3 at both scales; any page that asks for one of them gets the same run.

"paper" is Birth's own size and step size (appendix E): T = 256, batches of 512, d = 128, uniform initial matrices.
"laptop" reaches the same conclusions in minutes on one CPU thread, with the settings below.
"""

from typing import Literal

from mechbook.core.settings import choose
from mechbook.core.training.loop import TrainingSettings
from mechbook.induction.runs import InductionRun
from mechbook.shared.shakespeare import load_counts
from mechbook.shared.simplified import SimplifiedConfig
from mechbook.shared.vanilla import VanillaConfig

# What stays frozen in each column of Figure 3.
FREEZE: dict[str, tuple[str, ...]] = {
    "joint": (),
    "freeze_W_O2": ("W_O2",),
    "freeze_W_K1": ("W_K1",),
    "freeze_W_K2": ("W_K2",),
    "freeze_both": ("W_K1", "W_K2"),
}
# What differs between the curves of Figures 4 (left) and 5: which triggers, and how many.
TRIGGERS: dict[str, tuple[Literal["random", "frequent", "rare"], int]] = {
    "base": ("frequent", 5),
    "few": ("frequent", 1),
    "rare": ("rare", 5),
    "random": ("random", 5),
}
# Figure 8: dimensions, learning rates tried for each, and the rate of the curves that are not tuned.
DIMENSIONS = (32, 64, 128, 256)

_N = load_counts().N


def frozen_run(condition: str, seed: int) -> InductionRun:
    """A run of Figure 3: W_K1, W_K2, W_O2 trained on in-context tokens alone, some frozen at first.

    `condition` is a key of FREEZE, KeyError otherwise; `frozen_steps` says for how long.
    """
    T, batch, lr, steps = choose(laptop=(64, 64, 0.05, 320), paper=(256, 512, 0.2, 600))
    return InductionRun(
        T=T,
        K=5,
        model=SimplifiedConfig(N=_N, T=T, d=128, matrix_init=choose(laptop="gaussian", paper="uniform")),
        training=TrainingSettings(
            steps=steps,
            batch_size=batch,
            optimizer="sgd",
            lr=lr,
            frozen_until=tuple((name, frozen_steps()) for name in FREEZE[condition]),
        ),
        # The same weights and batches under every condition: only what is frozen differs.
        seed_key=(3, 3, seed),
        probe_every=10,
        checkpoint_steps=tuple(range(0, steps + 1, 20)) if (condition, seed) == ("joint", 0) else (),
    )


def frozen_steps() -> int:
    """The step at which Figure 3's frozen matrices are released, the paper's."""
    return 300


def trigger_run(condition: str, seed: int) -> InductionRun:
    """A run of Figures 4 (left) and 5: all matrices and W_F, on every token; `condition` is a key of TRIGGERS."""
    triggers, K = TRIGGERS[condition]
    lr, steps = choose(laptop=(0.1, 200), paper=(1.0, 1000))
    return _all_tokens(triggers, K, "uniform", seed, lr=lr, steps=steps, key=4)


def output_run(outputs: Literal["uniform", "bigram"], seed: int) -> InductionRun:
    """A run of Figures 4 (centre, right), 6 and 7: three random triggers, their outputs uniform or from pi_b."""
    # twice the step size of `trigger_run`: what happens late in training is what counts here
    lr, steps = choose(laptop=(0.2, 440), paper=(1.0, 2000))
    return _all_tokens("random", 3, outputs, seed, lr=lr, steps=steps, key=6)


def _all_tokens(
    triggers: Literal["random", "frequent", "rare"],
    K: int,
    outputs: Literal["uniform", "bigram"],
    seed: int,
    *,
    lr: float,
    steps: int,
    key: int,
) -> InductionRun:
    T, d, batch = choose(laptop=(32, 256, 32), paper=(256, 128, 512))
    return InductionRun(
        T=T,
        K=K,
        triggers=triggers,
        outputs=outputs,
        model=SimplifiedConfig(
            N=_N,
            T=T,
            d=d,
            matrix_init="uniform",
            feed_forward="after_layer_2",
            trained=("W_K1", "W_K2", "W_O2", "W_F"),
        ),
        training=TrainingSettings(steps=steps, batch_size=batch, optimizer="sgd", lr=lr, loss_on="all"),
        seed_key=(3, key, seed),
        probe_every=10,
    )


def learning_rates() -> tuple[float, ...]:
    """The step sizes tried for each dimension of Figure 8."""
    return choose(laptop=(0.2, 0.5, 1.0), paper=(0.05, 0.1, 0.2, 0.5, 1.0))


def fixed_learning_rate() -> float:
    """The one step size of Figure 8's curves that are not tuned: the paper's for Figure 3."""
    return 0.2


def dimension_run(d: int, lr: float, seed: int) -> InductionRun:
    """A run of Figure 8: W_O2 alone, on in-context tokens, in dimension d."""
    T, batch = choose(laptop=(32, 64), paper=(256, 512))
    # the larger dimensions, each step of which costs more, need fewer
    steps = 300 if d < 128 else 150
    return InductionRun(
        T=T,
        K=5,
        model=SimplifiedConfig(N=_N, T=T, d=d, matrix_init="uniform", trained=("W_O2",)),
        training=TrainingSettings(steps=steps, batch_size=batch, optimizer="sgd", lr=lr),
        seed_key=(3, 8, seed),
        probe_every=5,
    )


def vanilla_run(
    triggers: Literal["random", "frequent"], seed: int, *, n_layers: int = 2, n_heads: int = 1
) -> InductionRun:
    """A run of Figures 2, 10 and 11: the vanilla transformer, everything trained on every token."""
    T, d, K = choose(laptop=(32, 64, 5), paper=(256, 128, 3))
    steps = {"frequent": choose(laptop=500, paper=4000), "random": choose(laptop=2000, paper=10_000)}[triggers]
    if n_heads > 1:
        steps = choose(laptop=1000, paper=10_000)
    if choose(laptop=True, paper=False):
        training = TrainingSettings(
            steps=steps,
            batch_size=32,
            optimizer="adamw",
            lr=5e-3,
            weight_decay=1e-2,
            warmup=50,
            clip_norm=1.0,
            loss_on="all",
        )
    else:
        training = TrainingSettings(steps=steps, batch_size=512, optimizer="sgd", lr=0.2, loss_on="all")
    return InductionRun(
        T=T,
        K=K,
        triggers=triggers,
        model=VanillaConfig(N=_N, T=T, d=d, n_layers=n_layers, n_heads=n_heads, position_std=1.0),
        training=training,
        seed_key=(3, 2, n_layers, n_heads, seed),
        probe_every=20,
    )
