"""Reading arithmetic problems, prompting and scoring, on ten problems written for this test."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from mechbook.laser.data.gsm8k import Problem, exact_match, few_shot_prompt, predicted_answer, read_problems

# question, answer as the file has it, the steps as a prompt shows them, the number
TEN = [
    ("Ida has 3 pens and buys 4. How many pens has she?", "3 + 4 = <<3+4=7>>7 pens.\n#### 7", "3 + 4 = 7 pens.", "7"),
    ("A bus seats 52. How many fit in 3 buses?", "52 * 3 = <<52*3=156>>156.\n#### 156", "52 * 3 = 156.", "156"),
    ("A house costs $250,000 and rises by 10%. What does it cost?", "It rises by $25,000.\n#### 275,000",
     "It rises by $25,000.", "275000"),
    ("It was 2 degrees and fell by 5. How cold is it?", "2 - 5 = <<2-5=-3>>-3\n#### -3", "2 - 5 = -3", "-3"),
    ("Half of 7 litres is how much?", "7 / 2 = <<7/2=3.5>>3.5 litres\n#### 3.5", "7 / 2 = 3.5 litres", "3.5"),
    ("12 eggs, 5 break. How many are whole?", "12 - 5 = 7\nSo 7.\n#### 7", "12 - 5 = 7 So 7.", "7"),
    ("A ticket costs $4. What do 6 cost?", "6 tickets are $24.\n#### $24", "6 tickets are $24.", "24"),
    ("Ten boxes of 100 nails: how many nails?", "10*100=<<10*100=1000>>1000\n#### 1000", "10*100=1000", "1000"),
    ("Ali is 9, Bo is 4 years older. How old is Bo?", "9+4=<<9+4=13>>13\n#### 13", "9+4=13", "13"),
    ("20 sweets for 5 children: how many each?", "20/5=<<20/5=4>>4 sweets\n####4", "20/5=4 sweets", "4"),
]  # fmt: skip


def problems() -> list[Problem]:
    return [Problem(question=q, steps=steps, answer=Decimal(number)) for q, _, steps, number in TEN]


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_the_file_is_read_line_by_line(tmp_path: Path) -> None:
    """Oracle: the table, written by hand; annotations gone, commas and the dollar understood, blank lines skipped."""
    lines = [json.dumps({"question": q, "answer": a}) for q, a, _, _ in TEN]
    assert read_problems(written(tmp_path / "ten.jsonl", *lines[:5], "", *lines[5:])) == problems()


def test_the_prompt_is_the_one_written_out() -> None:
    """Oracle: the text, by hand."""
    assert few_shot_prompt(problems()[:2], "How many legs have 3 dogs?") == (
        "Question: Ida has 3 pens and buys 4. How many pens has she?\nAnswer: 3 + 4 = 7 pens. The answer is 7.\n\n"
        "Question: A bus seats 52. How many fit in 3 buses?\nAnswer: 52 * 3 = 156. The answer is 156.\n\n"
        "Question: How many legs have 3 dogs?\nAnswer:"
    )


@pytest.mark.parametrize(
    ("completion", "number"),
    [
        (" 3 + 4 = 7. The answer is 7.", "7"),
        (" The answer is 6. No: the sum is wrong. The answer is 7. Done in 2 steps.", "7"),
        (" The answer is $1,200.00, that is 12 hundreds.", "1200"),
        (" First 3, then 4, so 7", "7"),
        (" The answer is 7.\n\nQuestion: what is 5 and 6?\nAnswer: The answer is 11.", "7"),
        (" It fell to -3 degrees.", "-3"),
        (" That makes 3.50 in all.", "3.5"),
        (" The answer is 1,23.", "1"),
        (" The answer is seven.", None),
        ("", None),
    ],
)
def test_the_answer_of_a_completion(completion: str, number: str | None) -> None:
    """Oracle: by eye, as the docstring words it."""
    assert predicted_answer(completion) == (None if number is None else Decimal(number))


def test_scores_are_those_of_each_problem() -> None:
    """Oracle: right answers in another spelling, then one wrong at each place in turn."""
    right = [f" So. The answer is {p.answer:,}." for p in problems()]
    assert exact_match(right, problems()) == [True] * 10
    for place in range(10):
        wrong = [f" The answer is {p.answer + 1}." if i == place else right[i] for i, p in enumerate(problems())]
        assert exact_match(wrong, problems()) == [i != place for i in range(10)]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 2 is not JSON"),
        ('["question"]', "line 2 has no text under"),
        ('{"question": "?", "answer": 7}', "line 2 has no text under"),
        ('{"question": "?", "answer": "seven"}', "line 2: the answer does not end in '####' and a number"),
        ('{"question": "?", "answer": "7\\n#### seven"}', "line 2: the answer does not end in '####' and a number"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, words: str) -> None:
    """Oracle: the sentence."""
    good = json.dumps({"question": "1 + 1?", "answer": "#### 2"})
    with pytest.raises(ValueError, match=words):
        read_problems(written(tmp_path / "bad.jsonl", good, line))


def test_unpaired_completions_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    """Oracle: the sentence; the error of `open`."""
    with pytest.raises(ValueError, match="9 completions of 10 problems"):
        exact_match(["7"] * 9, problems())
    with pytest.raises(FileNotFoundError):
        read_problems(tmp_path / "none.jsonl")
