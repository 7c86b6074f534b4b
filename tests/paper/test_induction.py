"""Chapter 3's runs recorded at a stand-in size, stopped and resumed. Oracles: runs and claims measured directly."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

import mechbook.hops.claims
import mechbook.induction.claims
import mechbook.noisy.claims  # noqa: F401  (for the criteria that they register)
from mechbook.claims.criteria import CRITERIA
from mechbook.induction import runs as training
from mechbook.induction import seed_values
from mechbook.induction.experiments import frozen_settings
from mechbook.paper import __main__ as paper
from mechbook.paper.estimate import two_steps
from mechbook.paper.everything import THEMES
from mechbook.paper.small import INDUCTION, TINY
from mechbook.paper.standing import kept_step
from mechbook.records.kept import load_claim, load_run, rounded

JOINT = "induction/frozen/joint/0"
# Listed only once the run that they follow from is known.
LATER = ("hops/direct", "hops/shallow")


def test_a_run_and_its_claims_are_what_the_chapter_measures() -> None:
    assert paper.main(["induction/frozen/joint/*", "induction/joint/*"], [INDUCTION]) == 0
    for seed in range(2):
        record, run = load_run(f"induction/frozen/joint/{seed}"), frozen_settings(TINY, seed).run()
        assert record is not None
        assert record.steps == run.steps
        assert record.values == {name: [rounded(value) for value in row] for name, row in run.values.items()}
    found = load_claim("ih.order")
    assert found is not None
    assert found.values == [seed_values.order(TINY, seed) for seed in range(2)]
    assert (found.seeds, set(found.budgets.values())) == ([0, 1], {40})
    # other conditions' runs are missing
    assert load_claim("ih.joint_faster") is None


def test_a_signal_in_a_run_keeps_its_state_and_the_next_call_ends_it_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = frozen_settings(TINY, 0).run()
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path / "other"))
    drawn: list[None] = []

    def interrupting(*arguments: Any) -> Any:
        drawn.append(None)
        if len(drawn) == 18:
            os.kill(os.getpid(), signal.SIGTERM)
        return sample(*arguments)

    sample = training.sample
    monkeypatch.setattr(training, "sample", interrupting)
    assert paper.main([JOINT], [INDUCTION]) == 143
    assert f"{JOINT} stopped at step 18 of 40; its state is kept" in capsys.readouterr().out
    assert load_run(JOINT) is None
    (run,) = [run for run in INDUCTION.runs(TINY) if run.name == JOINT]
    assert kept_step(run) == 18
    assert paper.main([JOINT], [INDUCTION]) == 0
    assert len(drawn) == 18 + 41 - 18 and kept_step(run) == 0
    again = frozen_settings(TINY, 0).run()
    assert (again.steps, again.values) == (plain.steps, plain.values)
    assert all(torch.equal(again.final[name], plain.final[name]) for name in plain.final)


def test_two_steps_are_timed_in_a_cache_of_their_own(tmp_path: Path) -> None:
    (run,) = [run for run in INDUCTION.runs(TINY) if run.name == JOINT]
    assert run.short is not None
    assert run.short(3).training.steps == 3
    assert two_steps(run.short) >= 0
    assert not (tmp_path / "cache").exists() and os.environ["MECHBOOK_CACHE"] == str(tmp_path / "cache")


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_every_theme_s_list_is_whole(theme: Any) -> None:
    """Names are unique, and each claim stands on runs of the list, has a criterion and budgets for its own names."""
    runs = theme.runs(theme.setup)
    names = [run.name for run in runs]
    assert len(set(names)) == len(names) and all(name.startswith(f"{theme.name}/") for name in names)
    assert len({repr(sorted(run.settings.key().items())) for run in runs}) == len(runs)
    claims = [claim.values.claim for claim in theme.claims]
    assert len(set(claims)) == len(claims)
    for claim in theme.claims:
        for seed in claim.seeds(theme.setup):
            assert set(claim.runs(theme.setup, seed)) <= {*names, *LATER}, claim.values.claim
        assert set(claim.budgets(theme.setup)) <= set(claim.values.names), claim.values.claim
        assert len(list(claim.seeds(theme.setup))) >= CRITERIA[claim.values.claim].seeds, claim.values.claim
