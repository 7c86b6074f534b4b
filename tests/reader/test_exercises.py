"""Exercise checkers: the oracle is the sentence that a reader should see for each kind of answer."""

from typing import Any

import pytest
import torch

from mechbook.reader.exercises import Exercise, Verifier, function, number, tensor

MATRIX = torch.arange(15, dtype=torch.float32).reshape(3, 5)
SQUARE = torch.arange(9, dtype=torch.float32).reshape(3, 3)


def said(verify: Verifier, answer: Any, capsys: pytest.CaptureFixture[str]) -> str:
    Exercise("Exercise 3.1", verify).check(answer)
    told = capsys.readouterr().out
    assert told.startswith("Exercise 3.1: ") and told.count("\n") == 1
    return told.removeprefix("Exercise 3.1: ").strip()


@pytest.mark.parametrize("verify", [number(1.0, tolerance=0.1), tensor(MATRIX), function(torch.sin, [(MATRIX,)])])
def test_no_answer_is_not_answered_yet(verify: Verifier, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(verify, None, capsys) == "not answered yet."


WRONG = "not right yet. "


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (0.25, "right."),
        (0.2501, "right."),
        (torch.tensor(0.25), "right."),
        (torch.tensor([0.25]), "right."),
        (0.5, WRONG + "0.5 is too large."),
        (0, WRONG + "0 is too small."),
        (4.0, WRONG + "That is 1/p: the probability is wanted."),
        (float("nan"), WRONG + "nan is not a finite number."),
        ("a quarter", WRONG + "A number is wanted, not str 'a quarter'."),
        (True, WRONG + "A number is wanted, not bool True."),
        ([0.25], WRONG + "A number is wanted, not list."),
        (MATRIX, WRONG + "A number is wanted, not a tensor of shape (3, 5)."),
    ],
)
def test_numbers(answer: Any, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    verify = number(0.25, tolerance=1e-3, mistakes={"That is 1/p: the probability is wanted.": 4.0})
    assert said(verify, answer, capsys) == words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (MATRIX.clone(), "right."),
        (MATRIX.double() + 1e-6, "right."),
        (MATRIX.clone().requires_grad_(), "right."),
        (MATRIX[:2], WRONG + "Its shape is (2, 5), where (3, 5) (query, key) is wanted."),
        (
            MATRIX.T,
            WRONG + "Its shape is (5, 3), where (3, 5) (query, key) is wanted. The axes are the other way round.",
        ),
        (MATRIX / 0, WRONG + "It has entries that are not finite."),
        (0.5, WRONG + "A tensor is wanted, not float."),
    ],
)
def test_tensors(answer: Any, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(tensor(MATRIX, axes=("query", "key")), answer, capsys) == words


def test_the_worst_entry_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    answer = MATRIX.clone()
    answer[0, 1] += 0.5
    answer[2, 3] -= 2.0
    words = "2 of 15 entries differ; the most at query 2, key 3, where it is 11, off by 2."
    assert said(tensor(MATRIX, axes=("query", "key")), answer, capsys) == WRONG + words
    assert "at index (2, 3)," in said(tensor(MATRIX), answer, capsys)


def test_a_square_matrix_transposed_is_recognised(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(tensor(SQUARE), SQUARE.T, capsys) == WRONG + "It is the transpose of what is wanted."


def test_a_tensor_without_axes_is_off_by_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(tensor(torch.tensor(2.0)), torch.tensor(2.5), capsys) == WRONG + "It is 2.5, off by 0.5."


def softmax(x: torch.Tensor) -> torch.Tensor:
    return x.softmax(dim=-1)


def in_place(x: torch.Tensor) -> torch.Tensor:
    return x.sub_(x.amax(dim=-1, keepdim=True)).exp_().div_(x.sum(dim=-1, keepdim=True))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (softmax, "right."),
        (in_place, "right."),
        (lambda x: x.softmax(dim=0), "Called with a tensor of shape (3, 5): 15 of 15 entries differ"),
        (lambda x: x[:2], "Its shape is (2, 5), where (3, 5) is wanted."),
        (lambda x: None, "Called with a tensor of shape (3, 5) it returns nothing."),
        (lambda x: x @ x, "Called with a tensor of shape (3, 5) it raises RuntimeError"),
        (lambda: MATRIX, "it raises TypeError"),
        (MATRIX, "A function is wanted, not a tensor of shape (3, 5)."),
    ],
)
def test_functions(answer: Any, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    matrix, square = MATRIX.clone(), SQUARE.clone()
    assert words in said(function(softmax, [(matrix,), (square,)]), answer, capsys)
    # Whatever the reader's function does in place, the next try starts from the same case.
    assert torch.equal(matrix, MATRIX) and torch.equal(square, SQUARE)


def test_every_case_is_tried(capsys: pytest.CaptureFixture[str]) -> None:
    verify = function(lambda n: 2 * n, [(0,), (1,)], tolerance=0.0)
    assert said(verify, lambda n: n, capsys) == WRONG + "Called with 1: 1 is too small."


def test_a_verifier_of_one_s_own_may_raise_and_check_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    def verify(answer: Any) -> str | None:
        return None if answer["x"] == 1 else "x is to be 1."

    assert said(verify, {"x": 1}, capsys) == "right."
    assert said(verify, {"x": 2}, capsys) == WRONG + "x is to be 1."
    assert said(verify, {}, capsys) == WRONG + "Checking it raises KeyError: 'x'"


def test_a_right_solution_is_confirmed(capsys: pytest.CaptureFixture[str]) -> None:
    Exercise("Exercise 3.2", number(0.25, tolerance=1e-3)).solution(0.25)
    assert capsys.readouterr().out == "Exercise 3.2: right.\n"


@pytest.mark.parametrize(("answer", "words"), [(0.5, "0.5 is too large"), (None, "not answered yet")])
def test_a_wrong_solution_fails_the_build(answer: float | None, words: str) -> None:
    with pytest.raises(ValueError, match=f"The solution of Exercise 3.2 is wrong: .*{words}"):
        Exercise("Exercise 3.2", number(0.25, tolerance=1e-3)).solution(answer)
