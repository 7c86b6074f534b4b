"""The values of chapter 3's claims, each a function of the preset and a seed; what they mean is said in `values.py`.

They read runs (`mechbook.induction.experiments`), which are trained where they are not in the cache.
"""

from typing import cast

import numpy as np
import torch
from torch import Tensor

from mechbook.claims.values import Values
from mechbook.core.training.curves import steps_to
from mechbook.core.training.loop import TrainingResult
from mechbook.induction import measurements, values
from mechbook.induction.experiments import (
    FREEZE,
    TRIGGERS,
    bag_settings,
    dimension_settings,
    frozen_settings,
    joint_settings,
    output_settings,
    realistic_settings,
    trigger_settings,
    vanilla_settings,
)
from mechbook.induction.positions import chance, position_use, probed
from mechbook.induction.presets import InductionPreset
from mechbook.induction.realistic import ALL_KEYS
from mechbook.induction.streams import STREAMS
from mechbook.shared.recall import induction_memory_maps
from mechbook.shared.shakespeare import load_counts
from mechbook.shared.simplified import SimplifiedTransformer

Numbers = dict[str, int | float]

# Recalls that count as learned, of a memory among others and of W_O2 where it is compared; the same for accuracy.
LEARNED, LEARNED_W_O2, SOLVED = 0.6, 0.9, 0.8
# W_O2's recall that every dimension of Figure 8 reaches, and W_K1's from which on something is stored.
REACHED, STORED = 0.3, 0.1


def one_layer(setup: InductionPreset, seed: int) -> float:
    """In-context accuracy of one layer, fixed triggers."""
    return measurements.accuracy(vanilla_settings(setup, seed, "frequent", n_layers=1))


def two_layers_fixed(setup: InductionPreset, seed: int) -> float:
    """In-context accuracy of two layers, fixed triggers."""
    return measurements.accuracy(vanilla_settings(setup, seed, "frequent"))


def two_layers_random(setup: InductionPreset, seed: int) -> float:
    """In-context accuracy of two layers, random triggers."""
    return measurements.accuracy(vanilla_settings(setup, seed, "random"))


def attention_maps(setup: InductionPreset, seed: int) -> Numbers:
    """Where both layers attend, random triggers."""
    masses = measurements.head_masses(vanilla_settings(setup, seed, "random"))
    return values.ATTENTION_MAPS(previous=masses["previous"][0], induction=masses["induction"][0])


def fixed_vs_random(setup: InductionPreset, seed: int) -> Numbers:
    """Attention on what followed repeated tokens that are no triggers."""
    fixed, random = (measurements.head_masses(vanilla_settings(setup, seed, t)) for t in ("frequent", "random"))
    return values.FIXED_VS_RANDOM(fixed=fixed["repeats"][0], random=random["repeats"][0])


def head_vs_bigram(setup: InductionPreset, seed: int) -> Numbers:
    """The probability of the retrieved token, and how far it is raised above pi_b."""
    found = measurements.preference(vanilla_settings(setup, seed, "random"))
    return _numbers(values.HEAD_VS_BIGRAM, **found._asdict())


def joint_run(setup: InductionPreset, seed: int) -> TrainingResult:
    """The run of Figure 3 with nothing frozen, with W_K1's recall over all keys (`positions.probed`)."""
    return probed(joint_settings(setup, seed), use_of_positions(setup))


def use_of_positions(setup: InductionPreset) -> Tensor:
    """How often each position is looked for, of all, (T,), in Figure 3's task."""
    return position_use(joint_settings(setup, 0).task(), 1024, STREAMS.generator("use"))


def order(setup: InductionPreset, seed: int) -> Numbers:
    """Steps until each memory is learned, all three trained together, in each reading of equation (9)."""
    run = joint_run(setup, seed)
    probes = {
        "W_O2": "W_O2",
        "W_K2": "W_K2",
        "W_K1": "W_K1_all_keys",
        "W_K2_weighted": "W_K2_weighted",
        "W_K1_weighted": "W_K1_all_keys_used",
        "W_K1_seen": "W_K1",
        "W_K1_early": "W_K1_early",
    }
    return values.ORDER(**{name: steps_to(run, probe, LEARNED) for name, probe in probes.items()})


def early_positions(setup: InductionPreset, seed: int) -> Numbers:
    """W_K1's recall on early positions against that on late ones: over all keys, and over those that attention sees."""
    run, T = joint_run(setup, seed), setup.T
    recall, seen = ({part: np.array(run.values[f"{name}_{part}"]) for part in ("early", "late")}
                    for name in ("W_K1_all_keys", "W_K1"))  # fmt: skip
    gap, stored = recall["early"] - recall["late"], np.array(run.values["W_K1_all_keys"]) >= STORED
    early, late = (chance(T, window, all_keys=False) for window in ((1, T // 4), (T // 4, T)))
    return values.EARLY_POSITIONS(
        steps_early=steps_to(run, "W_K1_all_keys_early", LEARNED),
        steps_late=steps_to(run, "W_K1_all_keys_late", LEARNED),
        # nothing stored is no gap
        smallest_gap=float(gap[stored].min()) if stored.any() else 0.0,
        gap_throughout=float(gap.min()),
        chance=chance(T),
        gap_seen=float((seen["early"] - seen["late"]).min()),
        chance_gap_seen=early - late,
    )


def while_frozen(setup: InductionPreset, seed: int, condition: str, name: str) -> list[float]:
    """A probe's values from the start to the release, in a run of Figure 3."""
    run = frozen_settings(setup, seed, condition).run()
    return run.values[name][: run.steps.index(setup.frozen_steps) + 1]


def drift(setup: InductionPreset, seed: int, name: str) -> float:
    """The largest change of a recall while W_O2 is frozen."""
    recall = np.array(while_frozen(setup, seed, "freeze_W_O2", name))
    return float(abs(recall - recall[0]).max())


def W_O2_needed(setup: InductionPreset, seed: int) -> Numbers:
    """What the others learn without W_O2, and what it learns alone."""
    return values.WO2_NEEDED(
        drift_W_K1=drift(setup, seed, "W_K1"),
        drift_W_K2=drift(setup, seed, "W_K2"),
        drift_W_K2_weighted=drift(setup, seed, "W_K2_weighted"),
        alone_W_O2=max(while_frozen(setup, seed, "freeze_both", "W_O2")),
        alone_accuracy=max(while_frozen(setup, seed, "freeze_both", "accuracy")),
    )


def joint_faster(setup: InductionPreset, seed: int) -> Numbers:
    """What the key-query matrices learn alone, and steps to accuracy with each of Figure 3's columns."""
    steps = {
        f"steps_{condition}": steps_to(frozen_settings(setup, seed, condition).run(), "accuracy", SOLVED)
        for condition in FREEZE
    }
    return values.JOINT_FASTER(
        recall_W_K2=while_frozen(setup, seed, "freeze_W_K1", "W_K2")[-1],
        recall_W_K2_weighted=while_frozen(setup, seed, "freeze_W_K1", "W_K2_weighted")[-1],
        recall_W_K1=while_frozen(setup, seed, "freeze_W_K2", "W_K1")[-1],
        **steps,
    )


def global_first(setup: InductionPreset, seed: int) -> Numbers:
    """Steps to half the first KL of W_F, and to accuracy 1/2, random triggers."""
    run = trigger_settings(setup, seed, "random").run()
    return values.GLOBAL_FIRST(
        kl_half=steps_to(run, "W_F_kl", run.values["W_F_kl"][0] / 2, op="<="),
        accuracy_half=steps_to(run, "accuracy", 0.5),
        reached=float(max(run.values["accuracy"]) >= 0.5),
    )


def trigger_effects(setup: InductionPreset, seed: int) -> Numbers:
    """Steps until a seed's runs with each kind of triggers reach what the claim compares."""
    runs = {name: trigger_settings(setup, seed, name).run() for name in TRIGGERS}
    return values.TRIGGER_EFFECTS(
        **{f"{name}_accuracy": steps_to(run, "accuracy", SOLVED) for name, run in runs.items()},
        **{f"{name}_W_O2": steps_to(runs[name], "W_O2", LEARNED_W_O2) for name in ("base", "few", "rare")},
        **{f"{name}_W_K2": steps_to(runs[name], "W_K2", LEARNED) for name in ("base", "random")},
    )


def competition(setup: InductionPreset, seed: int) -> Numbers:
    """W_F's drift from its best, beside a model without an induction head, and W_O2's recall at its best and end."""
    spec, bag = output_settings(setup, seed, "uniform"), bag_settings(setup, seed)
    minimum, late = drift_of_W_F(spec.run())
    bag_minimum, bag_late = drift_of_W_F(bag.run())
    recall = spec.run().values["W_O2"]
    return values.WF_COMPETITION(
        accuracy=measurements.accuracy(spec),
        minimum=minimum,
        late=late,
        ratio=late / minimum,
        bag_ratio=bag_late / bag_minimum,
        bag_accuracy=measurements.accuracy(bag),
        W_O2_best=max(recall),
        W_O2_end=recall[-1],
    )


def drift_of_W_F(run: TrainingResult) -> tuple[float, float]:
    """The smallest KL(W_F, pi_b) of a run, and its mean over the last tenth of training."""
    kl = np.array(run.values["W_F_kl"])
    return float(kl.min()), float(kl[np.array(run.steps) >= 0.9 * run.steps[-1]].mean())


def by_outputs(setup: InductionPreset, seed: int) -> Numbers:
    """Accuracy by training and test outputs (u: uniform, b: bigram), and final recalls."""
    result: Numbers = {}
    for trained_on in ("uniform", "bigram"):
        spec, a = output_settings(setup, seed, trained_on), trained_on[0]
        result |= {a + on[0]: measurements.accuracy(spec, outputs=on) for on in ("uniform", "bigram")}
        result |= {f"{probe}_{a}": spec.run().values[probe][-1] for probe in ("W_O2", "W_K2")}
    return values.OUTPUT_DISTRIBUTION(**result)


def memory_maps(setup: InductionPreset, seed: int) -> Numbers:
    """W_O2's separation, and rank correlations of the diagonals of W_K2 and W_K1 with what should explain them."""
    maps = induction_memory_maps(cast(SimplifiedTransformer, measurements.trained(frozen_settings(setup, seed))))
    often, often_low = measurements.rank_correlation(maps["W_K2"].diagonal(), load_counts().pi_u)
    back = maps["W_K1"].diagonal(-1)
    early, early_low = measurements.rank_correlation(back, -torch.arange(len(back)))
    return values.MEMORY_MAPS(
        W_O2_separation=measurements.diagonal_separation(maps["W_O2"]),
        W_K2_separation=measurements.diagonal_separation(maps["W_K2"]),
        W_K1_separation=measurements.subdiagonal_separation(maps["W_K1"]),
        W_K2_correlation=often,
        W_K2_low95=often_low,
        W_K1_correlation=early,
        W_K1_low95=early_low,
    )


def tuned_rate(by_rate: dict[float, list[TrainingResult]], bar: float) -> float:
    """The step size with the fewest steps to recall `bar`; where none gets there, with the highest recall at the end.

    `by_rate` holds, for each step size in the order in which ties are broken, a run for each seed; means are compared.
    """

    def cost(lr: float) -> tuple[float, float]:
        steps = np.mean([steps_to(run, "W_O2", bar) for run in by_rate[lr]])
        return float(steps), -float(np.mean([run.values["W_O2"][-1] for run in by_rate[lr]]))

    return min(by_rate, key=cost)


def dimension(setup: InductionPreset, seed: int) -> Numbers:
    """Steps to recall 0.3, and to 0.9, in each dimension: with the step size tuned for it on all seeds, or with one."""
    found = {}
    for d in values.DIMENSIONS:
        by_rate = {
            lr: [dimension_settings(setup, s, d, lr).run() for s in range(setup.few_seeds)]
            for lr in setup.dimension.lrs
        }
        for bar, end in ((REACHED, ""), (LEARNED_W_O2, "_to_0.9")):
            for rate, lr in (("tuned", tuned_rate(by_rate, bar)), ("fixed", setup.dimension.fixed_lr)):
                found[f"{rate}_{d}{end}"] = steps_to(by_rate[lr][seed], "W_O2", bar)
    return values.DIMENSION(**found)


def realistic(setup: InductionPreset, seed: int) -> Numbers:
    """Accuracy in Figure 10's architecture, and steps until each memory is learned, there and in short contexts."""
    spec, short = realistic_settings(setup, seed), vanilla_settings(setup, seed, "random").run()
    run = spec.run()
    probes = {
        "W_O2": "W_O2",
        "W_K2": "W_K2",
        "W_K1": ALL_KEYS,
        "W_K2_weighted": "W_K2_weighted",
        "W_K1_seen": "W_K1",
    }
    return values.REALISTIC(
        accuracy=spec.accuracy(),
        **{name: steps_to(run, probe, LEARNED) for name, probe in probes.items()},
        short_W_O2=steps_to(short, "W_O2", LEARNED),
        short_W_K2_weighted=steps_to(short, "W_K2_weighted", LEARNED),
        short_W_K1_seen=steps_to(short, "W_K1", LEARNED),
    )


def multi_head(setup: InductionPreset, seed: int) -> Numbers:
    """The two largest previous-token masses, and the heads of layer 2 with over half of the largest induction mass."""
    spec = vanilla_settings(setup, seed, "random", n_heads=4)
    masses = measurements.head_masses(spec)
    top, second = sorted(masses["previous"], reverse=True)[:2]
    induction = np.array(masses["induction"])
    return values.MULTI_HEAD(
        top=top,
        second=second,
        induction_heads=int((induction > induction.max() / 2).sum()),
        second_induction=float(np.sort(induction)[-2]),
        uniform_induction=measurements.uniform_induction(spec),
    )


def _numbers(claim: Values, **found: Tensor) -> Numbers:
    return claim(**{name: float(value) for name, value in found.items()})
