"""Every public function that needs no trained model, on what somebody might give it by mistake.

A call returns finite numbers, of the shape that its annotation says (jaxtyping checks it), or raises ValueError with
one sentence; nothing else. Oracle: those rules, the docstrings where they say more, and bounds such as 0 and 1.
"""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import chapters, memories, pages
from tests.fuzz.arguments import Case, Drawn, arguments, wrong
from tests.fuzz.conftest import MANY
from tests.fuzz.made import MADE


def marked(each: Case) -> Any:
    """A case as pytest takes it: one that fails must fail, with its reason."""
    marks = [pytest.mark.xfail(reason=each.fails, strict=True)] if each.fails else []
    return pytest.param(each, id=str(each), marks=marks)


CASES = [marked(each) for each in (*chapters.ALL, *memories.ALL, *pages.ALL)]


@given(data=st.data())
def tried(each: Case, data: st.DataObject) -> None:
    """One call."""
    values = arguments(Drawn(data.draw, each.axes, each.least), each, MADE)
    assert wrong(each, values) == "", f"{each} of {values}"


@pytest.mark.parametrize("each", CASES)
def test_a_call_returns_numbers_or_says_what_is_wrong(each: Case) -> None:
    tried(each)


@pytest.mark.slow
@pytest.mark.parametrize("each", CASES)
def test_many_calls_do(each: Case) -> None:
    settings(max_examples=MANY)(tried)(each)
