"""The recorded longer runs: how they differ from the chapter's own, and that records are found. Nothing is trained."""

from pathlib import Path

import pytest

from mechbook.noisy import experiments, longer, recorded
from mechbook.noisy.presets import LAPTOP, PAPER
from mechbook.paper.recorder import as_json
from mechbook.records import kept, machine


@pytest.mark.parametrize("name", ["mlp_linear", "no_blocks"])
def test_a_longer_run_has_more_steps_and_the_same_start(name: str) -> None:
    """Oracle: the chapter's own run; weights and batches follow from the seed's key, the last third is cooled."""
    own, run = experiments.architecture_settings(LAPTOP, name, 1), longer.longer_settings(name, 1)
    assert run.steps == longer.STEPS[name] > 3 * own.steps
    for part in ("seed_key", "model", "T", "alpha", "cuts"):
        assert getattr(run, part) == getattr(own, part)
    assert (run.training.batch_size, run.training.lr) == (own.training.batch_size, own.training.lr)
    assert run.cool_down == (longer.STEPS[name] // 3, LAPTOP.cool_lr)


def test_the_fine_tuned_run_starts_from_more_steps_on_clean_data() -> None:
    """Oracle: the chapter's own fine-tuning, which differs in its start's steps alone."""
    own, run = experiments.fine_tuned_settings(LAPTOP, 2), longer.longer_settings("fine_tuned", 2)
    assert own.start is not None and run.start is not None
    assert (own.start.steps, run.start.steps) == (120, 200)
    assert (run.steps, run.seed_key, run.start.seed_key) == (own.steps, own.seed_key, own.start.seed_key)


def test_another_name_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="'main' is no longer run; choose one of mlp_linear, no_blocks, fine_tuned, "):
        longer.longer_settings("main", 0)
    with pytest.raises(ValueError, match="choose one of"):
        longer.records("main")


def test_they_are_among_what_can_be_recorded() -> None:
    """Oracle: their names by hand; the paper's preset does not change them."""
    runs = {run.name: run for run in recorded.runs(PAPER)}
    for name in ("mlp_linear", "no_blocks", "fine_tuned"):
        for seed in range(3):
            assert runs[f"noisy/longer/{name}/{seed}"].settings == longer.longer_settings(name, seed)


def test_records_are_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: two records written here, of seeds 0 and 2."""
    monkeypatch.setenv("MECHBOOK_RECORDS", str(tmp_path))
    assert longer.records("no_blocks") == []
    written = [
        kept.RunRecord(
            name=f"noisy/longer/no_blocks/{seed}",
            settings=as_json(longer.longer_settings("no_blocks", seed).key()),
            modules=recorded.MODULES,
            code="0",
            steps=[0, 3600],
            values={"correct": [0.0, 0.25 + seed]},
            final={"correct": 0.5},
            seconds=1.0,
            machine=machine.here(),
        )
        for seed in (0, 2)
    ]
    for record in written:
        kept.save(record)
    assert [record.values for record in longer.records("no_blocks")] == [record.values for record in written]


def test_the_paper_s_training_differs_from_the_paper_s_run_in_its_size_alone() -> None:
    """Oracle: the two runs side by side; what follows from T and d, and nothing of the training, may differ."""
    run, theirs = longer.longer_settings("paper_training", 1), experiments.main_settings(PAPER, 1)
    own = experiments.main_settings(LAPTOP, 1)
    assert (run.T, run.model) == (own.T, own.model) != (theirs.T, theirs.model)
    for part in ("training", "cool_down", "alpha", "K", "seed_key", "probe_steps", "cuts", "start"):
        assert getattr(run, part) == getattr(theirs, part)
    # nothing is kept of the first seed that the others lack: a record holds no weights
    assert longer.longer_settings("paper_training", 0).checkpoint_steps == ()
