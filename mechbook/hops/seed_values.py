"""The values of chapter 7's claims, each a function of the preset and a seed; what they mean is said in `values.py`.

They read runs (`mechbook.hops.experiments`), which are trained where they are not in the cache.
"""

from mechbook.hops.experiments import (
    carried,
    construction_accuracy,
    control_settings,
    curriculum_settings,
    direct_settings,
    head_errors,
    head_settings,
    mixture_settings,
    readable_by_layer,
    scaling_results,
    shallow_settings,
    steps_needed,
    steps_or_more,
)
from mechbook.hops.presets import HopsPreset
from mechbook.hops.runs import fresh_accuracy
from mechbook.hops.slopes import log_log_slope
from mechbook.hops.training import HopTrainingResult
from mechbook.hops.values import (
    CONSTRUCTION,
    CONTROLS,
    DEPTH,
    DEPTHS,
    DIRECT_FAILS,
    DIRECT_HOPS,
    EASY_HOPS,
    HEAD_HOPS,
    HOP_HEADS,
    LAYERWISE,
    ORDER,
    ORDERED_HOPS,
    SCALING,
)

Numbers = dict[str, int | float]

# How many hops each regime is given where their number is varied.
SIZES = {"direct": DIRECT_HOPS, "mixture": EASY_HOPS, "curriculum": EASY_HOPS}


def mixture_solves(setup: HopsPreset, seed: int) -> float:
    """The mixture's accuracy on k hops."""
    return float(fresh_accuracy(mixture_settings(setup), seed)[-1])


def curriculum_solves(setup: HopsPreset, seed: int) -> float:
    """The curriculum's accuracy on k hops."""
    return float(fresh_accuracy(curriculum_settings(setup), seed)[-1])


def direct_fails(setup: HopsPreset, seed: int) -> Numbers:
    """Direct training's accuracy on k hops after several times the mixture's updates, and on 1 and 2 as a control."""
    needed = steps_needed(mixture_settings(setup).run())
    direct = direct_settings(setup, needed)
    accuracy, run = fresh_accuracy(direct, seed), direct.run()[seed]
    controls = {f"control_{k}": float(fresh_accuracy(control_settings(setup, k), seed)[-1]) for k in CONTROLS}
    chance, steps = 1 / setup.n, run.steps[-1]
    return DIRECT_FAILS(accuracy=float(accuracy[-1]), chance=chance, steps=steps, mixture_steps=needed, **controls)


def depth(setup: HopsPreset, seed: int) -> Numbers:
    """The mixture's accuracy on k hops, and the highest along the training of the model with one layer fewer."""
    mixture = mixture_settings(setup)
    needed = steps_needed(mixture.run())
    run = shallow_settings(setup, needed).run()[seed]
    three = float(fresh_accuracy(mixture, seed)[-1])
    highest = max(row[-1] for row in run.accuracy)
    return DEPTH(three=three, two=highest, steps=run.steps[-1], mixture_steps=needed)


def order(setup: HopsPreset, seed: int) -> Numbers:
    """Steps of the mixture to each number of hops, and whether it solved k."""
    run = mixture_settings(setup).run()[seed]
    return ORDER(**steps_to_hops(run), solved=int(run.solved is not None))


def steps_to_hops(run: HopTrainingResult) -> dict[str, int]:
    """For each number of hops the first recorded step with accuracy above 0.9, one past the last if there is none."""
    return {f"hop_{r}": run.step_of(r, 0.9) or run.steps[-1] + 1 for r in ORDERED_HOPS}


def layerwise(setup: HopsPreset, seed: int) -> Numbers:
    """What linear probes read after each layer of the mixture's model."""
    return LAYERWISE(**carried(readable_by_layer(mixture_settings(setup), seed)))


def scaling(setup: HopsPreset, seed: int) -> Numbers:
    """Steps to solve k hops by regime and k, their budget, and the slopes of the claim's first reading."""
    runs = {name: {k: scaling_results(setup, name, k)[seed] for k in ks} for name, ks in SIZES.items()}
    steps = {f"{name}_{k}": steps_or_more(run) for name, by_k in runs.items() for k, run in by_k.items()}
    slopes = {f"{name}_slope": first_reading(runs[name]) for name in ("mixture", "curriculum")}
    return SCALING(**steps, **slopes, budget=setup.scaling.steps)


def first_reading(runs: dict[int, HopTrainingResult]) -> float:
    """The slope over 2, 4 and 8 hops of those that the seed solved, of all three where it solved fewer than two."""
    solved = [k for k in (2, 4, 8) if runs[k].solved is not None]
    ks = solved if len(solved) > 1 else [2, 4, 8]
    return log_log_slope(ks, [steps_or_more(runs[k]) for k in ks])


def hop_heads(setup: HopsPreset, seed: int) -> Numbers:
    """Errors of k-hop induction heads by depth, on defined answers and on all, and the share of undefined ones."""
    errors = {L: head_errors(head_settings(setup, L), seed) for L in DEPTHS}
    columns = list(enumerate(HEAD_HOPS))
    judged = {f"layers_{L}_hop_{k}": float(errors[L][1][c]) for L in DEPTHS for c, k in columns}
    every = {f"all_{L}_hop_{k}": float(errors[L][0][c]) for L in DEPTHS for c, k in columns}
    return HOP_HEADS(**judged, **every, **{f"share_{k}": float(errors[DEPTHS[0]][2][c]) for c, k in columns})


def construction(setup: HopsPreset, seed: int) -> Numbers:
    """Accuracy of weights written by hand."""
    return CONSTRUCTION(**{f"accuracy_{k}": construction_accuracy(seed, k, n=setup.n) for k in (2, 4, 8)})
