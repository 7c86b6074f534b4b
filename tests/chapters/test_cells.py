"""The reader of cells, on cells whose effects are seen by eye."""

import pytest

from tests.chapters.cells import bound, changed_in_place, modules, twice_bound
from tests.chapters.rerun import plain


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("a = b", "a"),
        ("a, (b, *c) = d", "a b c"),
        ("a += 1", "a"),
        ("a: int = 1", "a"),
        ("for i in x:\n    j = i", "i j"),
        ("with f() as g:\n    pass", "g"),
        ("if x:\n    y = 1", "y"),
        ("import a.b, c as d\nfrom e import f as g", "a d g"),
        ("def f(x):\n    y = x", "f"),
        ("class A:\n    b = 1", "A"),
        ("[i for i in x]", ""),
        ("[(y := i) for i in x]", "y"),
        ("def f():\n    global z\n    z = 1", "f z"),
        ("del a", "a"),
        ("a.b = 1\nc[0] = 2", ""),
        ("lambda q: q", ""),
        ("%matplotlib inline\na = 1", "a"),
    ],
)
def test_what_a_cell_binds(cell: str, names: str) -> None:
    assert bound(cell) == set(names.split())


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("table[0] = 1", "table"),
        ("runs.values['a'] += 1", "runs"),
        ("table.update(x)", "table"),
        ("model.weight.data.add_(1)", "model"),
        ("def f():\n    lines.append(1)", "lines"),
        ("del table[0]", "table"),
        ("lines = []\nlines.append(1)", ""),
        ("def f(lines):\n    lines.append(1)", ""),
        ("def f():\n    lines = []\n    lines.append(1)", ""),
        ("ax.set(xlabel=1)", ""),
        ("print(a.b, c[0])", ""),
        ("x.__enter__()", ""),
    ],
)
def test_what_a_cell_changes_that_another_made(cell: str, names: str) -> None:
    assert changed_in_place(cell) == set(names.split())


def test_a_module_is_no_global_that_changes() -> None:
    """`np.sort(x)` sorts a copy, `lines.sort()` the list itself."""
    assert changed_in_place("np.sort(x)\nlines.sort()") - modules(["import numpy as np", "lines = []"]) == {"lines"}


def test_names_that_two_cells_bind_are_found_with_their_cells() -> None:
    assert twice_bound(["a = 1", "b = 2", "for a in x: pass", "c = a"]) == {"a": [0, 2]}


def test_outputs_are_compared_by_what_they_show() -> None:
    """Pieces of a stream, addresses and widgets' ids differ from run to run; words and pictures do not."""
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "Widget(1)"}
    stream = {"output_type": "stream", "name": "stdout"}
    one = [{**stream, "text": "a"}, {**stream, "text": "b"}, {"output_type": "display_data", "data": view}]
    other_view = {"application/vnd.jupyter.widget-view+json": {"model_id": "2"}, "text/plain": "Widget(2)"}
    two = [{**stream, "text": "ab"}, {"output_type": "display_data", "data": other_view}]
    assert plain(one) == plain(two)
    shown = {"output_type": "display_data", "data": {"text/plain": "<f at 0x7f3a5b6c>"}}
    again = {"output_type": "display_data", "data": {"text/plain": "<f at 0x7f3a5b6d>"}}
    assert plain([shown]) == plain([again])
    assert plain([shown]) != plain([{"output_type": "display_data", "data": {"text/plain": "<g at 0x7f3a5b6c>"}}])
