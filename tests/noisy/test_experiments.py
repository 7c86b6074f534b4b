"""The runs of chapter 4 against what the paper and the chapter say, at both scales; nothing is trained."""

import pytest

from mechbook.core import settings
from mechbook.core.presets import replace
from mechbook.noisy import experiments
from mechbook.noisy.model import NoisyTransformer
from mechbook.noisy.presets import LAPTOP, PAPER
from mechbook.shared.truncation import named_parameter, rank_of


@pytest.fixture(params=["LAPTOP", "PAPER"])
def setup(request):
    return {"LAPTOP": LAPTOP, "PAPER": PAPER}[request.param]


def everything(setup, seed=0):
    yield from (experiments.level_settings(setup, alpha, seed) for alpha, _ in setup.levels)
    yield from (experiments.dimension_settings(setup, d, seed) for d in setup.other_d)
    yield experiments.several_settings(setup, seed)
    yield experiments.clean_settings(setup, seed)
    yield experiments.fine_tuned_settings(setup, seed)
    yield from (experiments.architecture_settings(setup, name, seed) for name in experiments.ARCHITECTURES)


def test_every_run_is_another_one(setup):
    """Oracle: as many different settings as runs, over two seeds."""
    runs = [*everything(setup, 0), *everything(setup, 1)]
    assert len(set(runs)) == len(runs) == 20


def test_noise_levels_and_dimensions_share_the_main_run_s_streams(setup):
    """Oracle: the seed's key; of them only the main run is measured along the way."""
    runs = [
        experiments.main_settings(setup, 2),
        experiments.level_settings(setup, 0.2, 2),
        experiments.dimension_settings(setup, 64, 2),
    ]
    assert {run.seed_key for run in runs} == {(4, 3, 2)}
    assert len(runs[0].probe_steps) > 20 and [run.probe_steps for run in runs[1:]] == [(r.steps,) for r in runs[1:]]


def test_the_preset_s_own_level_and_dimension_are_the_main_run(setup):
    """Oracle: equality of all settings, so that it is trained once; another dimension is another run."""
    main = experiments.main_settings(setup, 1)
    assert experiments.dimension_settings(setup, setup.d, 1) == main == experiments.level_settings(setup, 0.5, 1)
    assert experiments.dimension_settings(setup, setup.other_d[0], 1) != main


def test_a_level_that_is_not_alpha_has_its_own_schedule():
    """Oracle: the preset."""
    setup = replace(LAPTOP, alpha=0.3, steps=60)
    assert experiments.main_settings(setup, 0).steps == 60
    assert experiments.level_settings(setup, 0.5, 0).steps == 800
    assert experiments.level_settings(replace(setup, alpha=0.2), 0.2, 0).steps == 60


def test_paper_scale_is_the_paper_s():
    """Oracle: Chen et al. section 4 and appendix A.5: d = T = 256, batches of 512, 2000 steps of SGD, momentum 0.9."""
    for run in everything(PAPER):
        how = run.training
        assert (run.T, how.batch_size, run.steps, how.optimizer, how.lr) == (256, 512, 2000, "sgd", 0.03)
        assert (how.momentum, how.weight_decay, run.cool_down) == (0.9, 1e-4, None)
        assert run.model.V == 66
    assert experiments.main_settings(PAPER, 0).model.d == PAPER.d == 256


def test_the_last_third_is_cooled_but_on_clean_data():
    """Oracle: the laptop's preset, by hand."""
    main, clean = experiments.main_settings(LAPTOP, 0), experiments.clean_settings(LAPTOP, 0)
    assert (main.training.steps, main.cool_down, main.steps) == (534, (266, 0.01), 800)
    assert (clean.training.steps, clean.cool_down) == (120, None)


def test_every_cut_names_a_weight_of_its_model_and_the_smallest_fraction_keeps_a_rank(setup):
    """Oracle: the model's own parameters; rho = 0.01 of Figure 12 must not be rank 0."""
    for run in everything(setup):
        model = NoisyTransformer(run.model, settings.generator(0))
        for name, rho in run.cuts:
            W = named_parameter(model, name)
            assert rho == 0 or rank_of(rho, min(W.shape)) >= 1


def test_fine_tuning_starts_from_the_clean_run_of_its_seed(setup):
    """Oracle: the settings; alpha 0 before, 0.5 after, the same model."""
    for seed in (0, 1):
        run = experiments.fine_tuned_settings(setup, seed)
        assert run.start == experiments.clean_settings(setup, seed)
        assert (run.start.alpha, run.alpha, run.start.model) == (0.0, 0.5, run.model)


def test_the_first_steps_are_all_measured_where_the_noise_is_learned(setup):
    """Oracle: Figure 4 shows the first 5 steps; the criterion asks for 20."""
    for run in (experiments.main_settings(setup, 1), experiments.fine_tuned_settings(setup, 1)):
        assert set(range(11)) <= set(run.probe_steps) and experiments.FIRST_STEPS in run.probe_steps


def test_checkpoints_for_the_widgets_are_kept_in_seed_0_alone(setup):
    """Oracle: the settings."""
    main = experiments.main_settings(setup, 0)
    assert main.checkpoint_steps == main.probe_steps and main.checkpoint_steps[0] == 0
    assert not experiments.main_settings(setup, 1).checkpoint_steps
    assert not experiments.level_settings(setup, 0.2, 0).checkpoint_steps


def test_unknown_names_are_refused():
    """Oracle: KeyError, as documented."""
    with pytest.raises(KeyError):
        experiments.architecture_settings(LAPTOP, "mlp_mlp", 0)
    with pytest.raises(KeyError):
        experiments.level_settings(LAPTOP, 0.3, 0)
