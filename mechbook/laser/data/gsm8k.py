"""Grade-school arithmetic (GSM8K, Cobbe et al. 2021): reader, few-shot prompt, and exact-match scoring.

GSM8K's files are not part of this book; what is read here has their form, one JSON object in a line:

    {"question": "Tom has 3 apples and buys 4. How many has he?", "answer": "He has 3 + 4 = <<3+4=7>>7.\\n#### 7"}

The number after "####" is the answer; <<...>> are annotations for a calculator, which prompts leave out.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

# digits grouped by commas are one number; groups of another length are not
_NUMBER = re.compile(r"-?\$?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|-?\$?\.\d+")
_FINAL = "####"


@dataclass(frozen=True)
class Problem:
    """A question, the steps that lead to the answer, and the answer, a number."""

    question: str
    steps: str
    answer: Decimal


def read_problems(path: Path) -> list[Problem]:
    """Read a JSONL file of problems; blank lines are skipped.

    ValueError, with the line's number, for a line that is no such object or whose answer ends in no number.
    FileNotFoundError where there is no file.
    """
    problems = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                problems.append(_problem(line, f"{path.name}, line {number}"))
    return problems


def few_shot_prompt(examples: Sequence[Problem], question: str) -> str:
    """Return the prompt: each example with its steps and "The answer is 7.", then the question, up to "Answer:"."""
    shots = [f"Question: {e.question}\nAnswer: {e.steps} The answer is {e.answer:f}.\n\n" for e in examples]
    return "".join(shots) + f"Question: {question.strip()}\nAnswer:"


def predicted_answer(completion: str) -> Decimal | None:
    """Return the number that a completion of `few_shot_prompt` gives, or None where it gives none.

    Only the text before the next "Question:" counts. It is the first number after its last "The answer is", else the
    last number there is.
    """
    text = completion.split("Question:")[0]
    _, marker, rest = text.rpartition("The answer is")
    numbers = _NUMBER.findall(rest if marker else text)
    if not numbers:
        return None
    return _value(numbers[0] if marker else numbers[-1])


def exact_match(completions: Sequence[str], problems: Sequence[Problem]) -> list[bool]:
    """Whether each completion gives its problem's answer, as a number: "1,200.00" is 1200. ValueError unless paired."""
    if len(completions) != len(problems):
        raise ValueError(f"there are {len(completions)} completions of {len(problems)} problems; give one for each.")
    return [predicted_answer(text) == problem.answer for text, problem in zip(completions, problems, strict=True)]


def _problem(line: str, place: str) -> Problem:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{place} is not JSON: {error}.") from error
    if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in ("question", "answer")):
        raise ValueError(f"{place} has no text under 'question' and 'answer'.")
    steps, marker, final = row["answer"].rpartition(_FINAL)
    number = final.strip()
    if not marker or not _NUMBER.fullmatch(number):
        raise ValueError(f"{place}: the answer does not end in '{_FINAL}' and a number.")
    plain = re.sub(r"<<[^>]*>>", "", steps)
    return Problem(question=row["question"].strip(), steps=" ".join(plain.split()), answer=_value(number))


def _value(number: str) -> Decimal:
    return Decimal(number.replace(",", "").replace("$", ""))
