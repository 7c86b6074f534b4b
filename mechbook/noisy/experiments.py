"""The training runs of chapter 4, made of its preset; any page that asks for one of them gets the same run."""

from mechbook.core.training.settings import TrainingSettings
from mechbook.noisy.model import FeedForward, NoisyConfig
from mechbook.noisy.presets import NoisyPreset, Schedule
from mechbook.noisy.runs import Cut, NoisySettings
from mechbook.noisy.streams import STREAMS
from mechbook.shared.shakespeare import load_counts

# Figure 3's fractions of F_2's rank; 0 drops F_2, the full model is 1.
RHOS = (0.0, 0.01, 0.05, 0.2)
# Figure 12's fractions of W_O1's rank.
OUTPUT_RHOS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
# Feed-forward blocks F_1, F_2 of Figures 10, 11 and 12.
ARCHITECTURES: dict[str, tuple[FeedForward, FeedForward]] = {
    "mlp_linear": ("mlp", "linear"),
    "linear_mlp": ("linear", "mlp"),
    "no_blocks": ("none", "none"),
}
# Updates within which the noise is learned: "the first few steps" of Figure 4.
FIRST_STEPS = 20

DROP_F1: Cut = ("F1.W_in", 0.0)
DROP_F2: Cut = ("F2.W_in", 0.0)

_V = load_counts().N + 1


def dropped(block: str, kind: FeedForward) -> Cut:
    """The cut that drops F_1 or F_2: rank 0 of the weight it reads with."""
    return (f"{block}.{'W' if kind == 'linear' else 'W_in'}", 0.0)


def main_settings(setup: NoisyPreset, seed: int) -> NoisySettings:
    """A run of Figures 3, 4 (left), 5 (left), 7, 8 (top) and 9; seed 0 keeps checkpoints for the widgets."""
    along = _probe_steps(setup.steps, every=50)
    return _settings(
        setup,
        setup.main,
        stream="main",
        seed=seed,
        probes=along,
        cuts=(*((DROP_F2[0], rho) for rho in RHOS), DROP_F1),
        checkpoints=along if seed == 0 else (),
    )


def level_settings(setup: NoisyPreset, alpha: float, seed: int) -> NoisySettings:
    """A run at one of the preset's noise levels, measured at its end; weights are drawn as for `main_settings`.

    KeyError for a level that the preset does not have.
    """
    if alpha == setup.alpha:
        return main_settings(setup, seed)
    schedule = dict(setup.levels)[alpha]
    return _settings(setup, schedule, stream="main", seed=seed, alpha=alpha)


def dimension_settings(setup: NoisyPreset, d: int, seed: int) -> NoisySettings:
    """A run of the main models in another dimension, measured at its end."""
    return main_settings(setup, seed) if d == setup.d else _settings(setup, setup.main, stream="main", seed=seed, d=d)


def several_settings(setup: NoisyPreset, seed: int) -> NoisySettings:
    """A run of Figure 8, bottom: several triggers."""
    return _settings(setup, setup.several, stream="several", seed=seed, K=setup.several_K)


def clean_settings(setup: NoisyPreset, seed: int) -> NoisySettings:
    """A run on clean data, alpha = 0: what Figures 4 (right) and 5 (right) fine-tune."""
    return _settings(setup, setup.clean, stream="clean", seed=seed, alpha=0.0, cooled=False)


def fine_tuned_settings(setup: NoisyPreset, seed: int) -> NoisySettings:
    """A run of Figures 4 (right) and 5 (right): a model trained on clean data goes on with noisy data."""
    along = _probe_steps(setup.fine_tuned.steps, every=50)
    start = clean_settings(setup, seed)
    return _settings(setup, setup.fine_tuned, stream="fine_tuned", seed=seed, probes=along, start=start)


def architecture_settings(setup: NoisyPreset, name: str, seed: int) -> NoisySettings:
    """A run of Figures 10, 11 and 12: other F_1 and F_2; `name` is a key of ARCHITECTURES, KeyError otherwise."""
    F1, F2 = ARCHITECTURES[name]
    cuts: tuple[Cut, ...] = (dropped("F1", F1), dropped("F2", F2))
    if name == "no_blocks":
        cuts = tuple(("W_O1", rho) for rho in OUTPUT_RHOS)
    schedule: Schedule = getattr(setup, name)
    along = _probe_steps(schedule.steps, every=100)
    return _settings(setup, schedule, stream=name, seed=seed, F1=F1, F2=F2, probes=along, cuts=cuts)


def _settings(
    setup: NoisyPreset,
    schedule: Schedule,
    *,
    stream: str,
    seed: int,
    probes: tuple[int, ...] | None = None,
    cuts: tuple[Cut, ...] = (DROP_F2,),
    alpha: float | None = None,
    K: int | None = None,
    d: int | None = None,
    F1: FeedForward = "mlp",
    F2: FeedForward = "mlp",
    checkpoints: tuple[int, ...] = (),
    start: NoisySettings | None = None,
    cooled: bool = True,
) -> NoisySettings:
    """A run by a schedule; what is None is the preset's own, and the run is measured at its end."""
    # at the laptop's step size the probability of noise wanders by several hundredths; the end is cooled down
    cool = (schedule.steps // 3, setup.cool_lr) if cooled and setup.cool_lr is not None else None
    steps = schedule.steps - (cool[0] if cool else 0)
    d = setup.d if d is None else d
    return NoisySettings(
        T=setup.T,
        alpha=setup.alpha if alpha is None else alpha,
        K=setup.K if K is None else K,
        model=NoisyConfig(V=_V, T=setup.T, d=d, F1=F1, F2=F2, output_matrix=(F1, F2) == ("none", "none")),
        training=TrainingSettings(steps=steps, batch_size=schedule.batch, optimizer="sgd", lr=schedule.lr),
        cool_down=cool,
        seed_key=(*STREAMS[stream], seed),
        probe_steps=(schedule.steps,) if probes is None else probes,
        checkpoint_steps=checkpoints,
        cuts=cuts,
        start=start,
    )


def _probe_steps(steps: int, *, every: int) -> tuple[int, ...]:
    """Steps close together at first, where the noise is learned; then `every` so many."""
    early = (*range(11), *range(12, FIRST_STEPS + 1, 2), 30, 40, 60, 80) if every <= 50 else (0, 2, 5, 10, 20, 50)
    return tuple(sorted({*(s for s in early if s < steps), *range(100, steps, every), steps}))
