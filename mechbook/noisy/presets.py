"""The training runs of chapter 4 at both scales; any page that asks for one of them gets the same run.

"paper" is Chen et al.'s own size (appendix A.5): d = T = 256, batches of 512, 2000 steps of SGD with step size 0.03.
"laptop" reaches the same conclusions in minutes on one CPU thread, with the settings below.
"""

from mechbook.core.settings import choose
from mechbook.core.training.loop import TrainingSettings
from mechbook.noisy.model import FeedForward, NoisyConfig
from mechbook.noisy.runs import Cut, NoisyRun
from mechbook.shared.shakespeare import load_counts

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
# Step sizes; the paper names {0.001, 0.03}.
LAPTOP_LR, PAPER_LR = 0.05, 0.03
LAPTOP_BATCH = 32
# Of the laptop's runs on smaller batches: at 0.05 some of those diverge.
SMALL_BATCH, SMALL_LR = 16, 0.03
# Updates within which the noise is learned: "the first few steps" of Figure 4.
FIRST_STEPS = 20

DROP_F1: Cut = ("F1.W_in", 0.0)
DROP_F2: Cut = ("F2.W_in", 0.0)

_V = load_counts().N + 1


def dropped(block: str, kind: FeedForward) -> Cut:
    """The cut that drops F_1 or F_2: rank 0 of the weight it reads with."""
    return (f"{block}.{'W' if kind == 'linear' else 'W_in'}", 0.0)


def main_run(seed: int, *, alpha: float = ALPHA, d: int | None = None) -> NoisyRun:
    """A run of Figures 3, 4 (left), 5 (left), 7, 8 (top) and 9; other noise levels and dimensions start alike.

    Those others are not measured along the way. KeyError for an alpha that is not one of ALPHAS.
    """
    steps = choose(laptop={0.2: 650, 0.5: 800, 0.8: 2200}[alpha], paper=2000)
    # at a larger step size more of the frequent noise settles elsewhere than in F_2, where dropping that leaves it;
    # the many steps that a small one takes are cheap on small batches
    lr, batch = (0.02, SMALL_BATCH) if alpha == 0.8 else (LAPTOP_LR, LAPTOP_BATCH)
    d = None if d == dimensions()[-1] else d
    itself = (alpha, d) == (ALPHA, None)
    probes = _probe_steps(steps, every=50) if itself else (steps,)
    return _run(
        seed,
        key=3,
        alpha=alpha,
        d=d,
        lr=lr,
        batch=batch,
        steps=steps,
        probes=probes,
        cuts=(*((DROP_F2[0], rho) for rho in RHOS), DROP_F1) if itself else (DROP_F2,),
        # what the widgets show, of a smaller model too
        checkpoints=_probe_steps(steps, every=50) if (seed, alpha) == (0, ALPHA) and d in (None, 64) else (),
    )


def dimensions() -> tuple[int, ...]:
    """The dimensions at which dropping F_2 is compared, the last that of `main_run`."""
    return choose(laptop=(64, 128), paper=(128, 256))


def triggers_run(seed: int) -> NoisyRun:
    """A run of Figure 8, bottom: five triggers."""
    steps = choose(laptop=500, paper=2000)
    return _run(seed, key=8, K=5, lr=SMALL_LR, batch=SMALL_BATCH, steps=steps, probes=(steps,), cuts=(DROP_F2,))


def clean_run(seed: int) -> NoisyRun:
    """A run on clean data, alpha = 0: what Figures 4 (right) and 5 (right) fine-tune.

    At the laptop scale it stops once attention has found the pairs: more steps sharpen it until it hardly changes.
    """
    steps = choose(laptop=120, paper=2000)
    return _run(seed, key=4, alpha=0.0, steps=steps, probes=(steps,), cuts=(DROP_F2,), cooled=False)


def fine_tuned_run(seed: int) -> NoisyRun:
    """A run of Figures 4 (right) and 5 (right): a model trained on clean data goes on with noisy data."""
    steps = choose(laptop=600, paper=2000)
    probes = _probe_steps(steps, every=50)
    return _run(seed, key=5, steps=steps, probes=probes, cuts=(DROP_F2,), start=clean_run(seed))


def architecture_run(name: str, seed: int) -> NoisyRun:
    """A run of Figures 10, 11 and 12: other F_1 and F_2; `name` is a key of ARCHITECTURES, KeyError otherwise."""
    F1, F2 = ARCHITECTURES[name]
    steps = choose(laptop={"mlp_linear": 600, "linear_mlp": 500, "none": 900}[name], paper=2000)
    lr, batch = (LAPTOP_LR, LAPTOP_BATCH) if name == "linear_mlp" else (SMALL_LR, SMALL_BATCH)
    cuts: tuple[Cut, ...] = (dropped("F1", F1), dropped("F2", F2))
    if name == "none":
        cuts = tuple(("W_O1", rho) for rho in OUTPUT_RHOS)
    key = 10 + list(ARCHITECTURES).index(name)
    probes = _probe_steps(steps, every=100)
    return _run(seed, key=key, F1=F1, F2=F2, lr=lr, batch=batch, steps=steps, probes=probes, cuts=cuts)


def _run(
    seed: int,
    *,
    key: int,
    steps: int,
    probes: tuple[int, ...],
    cuts: tuple[Cut, ...],
    alpha: float = ALPHA,
    K: int = 1,
    d: int | None = None,
    lr: float = LAPTOP_LR,
    batch: int = LAPTOP_BATCH,
    F1: FeedForward = "mlp",
    F2: FeedForward = "mlp",
    checkpoints: tuple[int, ...] = (),
    start: NoisyRun | None = None,
    cooled: bool = True,
) -> NoisyRun:
    # step size and batch are the laptop's; the paper's are one of each for all runs
    T, lr, batch = choose(laptop=(64, lr, batch), paper=(256, PAPER_LR, 512))
    d = choose(laptop=128, paper=256) if d is None else d
    # at the laptop's step size the probability of noise wanders by several hundredths; the end is cooled down
    cool = choose(laptop=(steps // 3, 0.01), paper=None) if cooled else None
    return NoisyRun(
        T=T,
        alpha=alpha,
        K=K,
        model=NoisyConfig(V=_V, T=T, d=d, F1=F1, F2=F2, output_matrix=(F1, F2) == ("none", "none")),
        training=TrainingSettings(steps=steps - (cool[0] if cool else 0), batch_size=batch, optimizer="sgd", lr=lr),
        cool_down=cool,
        seed_key=(4, key, seed),
        probe_steps=probes,
        checkpoint_steps=checkpoints,
        cuts=cuts,
        start=start,
    )


def _probe_steps(steps: int, *, every: int) -> tuple[int, ...]:
    """Steps close together at first, where the noise is learned; then `every` so many."""
    early = (*range(11), *range(12, FIRST_STEPS + 1, 2), 30, 40, 60, 80) if every <= 50 else (0, 2, 5, 10, 20, 50)
    return tuple(sorted({*(s for s in early if s < steps), *range(100, steps, every), steps}))
