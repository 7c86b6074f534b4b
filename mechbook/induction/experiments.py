"""The runs of chapter 3 by their settings; any page that asks for one of them with the same preset gets the same run.

Every function takes the preset (`mechbook.induction.presets`) and a seed, which names the run's weights and batches.
"""

from dataclasses import replace
from typing import Literal

from mechbook.core.training.settings import TrainingSettings
from mechbook.induction.presets import CHECKPOINT_EVERY, PROBE_EVERY, InductionPreset
from mechbook.induction.realistic import RealisticSettings
from mechbook.induction.runs import InductionSettings
from mechbook.induction.streams import STREAMS
from mechbook.shared.bigrams import BigramTask, shakespeare_task
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
# Which triggers each curve of Figures 4 (left) and 5 has: K of them, but one alone in "few".
TRIGGERS: dict[str, Literal["random", "frequent", "rare"]] = {
    "base": "frequent",
    "few": "frequent",
    "rare": "rare",
    "random": "random",
}
# The dimension from which on Figure 8's runs take `wide_steps`.
WIDE = 128

_N = load_counts().N


def hand_task(setup: InductionPreset) -> BigramTask:
    """The task of the model that is written by hand: fixed triggers."""
    return shakespeare_task(T=setup.T, K=setup.K, triggers="frequent")


def frozen_settings(setup: InductionPreset, seed: int, condition: str = "joint") -> InductionSettings:
    """A run of Figure 3: W_K1, W_K2 and W_O2 trained on in-context tokens alone, some frozen at first.

    `condition` is a key of FREEZE, KeyError otherwise. All conditions have the same weights and batches.
    """
    return InductionSettings(
        T=setup.T,
        K=setup.K,
        model=SimplifiedConfig(N=_N, T=setup.T, d=setup.d, matrix_init=setup.matrix_init),
        training=TrainingSettings(
            steps=setup.released_steps if FREEZE[condition] else setup.steps,
            batch_size=setup.batch_size,
            optimizer="sgd",
            lr=setup.lr,
            frozen_until=tuple((name, setup.frozen_steps) for name in FREEZE[condition]),
        ),
        seed_key=(*STREAMS["frozen"], seed),
        probe_every=PROBE_EVERY,
        checkpoint_steps=_checkpoints(setup, seed) if condition == "joint" else (),
    )


def _checkpoints(setup: InductionPreset, seed: int) -> tuple[int, ...]:
    if seed == 0:  # the model that the widgets show
        return tuple(range(0, setup.steps + 1, CHECKPOINT_EVERY))
    return tuple(sorted({*range(0, setup.steps, PROBE_EVERY), setup.steps})) if setup.keep_joint else ()


def joint_settings(setup: InductionPreset, seed: int) -> InductionSettings:
    """The run of Figure 3 in which nothing is frozen, with a checkpoint at every probe step."""
    spec = frozen_settings(setup, seed)
    return replace(spec, checkpoint_steps=spec.all_probe_steps())


def trigger_settings(setup: InductionPreset, seed: int, condition: str) -> InductionSettings:
    """A run of Figures 4 (left) and 5: all matrices and W_F, on every token; `condition` is a key of TRIGGERS."""
    how = _all_tokens_training(setup, setup.all_tokens.trigger_lr, setup.all_tokens.trigger_steps)
    K = 1 if condition == "few" else setup.K
    return _all_tokens(setup, "triggers", seed, K=K, triggers=TRIGGERS[condition], outputs="uniform", training=how)


def length_settings(setup: InductionPreset, seed: int, condition: str) -> InductionSettings:
    """A run with five frequent triggers ("base") or one ("few") as in `trigger_settings`, in long contexts."""
    how, spec = setup.length, trigger_settings(setup, seed, condition)
    assert isinstance(spec.model, SimplifiedConfig)
    return replace(
        spec,
        T=how.T,
        model=replace(spec.model, T=how.T, d=how.d),
        training=replace(spec.training, lr=how.lr, batch_size=how.batch_size, steps=how.steps),
        seed_key=(*STREAMS["length"], seed),
    )


def output_settings(setup: InductionPreset, seed: int, outputs: Literal["uniform", "bigram"]) -> InductionSettings:
    """A run of Figures 4 (centre, right), 6 and 7: random triggers, their outputs uniform or from pi_b."""
    how = _all_tokens_training(setup, setup.all_tokens.output_lr, setup.all_tokens.output_steps)
    K = setup.all_tokens.output_K
    return _all_tokens(setup, "outputs", seed, K=K, triggers="random", outputs=outputs, training=how)


def bag_settings(setup: InductionPreset, seed: int) -> InductionSettings:
    """`output_settings` with uniform outputs, W_K1 and W_K2 left as they start: W_O2 reads a bag of words, W_F beside.

    What drifts here drifts without an induction head.
    """
    spec = output_settings(setup, seed, "uniform")
    assert isinstance(spec.model, SimplifiedConfig)
    return replace(spec, model=replace(spec.model, trained=("W_O2", "W_F")))


def _all_tokens_training(setup: InductionPreset, lr: float, steps: int) -> TrainingSettings:
    batch_size = setup.all_tokens.batch_size
    return TrainingSettings(steps=steps, batch_size=batch_size, optimizer="sgd", lr=lr, loss_on="all")


def _all_tokens(
    setup: InductionPreset,
    stream: str,
    seed: int,
    *,
    K: int,
    triggers: Literal["random", "frequent", "rare"],
    outputs: Literal["uniform", "bigram"],
    training: TrainingSettings,
) -> InductionSettings:
    return InductionSettings(
        T=setup.short_T,
        K=K,
        triggers=triggers,
        outputs=outputs,
        model=SimplifiedConfig(
            N=_N,
            T=setup.short_T,
            d=setup.all_tokens.d,
            matrix_init="uniform",
            feed_forward="after_layer_2",
            trained=("W_K1", "W_K2", "W_O2", "W_F"),
        ),
        training=training,
        seed_key=(*STREAMS[stream], seed),
        probe_every=PROBE_EVERY,
    )


def dimension_settings(
    setup: InductionPreset, seed: int, d: int, lr: float, *, patient: bool = False
) -> InductionSettings:
    """A run of Figure 8: W_O2 alone, on in-context tokens, in dimension d; `patient`: for longer than the figure."""
    how, T = setup.dimension, setup.short_T
    steps = how.patient_steps if patient else how.steps if d < WIDE else how.wide_steps
    return InductionSettings(
        T=T,
        K=setup.K,
        model=SimplifiedConfig(N=_N, T=T, d=d, matrix_init="uniform", trained=("W_O2",)),
        training=TrainingSettings(steps=steps, batch_size=how.batch_size, optimizer="sgd", lr=lr),
        seed_key=(*STREAMS["dimension"], seed),
        probe_every=5,
    )


def vanilla_settings(
    setup: InductionPreset,
    seed: int,
    triggers: Literal["random", "frequent"],
    *,
    n_layers: int = 2,
    n_heads: int = 1,
) -> InductionSettings:
    """A run of Figures 2 and 11: the vanilla transformer, everything trained on every token."""
    how, T = setup.vanilla, setup.short_T
    steps = how.fixed_steps if triggers == "frequent" else how.random_steps
    return InductionSettings(
        T=T,
        K=how.K,
        triggers=triggers,
        model=VanillaConfig(N=_N, T=T, d=how.d, n_layers=n_layers, n_heads=n_heads, position_std=1.0),
        training=TrainingSettings(
            steps=how.heads_steps if n_heads > 1 else steps,
            batch_size=how.batch_size,
            optimizer=how.optimizer,
            lr=how.lr,
            weight_decay=how.weight_decay,
            warmup=how.warmup,
            clip_norm=how.clip_norm,
            loss_on="all",
        ),
        seed_key=(*STREAMS["vanilla"], n_layers, n_heads, seed),
        probe_every=20,
    )


def realistic_settings(setup: InductionPreset, seed: int, *, short: bool = False) -> RealisticSettings:
    """A run of Figure 10; `short`: with sequences of short_T, and more of them, so that a batch has as many tokens."""
    how, vanilla = setup.realistic, setup.vanilla
    T = setup.short_T if short else how.T
    return RealisticSettings(
        T=T,
        K=vanilla.K,
        d=vanilla.d,
        training=TrainingSettings(
            steps=how.short_steps if short else how.steps,
            batch_size=max(1, how.batch_size * how.T // T),
            optimizer=vanilla.optimizer,
            lr=vanilla.lr,
            weight_decay=vanilla.weight_decay,
            warmup=vanilla.warmup,
            clip_norm=vanilla.clip_norm,
            loss_on="all",
        ),
        seed_key=(*STREAMS["realistic"], seed),
    )
