"""What of chapter 4 is recorded at the paper's size: its runs, most wanted first, and the claims about them.

`claimed(DROP_F2, setup)` is what the chapter reports a claim with, `curves(spec)` and `ends(spec)` what it shows of a
run. The theory's claims are about no such run.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from mechbook.claims.values import Values
from mechbook.core.training.loop import TrainingResult
from mechbook.noisy import runs as training
from mechbook.noisy import seed_values, values
from mechbook.noisy.after_training import end_values
from mechbook.noisy.experiments import (
    ARCHITECTURES,
    architecture_settings,
    clean_settings,
    dimension_settings,
    fine_tuned_settings,
    level_settings,
    main_settings,
    several_settings,
)
from mechbook.noisy.longer import NAMES, longer_settings
from mechbook.noisy.presets import PAPER, NoisyPreset
from mechbook.noisy.runs import NoisySettings
from mechbook.records import shown, wanted
from mechbook.records.wanted import PaperClaim, PaperRun

MODULES = (training.__name__,)


def runs(setup: NoisyPreset) -> list[PaperRun]:
    """The runs of a preset, most wanted first: main ones, fine-tuning, the other figures'; longer ones of LAPTOP."""
    seeds = range(setup.seeds)
    found = [_run(f"main/{s}", main_settings(setup, s)) for s in seeds]
    for s in seeds:
        found += [_run(f"clean/{s}", clean_settings(setup, s)), _run(f"fine_tuned/{s}", fine_tuned_settings(setup, s))]
    found += [_run(f"{name}/{s}", architecture_settings(setup, name, s)) for s in seeds for name in ARCHITECTURES]
    found += [_run(f"several/{s}", several_settings(setup, s)) for s in seeds]
    levels = [alpha for alpha, _ in setup.levels if alpha != setup.alpha]
    found += [_run(f"level/{alpha:g}/{s}", level_settings(setup, alpha, s)) for s in seeds for alpha in levels]
    dimensions = [d for d in setup.other_d if d != setup.d]
    found += [_run(f"dimension/{d}/{s}", dimension_settings(setup, d, s)) for s in seeds for d in dimensions]
    # of the laptop's size, and the same whatever the preset
    return [*found, *(_run(f"longer/{name}/{s}", longer_settings(name, s)) for name in NAMES for s in seeds)]


def _run(name: str, spec: NoisySettings) -> PaperRun:
    return PaperRun(
        name=f"noisy/{name}",
        settings=spec,
        modules=MODULES,
        steps=spec.steps,
        kind=f"{spec.model.d} {spec.model.F1} {spec.model.F2} {spec.K} of {spec.training.batch_size}",
        short=partial(shortened, spec),
        final=partial(end_values, spec),
    )


def shortened(spec: NoisySettings, steps: int) -> NoisySettings:
    """The run cut to `steps` updates from fresh weights, measured at its end alone."""
    how = replace(spec.training, steps=steps)
    return replace(spec, training=how, cool_down=None, probe_steps=(steps,), checkpoint_steps=(), start=None)


def _claim(claim: Values, measure: Any, *names: str, budgets: Any = lambda setup: {}) -> PaperClaim:
    def stands_on(setup: NoisyPreset, seed: int) -> list[str]:
        return [f"noisy/{name.format(seed=seed)}" for name in names]

    return PaperClaim(
        values=claim,
        measure=measure,
        module=seed_values.__name__,
        seeds=lambda setup: range(setup.seeds),
        runs=stands_on,
        budgets=budgets,
    )


def _levels(setup: NoisyPreset, seed: int) -> list[str]:
    named = [f"level/{alpha:g}" if alpha != setup.alpha else "main" for alpha, _ in setup.levels]
    return [f"noisy/{name}/{seed}" for name in named]


def _margin_budgets(setup: NoisyPreset) -> dict[str, int]:
    return dict.fromkeys(values.F2_MARGIN.names, setup.steps)


MAIN = "main/{seed}"

CLAIMS = [
    _claim(values.FULL_PREDICTS_NOISE, seed_values.full_predicts_noise, MAIN),
    _claim(values.DROP_F2, seed_values.drop_F2, MAIN),
    _claim(values.RANK_SWEEP, seed_values.rank_sweep, MAIN),
    _claim(values.NOISE_FIRST, seed_values.noise_first, MAIN),
    _claim(values.F2_MARGIN, seed_values.F2_margin, MAIN, budgets=_margin_budgets),
    _claim(values.ATTENTION_AVOIDS_NOISE, seed_values.attention_avoids_noise, MAIN),
    _claim(values.FINETUNE, seed_values.finetune, "clean/{seed}", "fine_tuned/{seed}"),
    _claim(values.COMPONENT_ROLES, seed_values.component_roles, MAIN),
    _claim(values.KQ_NOISE_SCORE, seed_values.kq_noise_score, MAIN),
    _claim(values.DROP_F1, seed_values.drop_F1, MAIN),
    replace(_claim(values.ALPHA_SWEEP, seed_values.alpha_sweep), runs=_levels),
    _claim(values.MULTIPLE_TRIGGERS, seed_values.multiple_triggers, "several/{seed}"),
    _claim(values.ARCH_MLP_LINEAR, seed_values.mlp_linear, "mlp_linear/{seed}"),
    _claim(values.ARCH_LINEAR_MLP, seed_values.linear_mlp, "linear_mlp/{seed}"),
    _claim(values.ARCH_NONE, seed_values.without_blocks, MAIN, "no_blocks/{seed}"),
]


def claimed(claim: Values, setup: NoisyPreset) -> dict[str, Any]:
    """The values and seeds that a claim is reported with: measured, or at the paper's size read from a record."""
    return wanted.claimed(CLAIMS, claim, setup, PAPER)


def curves(spec: NoisySettings) -> TrainingResult:
    """The curves of a run, which may come from a record and then have no weights: `spec.run()` has both."""
    return shown.curves_of("noisy", spec, MODULES)


def ends(spec: NoisySettings) -> dict[str, float]:
    """What is measured on fresh sequences at a run's end, which may come from a record: `end_values`, to six digits."""
    return shown.final_of("noisy", spec, MODULES, partial(end_values, spec))
