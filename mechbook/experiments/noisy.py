"""The training runs of chapter 4 at both scales; any page that asks for one of them gets the same run.

"paper" is Chen et al.'s own size (appendix A.5): d = T = 256, batches of 512, 2000 steps of SGD with step size 0.03.
"laptop" reaches the same conclusions in minutes on one CPU thread, with the settings below.
"""

from mechbook.data.shakespeare import load_counts
from mechbook.experiments.noisy_runs import Cut, NoisyRun
from mechbook.models.noisy import FeedForward, NoisyConfig
from mechbook.settings import choose
from mechbook.training import TrainingSettings

ALPHA = 0.5
# Figure 3's fractions of F_2's rank; 0 drops F_2, the full model is 1.
RHOS = (0.0, 0.01, 0.05, 0.2)
# Figure 12's fractions of W_O1's rank.
OUTPUT_RHOS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
# The noise levels of "any other constant value" (section 4), and the book's own alpha.
ALPHAS = (0.2, 0.5, 0.8)
# Feed-forward blocks F_1, F_2 of Figures 10, 11 and 12.
ARCHITECTURES: dict[str, tuple[FeedForward, FeedForward]] = {
    "mlp_linear": ("mlp", "linear"),
    "linear_mlp": ("linear", "mlp"),
    "none": ("none", "none"),
}
# Updates within which the noise is learned: "the first few steps" of Figure 4.
FIRST_STEPS = 20

DROP_F1: Cut = ("F1.W_in", 0.0)
DROP_F2: Cut = ("F2.W_in", 0.0)

_V = load_counts().N + 1


def dropped(block: str, kind: FeedForward) -> Cut:
    """The cut that drops F_1 or F_2: rank 0 of the weight it reads with."""
    return (f"{block}.{'W' if kind == 'linear' else 'W_in'}", 0.0)


def main_run(seed: int, *, alpha: float = ALPHA, d: int | None = None) -> NoisyRun:
    """A run of Figures 3, 4 (left), 5 (left), 7, 8 (left) and 9; other noise levels and dimensions start alike."""
    steps = choose(laptop={0.2: 500, 0.5: 800, 0.8: 1400}[alpha], paper=2000)
    cuts = (*((DROP_F2[0], rho) for rho in RHOS), DROP_F1)
    return _run(
        seed,
        key=3,
        alpha=alpha,
        d=d,
        steps=steps,
        cuts=cuts,
        # what the widgets show
        checkpoints=_probe_steps(steps) if (seed, alpha, d) == (0, ALPHA, None) else (),
    )


def dimensions() -> tuple[int, ...]:
    """The dimensions at which dropping F_2 is compared, the last that of `main_run`."""
    return choose(laptop=(32, 64, 128), paper=(64, 128, 256))


def triggers_run(seed: int) -> NoisyRun:
    """A run of Figure 8, right: five triggers."""
    return _run(seed, key=8, K=5, steps=choose(laptop=600, paper=2000), cuts=(DROP_F2,))


def clean_run(seed: int) -> NoisyRun:
    """A run on clean data, alpha = 0: what Figures 4 (right) and 5 (right) fine-tune."""
    return _run(seed, key=4, alpha=0.0, steps=choose(laptop=250, paper=2000), cuts=(DROP_F2,))


def fine_tuned_run(seed: int) -> NoisyRun:
    """A run of Figures 4 (right) and 5 (right): a model trained on clean data goes on with noisy data."""
    return _run(seed, key=5, steps=choose(laptop=350, paper=2000), cuts=(DROP_F2,), start=clean_run(seed))


def architecture_run(name: str, seed: int) -> NoisyRun:
    """A run of Figures 10, 11 and 12: other F_1 and F_2; `name` is a key of ARCHITECTURES, KeyError otherwise."""
    F1, F2 = ARCHITECTURES[name]
    if name == "none":
        cuts: tuple[Cut, ...] = tuple(("W_O1", rho) for rho in OUTPUT_RHOS)
    else:
        cuts = (dropped("F1", F1), dropped("F2", F2))
    # a linear map costs a quarter of an MLP's 4 d columns, twice
    steps, d = choose(laptop=(600, 128), paper=(2000, 256))
    return _run(seed, d=d, key=10 + list(ARCHITECTURES).index(name), F1=F1, F2=F2, steps=steps, cuts=cuts)


def _run(
    seed: int,
    *,
    key: int,
    steps: int,
    cuts: tuple[Cut, ...],
    alpha: float = ALPHA,
    K: int = 1,
    d: int | None = None,
    F1: FeedForward = "mlp",
    F2: FeedForward = "mlp",
    checkpoints: tuple[int, ...] = (),
    start: NoisyRun | None = None,
) -> NoisyRun:
    T, batch, lr = choose(laptop=(64, 32, 0.05), paper=(256, 512, 0.03))
    d = choose(laptop=128, paper=256) if d is None else d
    # at the laptop's step size the probability of noise wanders by several hundredths; the end is cooled down
    cool = choose(laptop=(steps // 4, 0.01), paper=None)
    return NoisyRun(
        T=T,
        alpha=alpha,
        K=K,
        model=NoisyConfig(V=_V, T=T, d=d, F1=F1, F2=F2, output_matrix=(F1, F2) == ("none", "none")),
        training=TrainingSettings(steps=steps - (cool[0] if cool else 0), batch_size=batch, optimizer="sgd", lr=lr),
        cool_down=cool,
        seed_key=(4, key, seed),
        probe_steps=_probe_steps(steps),
        checkpoint_steps=checkpoints,
        cuts=cuts,
        start=start,
    )


def _probe_steps(steps: int) -> tuple[int, ...]:
    """Every step at first, where the noise is learned; then further apart."""
    early = (*range(11), *range(12, FIRST_STEPS + 1, 2), 30, 40, 60, 80)
    return tuple(sorted({*(s for s in early if s < steps), *range(100, steps, 50), steps}))
