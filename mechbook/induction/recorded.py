"""What of chapter 3 is recorded at the paper's size: its runs, most wanted first, and its claims.

`claimed(ORDER, setup)` is what the chapter reports a claim with, `curves(spec)` what it draws of a run.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from mechbook.claims.values import Values
from mechbook.core.training.loop import TrainingResult
from mechbook.induction import measurements, seed_values, seed_values_by_hand, values
from mechbook.induction import realistic as realistic_runs
from mechbook.induction import runs as training
from mechbook.induction.experiments import (
    FREEZE,
    TRIGGERS,
    bag_settings,
    dimension_settings,
    frozen_settings,
    joint_settings,
    length_settings,
    output_settings,
    realistic_settings,
    trigger_settings,
    vanilla_settings,
)
from mechbook.induction.presets import PAPER, InductionPreset
from mechbook.induction.realistic import RealisticSettings
from mechbook.induction.runs import InductionSettings
from mechbook.records import shown, wanted
from mechbook.records.wanted import PaperClaim, PaperRun

MODULES = (training.__name__,)


def runs(setup: InductionPreset) -> list[PaperRun]:
    """The runs of a preset, most wanted first: of each figure one seed, then the other seeds."""
    frozen = [_run(f"frozen/{c}/{s}", frozen_settings(setup, s, c)) for s in range(setup.seeds) for c in FREEZE]
    triggers = [_run(f"triggers/{c}/{s}", trigger_settings(setup, s, c)) for s in range(setup.seeds) for c in TRIGGERS]
    outputs = [
        _run(f"outputs/{o}/{s}", output_settings(setup, s, o))
        for s in range(setup.few_seeds)
        for o in ("uniform", "bigram")
    ]
    outputs += [_run(f"outputs/bag/{s}", bag_settings(setup, s)) for s in range(setup.few_seeds)]
    dimension = [
        _run(_dimension(s, d, lr), dimension_settings(setup, s, d, lr))
        for s in range(setup.few_seeds)
        for d in values.DIMENSIONS
        for lr in setup.dimension.lrs
    ]
    few, seeds = range(setup.few_seeds), range(setup.seeds)
    small, bold = min(values.DIMENSIONS), setup.dimension.bold_lr
    # for longer with each step size, as only the runs themselves tell which is the best
    longer = [
        _run(f"patient/{lr:g}/{s}", dimension_settings(setup, s, small, lr, patient=True))
        for s in few
        for lr in setup.dimension.lrs
    ]
    longer += [_run(f"bold/{s}", dimension_settings(setup, s, small, bold)) for s in few]
    joint = [_run(f"joint/{s}", joint_settings(setup, s)) for s in seeds]
    length = [_run(f"length/{c}/{s}", length_settings(setup, s, c)) for s in seeds for c in ("base", "few")]
    realistic = [_realistic(f"realistic/{s}", realistic_settings(setup, s)) for s in few]
    vanilla = [_run(f"vanilla/two_layers_random/{s}", vanilla_settings(setup, s, "random")) for s in seeds]
    vanilla += [_run(f"vanilla/two_layers_fixed/{s}", vanilla_settings(setup, s, "frequent")) for s in few]
    vanilla += [_run(f"vanilla/one_layer/{s}", vanilla_settings(setup, s, "frequent", n_layers=1)) for s in few]
    vanilla += [_run(f"vanilla/four_heads/{s}", vanilla_settings(setup, s, "random", n_heads=4)) for s in few]
    first = [run for run in vanilla if run.name.endswith("/0")]
    others = [run for run in vanilla if not run.name.endswith("/0")]
    return [*frozen, *triggers, *dimension, *first, *outputs, *others, *realistic, *joint, *length, *longer]


def _run(name: str, spec: InductionSettings) -> PaperRun:
    return PaperRun(
        name=f"induction/{name}",
        settings=spec,
        modules=MODULES,
        steps=spec.training.steps,
        kind=f"{type(spec.model).__name__} {spec.model.d} {spec.training.loss_on} {_heads(spec)}",
        short=partial(shortened, spec),
        final=partial(_final, spec),
    )


def _realistic(name: str, spec: RealisticSettings) -> PaperRun:
    return PaperRun(
        name=f"induction/{name}",
        settings=spec,
        modules=(realistic_runs.__name__,),
        steps=spec.training.steps,
        kind=f"realistic {spec.d} {spec.T}",
        short=lambda steps: replace(spec, training=replace(spec.training, steps=steps)),
        final=lambda: {"accuracy": spec.accuracy()},
    )


def shortened(spec: InductionSettings, steps: int) -> InductionSettings:
    """The run cut to `steps` updates, nothing frozen, probed at its end alone."""
    how = replace(spec.training, steps=steps, frozen_until=())
    return replace(spec, training=how, probe_every=None, probe_steps=(steps,), checkpoint_steps=())


def _heads(spec: InductionSettings) -> str:
    return f"{spec.model.n_layers} layers, {getattr(spec.model, 'n_heads', 1)} heads"


def _final(spec: InductionSettings) -> dict[str, float]:
    return {"accuracy": measurements.accuracy(spec)}


def _dimension(seed: int, d: int, lr: float) -> str:
    return f"dimension/{d}/{lr:g}/{seed}"


def _names(*patterns: str) -> Any:
    """The names of a claim's runs for (preset, seed), which `{seed}` stands for."""
    return lambda setup, seed: [f"induction/{pattern.format(seed=seed)}" for pattern in patterns]


def _every_dimension(setup: InductionPreset, seed: int) -> list[str]:
    # the best step size is that of all seeds
    return [
        f"induction/{_dimension(s, d, lr)}"
        for s in range(setup.few_seeds)
        for d in values.DIMENSIONS
        for lr in setup.dimension.lrs
    ]


def _budgets(claim: Values, steps: Any, *prefixes: str) -> Any:
    """The steps there are for the values whose names begin with one of `prefixes` (none: all)."""
    named = [name for name in claim.names if not prefixes or name.startswith(prefixes)]
    return lambda setup: dict.fromkeys(named, steps(setup))


def _dimension_budgets(setup: InductionPreset) -> dict[str, int]:
    steps = {d: dimension_settings(setup, 0, d, setup.dimension.fixed_lr).training.steps for d in values.DIMENSIONS}
    return {name: steps[int(name.split("_")[1])] for name in values.DIMENSION.names}


def _claim(claim: Values, measure: Any, *runs: str, few: bool = False, **more: Any) -> PaperClaim:
    return PaperClaim(
        values=claim,
        measure=measure,
        module=measure.__module__,
        seeds=(lambda setup: range(setup.few_seeds)) if few else (lambda setup: range(setup.seeds)),
        **{"runs": _names(*runs), **more},
    )


def _steps(setup: InductionPreset) -> int:
    return setup.steps


def _joint_budgets(setup: InductionPreset) -> dict[str, int]:
    steps = {f"steps_{name}": setup.released_steps if frozen else setup.steps for name, frozen in FREEZE.items()}
    return {name: steps[name] for name in values.JOINT_FASTER.names if name in steps}


def _realistic_budgets(setup: InductionPreset) -> dict[str, int]:
    steps = [name for name in values.REALISTIC.names if name != "accuracy"]
    return {n: setup.vanilla.random_steps if n.startswith("short") else setup.realistic.steps for n in steps}


def _trigger_steps(setup: InductionPreset) -> int:
    return setup.all_tokens.trigger_steps


RANDOM, FIXED = "vanilla/two_layers_random/{seed}", "vanilla/two_layers_fixed/{seed}"
OUTPUTS = ("outputs/uniform/{seed}", "outputs/bigram/{seed}")
FROZEN = tuple(f"frozen/{condition}/{{seed}}" for condition in FREEZE)
TRIGGER = tuple(f"triggers/{condition}/{{seed}}" for condition in TRIGGERS)
JOINT = "joint/{seed}"

CLAIMS = [
    _claim(values.ORDER, seed_values.order, JOINT, budgets=_budgets(values.ORDER, _steps)),
    _claim(
        values.EARLY_POSITIONS,
        seed_values.early_positions,
        JOINT,
        budgets=_budgets(values.EARLY_POSITIONS, _steps, "steps"),
    ),
    _claim(values.WO2_NEEDED, seed_values.W_O2_needed, "frozen/freeze_W_O2/{seed}", "frozen/freeze_both/{seed}"),
    _claim(
        values.JOINT_FASTER,
        seed_values.joint_faster,
        *FROZEN,
        budgets=_joint_budgets,
    ),
    _claim(values.MEMORY_MAPS, seed_values.memory_maps, FROZEN[0]),
    _claim(
        values.GLOBAL_FIRST,
        seed_values.global_first,
        "triggers/random/{seed}",
        budgets=_budgets(values.GLOBAL_FIRST, _trigger_steps),
    ),
    _claim(
        values.TRIGGER_EFFECTS,
        seed_values.trigger_effects,
        *TRIGGER,
        budgets=_budgets(values.TRIGGER_EFFECTS, _trigger_steps),
    ),
    _claim(values.DIMENSION, seed_values.dimension, few=True, runs=_every_dimension, budgets=_dimension_budgets),
    _claim(values.TWO_LAYER_RANDOM, seed_values.two_layers_random, RANDOM),
    _claim(values.TWO_LAYER_FIXED, seed_values.two_layers_fixed, FIXED, few=True),
    _claim(values.ONE_LAYER_FAILS, seed_values.one_layer, "vanilla/one_layer/{seed}", few=True),
    _claim(values.ATTENTION_MAPS, seed_values.attention_maps, RANDOM),
    _claim(values.FIXED_VS_RANDOM, seed_values.fixed_vs_random, FIXED, RANDOM, few=True),
    _claim(values.HEAD_VS_BIGRAM, seed_values.head_vs_bigram, RANDOM),
    _claim(
        values.REALISTIC,
        seed_values.realistic,
        "realistic/{seed}",
        RANDOM,
        few=True,
        budgets=_realistic_budgets,
    ),
    _claim(values.MULTI_HEAD, seed_values.multi_head, "vanilla/four_heads/{seed}", few=True),
    _claim(values.WF_COMPETITION, seed_values.competition, OUTPUTS[0], "outputs/bag/{seed}", few=True),
    _claim(values.OUTPUT_DISTRIBUTION, seed_values.by_outputs, *OUTPUTS, few=True),
    _claim(values.CONSTRUCTED, seed_values_by_hand.constructed, few=True),
    _claim(values.UNIFORM_INIT, seed_values_by_hand.uniform_init, few=True),
]


def claimed(claim: Values, setup: InductionPreset) -> dict[str, Any]:
    """The values and seeds that a claim is reported with: measured, or at the paper's size read from a record."""
    return wanted.claimed(CLAIMS, claim, setup, PAPER)


def curves(spec: InductionSettings | RealisticSettings) -> TrainingResult:
    """The curves of a run, which may come from a record and then have no weights: `spec.run()` has both."""
    modules = MODULES if isinstance(spec, InductionSettings) else (realistic_runs.__name__,)
    return shown.curves_of("induction", spec, modules)
