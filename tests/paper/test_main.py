"""`make paper` on runs that are numbers: what is computed, in which order, and what is said. Oracle: who was run."""

import os
import signal
from pathlib import Path

import pytest

from mechbook.core.cache import entries, store
from mechbook.core.training.stopping import Stopped
from mechbook.laser import pretrained_run
from mechbook.paper import __main__ as paper
from mechbook.paper import estimate
from mechbook.paper.everything import chosen
from mechbook.records import files
from mechbook.records.kept import load_claim, load_run
from tests.paper.small import MODULES, Setup, numbers

ALL = ["memories/number/0", "memories/number/1", "memories/number/2"]


@pytest.fixture(autouse=True)
def hour_long_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of any run takes a fifth of an hour."""
    monkeypatch.setattr(estimate, "two_steps", lambda short: 720.0)


def test_everything_is_computed_once_in_its_order(capsys: pytest.CaptureFixture[str]) -> None:
    ran: list[int] = []
    theme = numbers(ran)
    assert paper.main([], [theme]) == 0
    assert ran == [0, 1, 2]
    said = [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert said == [name for run in ALL for name in (run, "am.double")]
    claim = load_claim("am.double")
    assert claim is not None
    assert (claim.values, claim.seeds, claim.runs, claim.seconds) == ([0, 2, 4], [0, 1, 2], ALL, 7.5)
    run = load_run(ALL[2])
    assert run is not None
    assert (run.steps, run.values, run.final, run.seconds) == ([0, 9], {"number": [0.0, 2.0]}, {"end": 1.0}, 2.5)
    assert paper.main([], [theme]) == 0
    assert ran == [0, 1, 2] and capsys.readouterr().out == ""


def test_patterns_choose_and_order(capsys: pytest.CaptureFixture[str]) -> None:
    ran: list[int] = []
    theme = numbers(ran)
    assert paper.main(["*/2", "memories/number/*"], [theme]) == 0
    assert ran == [2, 0, 1]
    assert [run.name for run in chosen(["*/1"], [theme])] == ALL[1:2]
    assert paper.main(["memories/nombre/*"], [theme]) == 1
    assert "No run is named 'memories/nombre/*'" in capsys.readouterr().err


def test_a_claim_gathers_seeds_over_calls() -> None:
    theme = numbers([])
    paper.main(["*/1"], [theme])
    first = load_claim("am.double")
    assert first is not None and (first.values, first.seeds) == ([2], [1])
    paper.main(["*/0"], [theme])
    second = load_claim("am.double")
    assert second is not None and (second.values, second.seeds) == ([0, 2], [0, 1])


def test_a_recorded_run_that_is_not_in_the_cache_is_not_run_for_a_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []
    theme = numbers(ran)
    paper.main(["*/0"], [theme])
    monkeypatch.setenv("MECHBOOK_CACHE", os.environ["MECHBOOK_CACHE"] + "2")
    paper.main(["*/0", "*/1"], [theme])
    claim = load_claim("am.double")
    assert ran == [0, 1] and claim is not None
    # of seed 0 the value measured before stays
    assert (claim.values, claim.seeds) == ([0, 2], [0, 1])
    files.place("claims/am.double").unlink()
    paper.main(["*/0", "*/1"], [theme])
    claim = load_claim("am.double")
    assert ran == [0, 1] and claim is not None and (claim.values, claim.seeds) == ([2], [1])


def test_the_papers_language_models_are_run_by_name_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(pretrained_run, "main", lambda arguments: asked.append(arguments) or 3)
    monkeypatch.setattr(pretrained_run, "stored", lambda: {"gpt2": {"date": "2031-01-02"}})
    ran: list[int] = []
    theme = numbers(ran)
    assert paper.main([], [theme]) == 0 and asked == []
    assert paper.main(["laser/pythia-1b"], [theme]) == 1
    assert paper.main(["laser/gpt2"], [theme]) == 0
    assert asked == [["pythia-1b"]]
    assert paper.main(["laser/gpt2", "--replace"], [theme]) == 1
    assert asked == [["pythia-1b"], ["gpt2"]] and ran == [0, 1, 2]
    capsys.readouterr()
    paper.main(["--list"], [theme])
    assert [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()[3:]] == [
        ["laser/pythia-1b", "missing, needs weights from the model hub"],
        ["laser/gpt2", "done (2031-01-02)"],
    ]


def test_a_run_that_fails_is_said_and_the_others_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    def diverges(number: int) -> None:
        if number == 1:
            raise FloatingPointError("The loss is nan at step 3.")

    ran: list[int] = []
    assert paper.main([], [numbers(ran, before=diverges)]) == 1
    assert ran == [0, 2] and load_run(ALL[1]) is None
    assert capsys.readouterr().err == "memories/number/1 failed: The loss is nan at step 3.\n"


def test_a_spoilt_record_stops_it_with_a_sentence(own_folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran: list[int] = []
    theme = numbers(ran)
    paper.main(["*/0"], [theme])
    files.place(ALL[0]).write_text("{", encoding="utf-8")
    capsys.readouterr()
    assert paper.main([], [theme]) == 1
    assert capsys.readouterr().err.startswith("memories/number/0.json cannot be read (")
    assert ran == [0]


def test_earlier_code_is_listed_left_and_replaced_when_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[int] = []
    theme = numbers(ran)
    paper.main([], [theme])
    before = files.place(ALL[0]).read_bytes()
    monkeypatch.setattr("mechbook.core.cache.entries.code", lambda modules: "new")
    monkeypatch.setattr("mechbook.records.code.of_claim", lambda modules: "new")
    capsys.readouterr()
    paper.main(["--list"], [theme])
    assert [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()[:3]] == [
        [name, "of earlier code"] for name in ALL
    ]
    assert paper.main([], [theme]) == 0
    assert files.place(ALL[0]).read_bytes() == before
    assert paper.main(["--replace"], [theme]) == 0
    record, claim = load_run(ALL[0]), load_claim("am.double")
    assert record is not None and claim is not None and (record.code, claim.code) == ("new", "new")


def test_the_list_tells_how_far_each_run_is(capsys: pytest.CaptureFixture[str]) -> None:
    ran: list[int] = []
    theme = numbers(ran)
    runs = theme.runs(Setup())
    paper.main(["*/0"], [theme])
    runs[1].settings.run()
    capsys.readouterr()
    assert paper.main(["--list"], [theme]) == 0
    # nine steps of a fifth of an hour each
    assert [line.split(maxsplit=1)[1] for line in capsys.readouterr().out.splitlines()[:3]] == [
        "done",
        "computed, not recorded yet",
        "missing, about 1.8 h",
    ]
    assert ran == [0, 1]
    state = entries.scratch(runs[2].settings.key(), modules=MODULES)
    assert state is not None
    store.save(state, {"step": 4})
    paper.main(["--list"], [theme])
    assert capsys.readouterr().out.splitlines()[2].endswith("state kept at step 4 of 9, about 1 h")


def test_it_stops_between_runs_when_its_time_is_over(capsys: pytest.CaptureFixture[str]) -> None:
    ran: list[int] = []
    assert paper.main(["--seconds", "0"], [numbers(ran)]) == 0
    assert ran == []
    assert capsys.readouterr().out == (
        "Stopped before memories/number/0; recorded in this call: 0. make paper goes on there.\n"
    )


@pytest.mark.parametrize(("seconds", "ran"), [("6400", []), ("6600", [0])])
def test_a_run_that_keeps_no_state_begins_only_where_there_is_time(
    seconds: str, ran: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    # 9 steps of 720 seconds are 6480
    found: list[int] = []
    assert paper.main(["--seconds", seconds, "*/0"], [numbers(found, keeps_state=False)]) == 0
    assert found == ran
    said = "memories/number/0 keeps no state and takes about 1.8 h: left for a longer call.\n"
    assert (capsys.readouterr().out == said) is (ran == [])


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_run_under_way_and_begins_no_other(
    number: int, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[int] = []
    theme = numbers(ran, before=lambda n: os.kill(os.getpid(), number) if n == 1 else None)
    before = signal.getsignal(number)
    assert paper.main([], [theme]) == status
    assert ran == [0, 1] and signal.getsignal(number) is before
    said = capsys.readouterr()
    last = "Stopped before memories/number/2; recorded in this call: 2. make paper goes on there."
    assert said.out.splitlines()[-1] == last
    assert said.err == "Stopping at the next safe point; a second signal stops at once.\n"


def test_a_second_signal_stops_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    def twice(number: int) -> None:
        if number == 1:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    ran: list[int] = []
    assert paper.main([], [numbers(ran, before=twice)]) == 130
    assert ran == [0]
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "Stopped at once. Kept: the runs recorded before. make paper goes on there."


def test_a_stopped_run_is_said_with_its_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = tmp_path / "state"
    state.write_text("")

    def stops(number: int) -> None:
        if number == 1:
            raise Stopped(5, state)

    assert paper.main([], [numbers([], before=stops)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "memories/number/1 stopped at step 5 of 9; its state is kept, and recorded in this call: 1. "
        "make paper goes on there."
    )
