"""The values of chapter 4's claims about trained transformers, each a function of the preset and a seed.

What they mean is said in `values.py`; runs (`mechbook.noisy.experiments`) are trained where they are not in the cache.
"""

from mechbook.core.training.curves import steps_to
from mechbook.core.training.loop import TrainingResult
from mechbook.noisy import after_training, experiments, layer_2, values
from mechbook.noisy.after_training import end_values
from mechbook.noisy.experiments import DROP_F1, DROP_F2, OUTPUT_RHOS, RHOS, dropped
from mechbook.noisy.presets import NoisyPreset
from mechbook.noisy.runs import value_name

Numbers = dict[str, int | float]

# The cuts of Figure 3 by the fraction of F_2's rank that they keep; the full model has none.
F2_CUTS = {rho: (DROP_F2[0], rho) for rho in RHOS} | {1.0: None}


def main_end(setup: NoisyPreset, seed: int) -> dict[str, float]:
    """What is measured on fresh sequences of a main model at its end."""
    return end_values(experiments.main_settings(setup, seed))


def architecture_end(setup: NoisyPreset, name: str, seed: int) -> dict[str, float]:
    """The same of a model with other feed-forward blocks."""
    return end_values(experiments.architecture_settings(setup, name, seed))


def early_noise(run: TrainingResult) -> float:
    """The largest share of predictions with the noise as first choice in the first steps."""
    pairs = zip(run.steps, run.values["noise_first"], strict=True)
    return max(value for step, value in pairs if step <= experiments.FIRST_STEPS)


def full_predicts_noise(setup: NoisyPreset, seed: int) -> float:
    """P(noise) of the full model."""
    return main_end(setup, seed)["noise"]


def drop_F2(setup: NoisyPreset, seed: int) -> Numbers:
    """Predictions with F_2 dropped."""
    end = main_end(setup, seed)
    return values.DROP_F2(correct=end[value_name("correct", DROP_F2)], noise=end[value_name("noise", DROP_F2)])


def rank_sweep(setup: NoisyPreset, seed: int) -> Numbers:
    """P(noise) at each fraction of F_2's rank, and the clean loss without F_2 and with all of it."""
    end = main_end(setup, seed)
    noise = {f"noise_{round(100 * rho)}": end[value_name("noise", cut)] for rho, cut in F2_CUTS.items()}
    return values.RANK_SWEEP(**noise, loss_0=end[value_name("clean_loss", DROP_F2)], loss_100=end["clean_loss"])


def noise_first(setup: NoisyPreset, seed: int) -> Numbers:
    """How often the noise comes first early in training, and its probability at the end."""
    run = experiments.main_settings(setup, seed).run()
    return values.NOISE_FIRST(
        early=early_noise(run), final=main_end(setup, seed)["noise"], settled=run.values["noise_first"][-1]
    )


def F2_margin(setup: NoisyPreset, seed: int) -> Numbers:
    """Steps until F_2 says noise for good, and until attention finds the answer."""
    run = experiments.main_settings(setup, seed).run()
    margin = after_training.stays_above(run, "margin", 0.0)
    return values.F2_MARGIN(margin=margin, attention=steps_to(run, "attention_correct", 0.5))


def attention_avoids_noise(setup: NoisyPreset, seed: int) -> Numbers:
    """What layer 2 attends to after earlier triggers."""
    end = main_end(setup, seed)
    return values.ATTENTION_AVOIDS_NOISE(correct=end["attention_correct"], noise=end["attention_noise"])


def finetune(setup: NoisyPreset, seed: int) -> Numbers:
    """How often the noise comes first early in fine-tuning, and attention on it before and after."""
    spec = experiments.fine_tuned_settings(setup, seed)
    run = spec.run()
    return values.FINETUNE(
        early=early_noise(run),
        before=run.values["attention_noise"][0],
        after=end_values(spec)["attention_noise"],
    )


def component_roles(setup: NoisyPreset, seed: int) -> Numbers:
    """Figure 7's three statements as shares."""
    found = after_training.roles(experiments.main_settings(setup, seed))
    return values.COMPONENT_ROLES(**{name: found[name] for name in values.COMPONENT_ROLES.names})


def kq_noise_score(setup: NoisyPreset, seed: int) -> Numbers:
    """What the noise's embedding scores for the trigger's query, and the lowest score of another token's."""
    found = layer_2.noise_score(experiments.main_settings(setup, seed))
    return values.KQ_NOISE_SCORE(noise=found["noise"], lowest=found["lowest"])


def drop_F1(setup: NoisyPreset, seed: int) -> Numbers:
    """P(noise) of the full model, and with F_1 dropped."""
    end = main_end(setup, seed)
    return values.DROP_F1(full=end["noise"], dropped=end[value_name("noise", DROP_F1)])


def alpha_sweep(setup: NoisyPreset, seed: int) -> Numbers:
    """P(noise) of the full model, and with F_2 dropped the gain in P(correct) and P(noise), at each noise level."""
    result: Numbers = {}
    for level, (alpha, _) in zip(values.LEVELS, setup.levels, strict=True):
        end = end_values(experiments.level_settings(setup, alpha, seed))
        result[f"noise_{level}"] = end["noise"]
        result[f"gain_{level}"] = end[value_name("correct", DROP_F2)] - end["correct"]
        result[f"dropped_{level}"] = end[value_name("noise", DROP_F2)]
    return values.ALPHA_SWEEP(**result)


def multiple_triggers(setup: NoisyPreset, seed: int) -> float:
    """The smallest trigger's margin, several triggers."""
    return after_training.matching_margin(experiments.several_settings(setup, seed))


def mlp_linear(setup: NoisyPreset, seed: int) -> Numbers:
    """F_1 an MLP, F_2 linear: whole, and each dropped."""
    end = architecture_end(setup, "mlp_linear", seed)
    no_F1, no_F2 = dropped("F1", "mlp"), dropped("F2", "linear")
    return values.ARCH_MLP_LINEAR(
        correct_full=end["correct"],
        correct_F1=end[value_name("correct", no_F1)],
        correct_F2=end[value_name("correct", no_F2)],
        loss_F1=end[value_name("clean_loss", no_F1)],
        loss_F2=end[value_name("clean_loss", no_F2)],
    )


def linear_mlp(setup: NoisyPreset, seed: int) -> Numbers:
    """F_1 linear, F_2 an MLP: whole, and each dropped."""
    end = architecture_end(setup, "linear_mlp", seed)
    no_F1, no_F2 = dropped("F1", "linear"), dropped("F2", "mlp")
    return values.ARCH_LINEAR_MLP(
        correct_full=end["correct"],
        correct_F2=end[value_name("correct", no_F2)],
        noise_full=end["noise"],
        noise_F1=end[value_name("noise", no_F1)],
    )


def without_blocks(setup: NoisyPreset, seed: int) -> Numbers:
    """P(correct) without feed-forward: the best truncation's gain, at two rho, whole; and F_2's gain with MLPs."""
    end, reference = architecture_end(setup, "no_blocks", seed), main_end(setup, seed)
    cut = {rho: end[value_name("correct", ("W_O1", rho))] for rho in OUTPUT_RHOS}
    return values.ARCH_NONE(
        gain=max(cut.values()) - end["correct"],
        correct_5=cut[0.05],
        correct_1=cut[0.01],
        correct_full=end["correct"],
        mlp_gain=reference[value_name("correct", DROP_F2)] - reference["correct"],
    )
