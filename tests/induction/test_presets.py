"""The settings of chapter 3's runs against what the paper and the chapter say, at both scales; nothing is trained."""

import pytest

from mechbook.induction import presets as induction

SCALES = ["laptop", "paper"]


@pytest.fixture(params=SCALES)
def scale(request, monkeypatch):
    monkeypatch.setenv("MECHBOOK_SCALE", request.param)
    return request.param


def everything():
    yield from (induction.frozen_run(c, 0) for c in induction.FREEZE)
    yield from (induction.trigger_run(c, 0) for c in induction.TRIGGERS)
    yield from (induction.output_run(o, 0) for o in ("uniform", "bigram"))
    yield from (induction.dimension_run(d, lr, 0) for d in induction.DIMENSIONS for lr in induction.learning_rates())
    yield from (induction.vanilla_run(t, 0, n_layers=n) for t in ("random", "frequent") for n in (1, 2))
    yield induction.vanilla_run("random", 0, n_heads=4)


def test_every_run_is_another_one(scale):
    runs = list(everything())
    assert len(set(runs)) == len(runs)


def test_seeds_and_only_seeds_tell_repetitions_apart(scale):
    first, second = induction.trigger_run("rare", 0), induction.trigger_run("rare", 1)
    assert first != second and first.seed_key != second.seed_key
    assert (first.model, first.training, first.task().triggers) == (
        second.model,
        second.training,
        second.task().triggers,
    )


def test_conditions_of_figure_3_share_weights_and_batches(scale):
    assert len({induction.frozen_run(c, 2).seed_key for c in induction.FREEZE}) == 1
    for condition, names in induction.FREEZE.items():
        frozen = dict(induction.frozen_run(condition, 2).training.frozen_until)
        assert frozen == dict.fromkeys(names, induction.frozen_steps())
        assert induction.frozen_steps() < induction.frozen_run(condition, 2).training.steps


def test_the_paper_scale_is_the_papers(monkeypatch):
    # Oracle: Birth section 5 and appendix E.
    monkeypatch.setenv("MECHBOOK_SCALE", "paper")
    for run in everything():
        assert (run.T, run.training.batch_size, run.training.optimizer) == (256, 512, "sgd")
        assert (run.training.momentum, run.training.weight_decay) == (0.9, 1e-4)
    assert induction.frozen_steps() == 300 and induction.frozen_run("joint", 0).training.lr == 0.2
    assert {induction.trigger_run(c, 0).training.lr for c in induction.TRIGGERS} == {1.0}
    assert induction.output_run("bigram", 0).K == 3 and induction.output_run("bigram", 0).training.lr == 1.0
    vanilla = induction.vanilla_run("random", 0)
    assert (vanilla.K, vanilla.model.d, vanilla.model.hidden, vanilla.training.lr) == (3, 128, 512, 0.2)


def test_triggers_are_the_ranks_the_paper_names(scale):
    ranks = {c: induction.trigger_run(c, 0).task() for c in induction.TRIGGERS}
    order = ranks["base"].pi_u.argsort(descending=True).tolist()
    assert list(ranks["base"].triggers) == order[:5]
    assert list(ranks["few"].triggers) == order[:1]
    assert list(ranks["rare"].triggers) == order[5:10]
    assert ranks["random"].triggers is None
