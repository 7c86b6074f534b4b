"""The settings of chapter 4's runs against what the paper and the chapter say, at both scales; nothing is trained."""

import pytest

from mechbook.core import settings
from mechbook.noisy import presets as noisy
from mechbook.noisy.model import NoisyTransformer
from mechbook.shared.truncation import named_parameter, rank_of

SCALES = ["laptop", "paper"]


@pytest.fixture(params=SCALES)
def scale(request, monkeypatch):
    monkeypatch.setenv("MECHBOOK_SCALE", request.param)
    return request.param


def everything(seed=0):
    yield from (noisy.main_run(seed, alpha=a) for a in noisy.ALPHAS)
    yield from (noisy.main_run(seed, d=d) for d in noisy.dimensions()[:-1])
    yield noisy.triggers_run(seed)
    yield noisy.clean_run(seed)
    yield noisy.fine_tuned_run(seed)
    yield from (noisy.architecture_run(name, seed) for name in noisy.ARCHITECTURES)


def test_every_run_is_another_one(scale):
    """Oracle: as many different settings as runs, over two seeds."""
    runs = [*everything(0), *everything(1)]
    assert len(set(runs)) == len(runs) == 20


def test_noise_levels_and_dimensions_share_the_main_run_s_streams(scale):
    """Oracle: the seed's key; of them only the main run is measured along the way."""
    runs = [noisy.main_run(2), noisy.main_run(2, alpha=0.2), noisy.main_run(2, d=64)]
    assert len({run.seed_key for run in runs}) == 1
    assert len(runs[0].probe_steps) > 20 and [run.probe_steps for run in runs[1:]] == [(r.steps,) for r in runs[1:]]


def test_the_main_run_is_the_same_with_its_dimension_named(scale):
    """Oracle: equality of all settings, so that it is trained once; another dimension is another run."""
    own, other = noisy.dimensions()[-1], noisy.dimensions()[0]
    assert noisy.main_run(1, d=own) == noisy.main_run(1) != noisy.main_run(1, d=other)
    assert noisy.main_run(1, d=own, alpha=0.2) == noisy.main_run(1, alpha=0.2)


def test_paper_scale_is_the_paper_s(monkeypatch):
    """Oracle: Chen et al. section 4 and appendix A.5: d = T = 256, batches of 512, 2000 steps of SGD, momentum 0.9."""
    monkeypatch.setenv("MECHBOOK_SCALE", "paper")
    for run in everything():
        how = run.training
        assert (run.T, how.batch_size, run.steps, how.optimizer) == (256, 512, 2000, "sgd")
        assert (how.momentum, how.weight_decay, run.cool_down) == (0.9, 1e-4, None) and 0.001 <= how.lr <= 0.03
        assert run.model.V == 66
    assert noisy.main_run(0).model.d == noisy.dimensions()[-1] == 256


def test_every_cut_names_a_weight_of_its_model_and_the_smallest_fraction_keeps_a_rank(scale):
    """Oracle: the model's own parameters; rho = 0.01 of Figure 12 must not be rank 0."""
    for run in everything():
        model = NoisyTransformer(run.model, settings.generator(0))
        for name, rho in run.cuts:
            W = named_parameter(model, name)
            assert rho == 0 or rank_of(rho, min(W.shape)) >= 1


def test_fine_tuning_starts_from_the_clean_run_of_its_seed(scale):
    """Oracle: the settings; alpha 0 before, 0.5 after, the same model."""
    for seed in (0, 1):
        run = noisy.fine_tuned_run(seed)
        assert run.start == noisy.clean_run(seed)
        assert (run.start.alpha, run.alpha, run.start.model) == (0.0, 0.5, run.model)


def test_the_first_steps_are_all_measured_where_the_noise_is_learned(scale):
    """Oracle: Figure 4 shows the first 5 steps; the criterion asks for 20."""
    for run in (noisy.main_run(1), noisy.fine_tuned_run(1)):
        assert set(range(11)) <= set(run.probe_steps) and noisy.FIRST_STEPS in run.probe_steps


def test_checkpoints_for_the_widgets_are_kept_in_seed_0_alone(scale):
    """Oracle: the settings."""
    assert noisy.main_run(0).checkpoint_steps and noisy.main_run(0).checkpoint_steps[0] == 0
    assert not noisy.main_run(1).checkpoint_steps and not noisy.main_run(0, alpha=0.2).checkpoint_steps


def test_unknown_names_are_refused():
    """Oracle: KeyError, as documented."""
    with pytest.raises(KeyError):
        noisy.architecture_run("mlp_mlp", 0)
    with pytest.raises(KeyError):
        noisy.main_run(0, alpha=0.3)
