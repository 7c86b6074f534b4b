"""Recorded runs and claims as chapters read them. Oracles: what was saved, and settings that note when they run."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from mechbook.claims.report import as_text, measurement
from mechbook.claims.values import Values
from mechbook.core.cache import entries
from mechbook.core.training.loop import TrainingResult
from mechbook.records.kept import save
from mechbook.records.machine import where
from mechbook.records.shown import beside, curves_of, recorded, recorded_seeds, told
from mechbook.records.wanted import PaperClaim, PaperRun, claimed
from tests.records.conftest import MACHINE, MODULES, claim_record, run_record


@dataclass(frozen=True)
class Counted:
    """Settings of a run that notes in `ran` that it was run."""

    name: str
    ran: list[str]

    def key(self) -> dict[str, Any]:
        return {"run": self.name}

    def compute(self) -> dict[str, Any]:
        self.ran.append(self.name)
        return vars(TrainingResult(steps=[0], values={"x": [0.5]}, checkpoints={}, final={}, seconds=1.0))

    def run(self) -> TrainingResult:
        return TrainingResult(**entries.cached(self.key(), self.compute, modules=MODULES))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path / "cache"))


def test_recorded_gives_a_run_by_its_name(folder: Path) -> None:
    assert recorded("induction/frozen/joint/0") is None
    save(run_record())
    found = recorded("induction/frozen/joint/0")
    assert found is not None
    assert (found.steps, found.values["W_O2"][:2], found.machine) == ([0, 5, 7], [0.0, 1.0], MACHINE)


def test_seeds_of_other_steps_than_the_first_are_left_out(folder: Path) -> None:
    assert recorded_seeds("induction/frozen/joint", range(4)) == []
    for seed, steps in ((1, [0, 5, 7]), (2, [0, 5, 8]), (3, [0, 5, 7])):
        save(run_record(name=f"induction/frozen/joint/{seed}", steps=steps))
    names = [record.name[-1] for record in recorded_seeds("induction/frozen/joint", range(4))]
    assert names == ["1", "3"]


def test_a_caption_names_device_day_and_earlier_code() -> None:
    now = run_record(code=entries.code(MODULES))
    assert told([now]) == "Abacus 3 with TF32, 2031-05-17"
    assert told([now, run_record()]) == "Abacus 3 with TF32, 2031-05-17; of earlier code"
    assert beside([]) == ""
    assert beside([now]) == (
        " Below: the same at the paper's own size, one seed, recorded on Abacus 3 with TF32, 2031-05-17."
    )
    names = [f"induction/frozen/{condition}/{seed}" for condition in ("joint", "other") for seed in range(3)]
    wanted = [PaperRun(name=name, settings=Counted("", []), modules=MODULES, steps=7, kind="") for name in names]
    others = [run_record(code=now.code, name=name) for name in names[:2]]
    assert beside(others, wanted[3:], "Right").startswith(" Right: the same at the paper's own size, 2 seeds")
    assert beside(others, wanted[3:]).startswith(" Below: the same at the paper's own size, 2 seeds, recorded on")
    assert beside(others, wanted).startswith(" Below: the same at the paper's own size, 2 of 3 seeds, recorded on")
    assert beside(others[:1], wanted).startswith(" Below: the same at the paper's own size, 1 of 3 seeds, recorded on")
    several = [*others, run_record(code=now.code, name="induction/frozen/other/0")]
    assert " own size, 1 to 2 of 3 seeds, recorded on" in beside(several, wanted)
    same = PaperRun(name=now.name, settings=Counted("", []), modules=MODULES, steps=7, kind="")
    assert told([now], [same]).endswith("; of earlier code")  # its settings are others now
    other = type(MACHINE)(**{**asdict(MACHINE), "device": "Slate", "tf32": False, "date": "2031-05-18"})
    assert where([MACHINE, other, MACHINE]) == "Abacus 3 with TF32 and Slate, 2031-05-18"


@pytest.mark.parametrize(("code", "name", "ran"), [(None, "a", []), ("other", "a", ["a"]), (None, "b", ["a"])], ids=str)
def test_curves_come_from_a_record_of_the_same_settings_and_code(
    folder: Path, code: str | None, name: str, ran: list[str]
) -> None:
    asked = Counted("a", [])
    save(run_record(settings={"run": name}, code=code or entries.code(MODULES)))
    found = curves_of("induction", asked, MODULES)
    assert asked.ran == ran
    expected = ([0, 5, 7], 0.0) if not ran else ([0], 0.5)
    assert (found.steps, found.values["x" if ran else "W_O2"][0]) == expected
    assert found.final == {}


def test_curves_come_from_the_cache_first(folder: Path) -> None:
    asked = Counted("a", [])
    asked.run()
    save(run_record(settings={"run": "a"}, code=entries.code(MODULES)))
    assert curves_of("induction", asked, MODULES).values == {"x": [0.5]} and asked.ran == ["a"]


@dataclass(frozen=True)
class Preset:
    seeds: int
    T: int


PAPER = Preset(seeds=2, T=11)
ORDER = Values("ih.order", W_O2="a", W_K1="b")


def claims(asked: list[int]) -> list[PaperClaim]:
    def measure(setup: Preset, seed: int) -> dict[str, Any]:
        asked.append(seed)
        return ORDER(W_O2=10.0 + seed, W_K1=setup.T)

    return [PaperClaim(values=ORDER, measure=measure, module=MODULES[0], seeds=lambda setup: range(setup.seeds))]


@pytest.mark.parametrize(
    ("scale", "setup", "changes", "read"),
    [
        ("paper", PAPER, {}, True),
        ("laptop", PAPER, {}, False),
        ("paper", Preset(seeds=2, T=12), {}, False),
        ("paper", PAPER, {"code": "other"}, False),
        ("paper", PAPER, {"setup": {"seeds": 2, "T": 12}}, False),
        ("paper", PAPER, {"seed": 1}, False),
        ("paper", PAPER, {"setup": {"seeds": 2}}, True),
    ],
)
def test_a_claim_is_read_at_the_papers_scale_alone_and_only_as_it_is_now(
    folder: Path, monkeypatch: pytest.MonkeyPatch, scale: str, setup: Preset, changes: dict[str, Any], read: bool
) -> None:
    monkeypatch.setenv("MECHBOOK_SCALE", scale)
    save(claim_record(**{"code": entries.code(MODULES), **changes}))
    asked: list[int] = []
    found = claimed(claims(asked), ORDER, setup, PAPER)
    assert found["seeds"] == [0, 1] and asked == ([] if read else [0, 1])
    assert found["values"] == (
        claim_record().values if read else [{"W_O2": 10.0 + seed, "W_K1": setup.T} for seed in (0, 1)]
    )
    told = {"where": "Abacus 3 with TF32, 2031-05-17", "device": "Abacus 3", "seeds": [0, 1]}
    assert found.get("from_record") == (told if read else None)


@pytest.mark.parametrize("there", [[1], [0], [1, 7]])
def test_seeds_that_are_not_recorded_are_measured(
    folder: Path, monkeypatch: pytest.MonkeyPatch, there: list[int]
) -> None:
    monkeypatch.setenv("MECHBOOK_SCALE", "paper")
    rows = [{"W_O2": 0.5 + seed, "W_K1": 3} for seed in there]
    save(claim_record(code=entries.code(MODULES), seeds=there, values=rows))
    asked: list[int] = []
    found = claimed(claims(asked), ORDER, PAPER, PAPER)
    known = dict(zip(there, rows, strict=True))
    assert found["values"] == [known.get(seed, {"W_O2": 10.0 + seed, "W_K1": 11}) for seed in (0, 1)]
    assert asked == [seed for seed in (0, 1) if seed not in there]
    assert found["from_record"]["seeds"] == [seed for seed in (0, 1) if seed in there]
    # and so it is reported
    row = measurement(ORDER, device="cpu", **found)
    assert row["device"] == "Abacus 3, cpu"
    assert "1 of 2 seeds recorded on Abacus 3 with TF32, 2031-05-17" in as_text(row)


def test_a_report_is_read_for_seeds_it_has() -> None:
    with pytest.raises(ValueError, match=r"is read from a record for the seeds \[2\], and reported for \[0\]"):
        measurement("ih.x", values=[1.0], seeds=[0], from_record={"where": "", "device": "", "seeds": [2]})


def test_a_claim_that_is_not_listed_is_named() -> None:
    with pytest.raises(KeyError, match=r"ih\.other is not among the claims of recorded\.py"):
        claimed(claims([]), Values("ih.other", "x"), PAPER, PAPER)
