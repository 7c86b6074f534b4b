"""Chapter 7's runs recorded at a stand-in size, read back, stopped and resumed. Oracles: runs and claims themselves."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mechbook.core.cache import entries
from mechbook.core.presets import replace
from mechbook.hops import recorded, seed_values
from mechbook.hops import runs as training
from mechbook.hops.experiments import curriculum_settings, mixture_settings
from mechbook.hops.runs import fresh_accuracy
from mechbook.paper import __main__ as paper
from mechbook.paper.everything import Theme
from mechbook.paper.small import HOPS, HOPS_TINY
from mechbook.paper.standing import kept_step
from mechbook.records.kept import load_claim, load_run, rounded


def forbidden(spec: Any) -> Any:
    raise AssertionError(f"{spec} is trained again.")


def test_runs_that_follow_from_another_are_listed_and_recorded_once_it_is_known() -> None:
    names = {run.name for run in HOPS.runs(HOPS_TINY)}
    assert "hops/mixture" in names and not names & {"hops/direct", "hops/shallow"}
    assert paper.main(["hops/[mds]*", "hops/control/*"], [HOPS]) == 0
    more = {run.name for run in HOPS.runs(HOPS_TINY)}
    assert more == names | {"hops/direct", "hops/shallow"}
    assert load_run("hops/direct") is not None and load_run("hops/current") is None
    for id, measure in (("khop.direct_fails", seed_values.direct_fails), ("khop.depth", seed_values.depth)):
        found = load_claim(id)
        assert found is not None and found.values == [measure(HOPS_TINY, seed) for seed in range(2)]
    # the mixture solves nothing here, so it needed one step more than its 10, in records of 5
    direct = load_claim("khop.direct_fails")
    assert direct is not None and isinstance(direct.values[0], dict)
    assert (direct.values[0]["mixture_steps"], direct.values[0]["steps"]) == (11.0, 15)


def test_what_a_chapter_shows_of_a_run_comes_from_its_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # one that takes up every hop at once and ends at its first record, as it solves the last by chance
    easy = replace(HOPS_TINY, advance_at=1e-9)
    theme = Theme(name="hops", setup=easy, runs=HOPS.runs, claims=[])
    spec = curriculum_settings(easy)
    spec = replace(spec, training=replace(spec.training, stop_at=0.0001))
    monkeypatch.setattr(recorded, "curriculum_settings", lambda setup: spec)
    assert paper.main(["hops/curriculum"], [theme]) == 0
    runs, accuracies = spec.run(), [fresh_accuracy(spec, seed) for seed in spec.seeds]
    assert all(run.stages and run.solved == 5 for run in runs)
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path / "other"))
    monkeypatch.setattr(training, "_train", forbidden)
    found = recorded.trainings(spec)
    for ours, theirs in zip(found, runs, strict=True):
        assert (ours.steps, ours.stages, ours.solved, ours.seen) == (
            theirs.steps,
            theirs.stages,
            theirs.solved,
            theirs.seen,
        )
        assert ours.loss == [rounded(value) for value in theirs.loss]
        assert ours.accuracy == [[rounded(value) for value in row] for row in theirs.accuracy]
    for seed in spec.seeds:
        torch.testing.assert_close(recorded.ends(spec, seed), accuracies[seed], atol=1e-6, rtol=1e-5)
    record = load_run("hops/curriculum")
    assert record is not None and record.seconds == pytest.approx(sum(run.seconds for run in runs), rel=1e-5)


def test_a_run_is_read_from_the_cache_before_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = mixture_settings(HOPS_TINY)
    assert recorded.known(spec) is None
    made = recorded.trainings(spec)
    found = recorded.known(spec)
    assert found is not None and found[0].loss == made[0].loss and set(found[0].final) == set(made[0].final)


def test_a_signal_keeps_the_state_and_the_next_call_ends_it_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = mixture_settings(HOPS_TINY)
    plain = spec.run()
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path / "other"))
    drawn: list[None] = []
    sample: Callable[..., Any] = training.sample_sequences

    def interrupting(*arguments: Any) -> Any:
        drawn.append(None)
        # two seeds draw at each step
        if len(drawn) == 2 * 6:
            os.kill(os.getpid(), signal.SIGTERM)
        return sample(*arguments)

    monkeypatch.setattr(training, "sample_sequences", interrupting)
    assert paper.main(["hops/mixture"], [HOPS]) == 143
    assert "hops/mixture stopped at step 6 of 10; its state is kept" in capsys.readouterr().out
    (run,) = [run for run in HOPS.runs(HOPS_TINY) if run.name == "hops/mixture"]
    assert kept_step(run) == 6 and entries.found(spec.key(), modules=recorded.MODULES) is None
    assert paper.main(["hops/mixture"], [HOPS]) == 0
    for ours, theirs in zip(spec.run(), plain, strict=True):
        assert (ours.steps, ours.loss, ours.accuracy) == (theirs.steps, theirs.loss, theirs.accuracy)
        assert all(torch.equal(ours.final[name], theirs.final[name]) for name in theirs.final)
