"""The table and the words that set this build's Figure 3 beside the paper's size: numbers made up, cells by hand."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from mechbook.noisy import two_sizes
from mechbook.noisy.experiments import DROP_F2
from mechbook.noisy.presets import LAPTOP, PAPER
from mechbook.noisy.runs import value_name
from mechbook.records import machine
from mechbook.records.kept import RunRecord

RECORD = RunRecord(
    name="noisy/main/0", settings={}, modules=(), code="", steps=[], values={}, final={}, seconds=1.0,
    machine=machine.here(),
)  # fmt: skip
DROPPED = value_name("correct", DROP_F2)


def ends(correct: float, low_rank: float = 0.5, **others: float) -> dict[str, float]:
    """The ends of a run: 0.25 but for what is named."""
    found = {name: 0.25 for name, _ in two_sizes.MEASURED.values()}
    return found | {DROPPED: correct, two_sizes.LOW_RANK: low_rank} | others


def test_a_row_has_the_means_of_each_kind_of_run_and_the_paper_s_number() -> None:
    """Oracle: the means in one's head; the paper's two numbers, P(noise) 0.5 whole and P(correct) 0.98 without F2."""
    rows = {row[0]: row[1:] for row in two_sizes.rows([ends(0.9), ends(0.8)], [], [ends(0.98765)])}
    small = two_sizes.rows([ends(0.0000834)], [], [])
    assert small[2][1] == "0.0000834 (one run)"
    assert rows["P(correct) without $F_2$"] == ["0.85 ± 0.07", "not recorded", "0.988 (one run)", "0.98"]
    assert rows["P(noise), full model"] == ["0.25 ± 0", "not recorded", "0.25 (one run)", "0.5"]
    assert [cells[-1] for cells in rows.values()].count("") == len(rows) - 2
    assert two_sizes.rows([ends(0.9)], [ends(0.7)], [])[2][1:] == [
        "0.9 (one run)", "0.7 (one run)", "not recorded", "0.98",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("middle", "said"),
    [
        (0.98, "most of it is training"),
        (0.91, "most of it is size"),
        (0.95, "both have a part"),
        (0.89, "no higher than in this build"),
        (None, ""),
    ],
)
def test_the_words_say_what_the_numbers_do(middle: float | None, said: str) -> None:
    """Oracle: which third of the way from 0.9 to 0.99 the run of this size with the paper's training goes."""
    text = two_sizes.why([ends(0.9)], [] if middle is None else [ends(middle)], [ends(0.99)], LAPTOP, PAPER)
    assert "P(correct) ends at 0.990, in this build at 0.900" in text and said in text
    others = {"most of it is training", "most of it is size", "both have a part", "no higher"} - {said}
    others -= {"no higher"} if middle == 0.89 else set()
    assert not any(other in text for other in others)
    assert "does as well as no" not in text
    if middle is not None and middle > 0.9:
        assert f"it ends at {middle:.3f}: {(middle - 0.9) / 0.09:.0%} of the difference" in text


def test_nothing_is_said_that_the_numbers_do_not_say() -> None:
    assert two_sizes.why([ends(0.9)], [], [], LAPTOP, PAPER) == ""
    alike = two_sizes.why([ends(0.93)], [ends(0.98)], [ends(0.94, low_rank=0.96)], LAPTOP, PAPER)
    assert "cleaner" not in alike and "difference" not in alike and "does as well as no $F_2$" in alike


def test_sizes_are_those_of_the_settings() -> None:
    text = two_sizes.why([ends(0.9)], [], [ends(0.99)], LAPTOP, PAPER)
    numbers: Mapping[str, int] = {"d": 256, "T": 256, "steps": 2000, "batch": 512}
    assert all(str(number) in text for number in numbers.values())
    assert f"{LAPTOP.steps} with {LAPTOP.batch}" in text and f"{LAPTOP.d} and {LAPTOP.T}" in text


def test_a_swing_is_told_where_most_predictions_leave_the_noise() -> None:
    """Oracle: the smallest of the early shares, by eye; what comes before step 2 and after step 20 does not count."""

    def run(*shares: float) -> RunRecord:
        return replace(RECORD, steps=[0, 1, 2, 6, 20, 30], values={"noise_first": list(shares)})

    assert two_sizes.swing([]) == "" == two_sizes.swing([run(0.0, 0.0, 1.0, 0.6, 1.0, 0.1)])
    told = two_sizes.swing([run(0.0, 0.0, 1.0, 0.1, 1.0, 0.0), run(0.0, 0.0, 1.0, 0.3, 0.9, 0.0)])
    assert "at step 6 it is the first choice of 20%" in told


def test_what_is_missing_comes_after_attention_where_that_is_whole() -> None:
    """Oracle: attention of 0.25, which explains it, and of 0.98; a run that misses nothing."""
    text = {
        attention: two_sizes.why([ends(0.9)], [ends(correct, attention_correct=attention)], [ends(0.99)], LAPTOP, PAPER)
        for attention, correct in ((0.25, 0.9), (0.98, 0.9), (0.99, 0.98))
    }
    assert ["value matrix" in said for said in text.values()] == [False, True, False]
    assert "ends at 0.980 there, too" in text[0.98] and f"share {LAPTOP.d} dimensions" in text[0.98]


def test_a_recorded_number_says_of_how_many_runs_it_is() -> None:
    assert two_sizes.in_words([]) == "(not recorded here)"
    runs = [replace(RECORD, final=ends(correct)) for correct in (0.9, 0.95)]
    assert two_sizes.in_words(runs[:1]) == "0.900 (1 recorded run)"
    assert two_sizes.in_words(runs) == "0.925 (2 recorded runs)"
