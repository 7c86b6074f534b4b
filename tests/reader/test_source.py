"""What a chapter shows of the package is its source, line by line. Oracle: `inspect`, and a small package by hand."""

import inspect
import textwrap
from pathlib import Path

import pytest

from mechbook.core.streams import Streams
from mechbook.core.training.plain import train_plainly
from mechbook.reader import source as module
from mechbook.reader.source import MIME, excerpt, grouped, source

TEXT = '''"""Toy."""

from functools import cache

SIZES: tuple[int, ...] = (
    1,
    2,
)


@cache
def f(x):
    """Double."""
    return 2 * x


class A(dict):
    """A thing."""

    def g(self):
        return 1

    @property
    def h(self):
        return 2
'''


@pytest.fixture
def package(tmp_path: Path) -> Path:
    (tmp_path / "toy" / "sub").mkdir(parents=True)
    (tmp_path / "toy" / "sub" / "m.py").write_text(TEXT)
    return tmp_path / "toy"


def test_a_function_is_shown_with_its_decorators(package: Path) -> None:
    found = excerpt(["toy.sub.m:f"], package=package)
    assert found.text == '@cache\ndef f(x):\n    """Double."""\n    return 2 * x'
    assert (found.file, found.first, found.last) == ("toy/sub/m.py", 11, 14)


def test_a_value_is_shown_whole(package: Path) -> None:
    found = excerpt(["toy.sub.m:SIZES"], package=package)
    assert found.text == "SIZES: tuple[int, ...] = (\n    1,\n    2,\n)"


def test_methods_stand_under_their_class(package: Path) -> None:
    found = excerpt(["toy.sub.m:A.g", "toy.sub.m:A.h"], package=package)
    assert found.text == (
        "class A(dict):\n    ...\n\n    def g(self):\n        return 1\n\n"
        "    @property\n    def h(self):\n        return 2"
    )
    assert (found.first, found.last) == (20, 25)


def test_what_is_left_out_of_a_class_is_marked(package: Path) -> None:
    head, g = "class A(dict):\n    ...", "    def g(self):\n        return 1"
    h = "    @property\n    def h(self):\n        return 2"
    (package / "sub" / "m.py").write_text(TEXT + "\n    def k(self):\n        return 3\n")
    k = "    def k(self):\n        return 3"
    for names, parts in (
        (["g"], [head, g, "    ..."]),
        (["h"], [head, h, "    ..."]),
        (["k"], [head, k]),
        (["g", "h"], [head, g, h, "    ..."]),
        (["g", "k"], [head, g, "    ...", k]),
    ):
        found = excerpt([f"toy.sub.m:A.{name}" for name in names], package=package)
        assert found.text == "\n\n".join(parts), names


def test_neighbouring_methods_of_a_class_are_one_excerpt() -> None:
    assert grouped(["m:A.g", "m:A.h", "m:f", "m:A.g", "m:B.g"]) == [["m:A.g", "m:A.h"], ["m:f"], ["m:A.g"], ["m:B.g"]]


@pytest.mark.parametrize("name", ["toy.sub.m:absent", "toy.sub.m:A.absent"])
def test_a_name_that_is_not_there_is_refused(package: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"^'toy\.sub\.m:.*absent' cannot be shown: the module has no 'absent'\.$"):
        excerpt([name], package=package)


def test_what_is_not_of_the_package_is_refused() -> None:
    with pytest.raises(ValueError, match=r"is not in the package: names are such as"):
        source(textwrap.dedent)
    with pytest.raises(ValueError, match=r"cannot be shown: give a function, a class, a method, or 'module:name'\.$"):
        source(lambda x: x)


def test_the_page_gets_names_and_the_notebook_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[dict] = []
    monkeypatch.setattr(module, "display", lambda data, raw: shown.append(data))
    source(train_plainly, Streams.generator)
    data = shown[0]
    names = ["mechbook.core.training.plain:train_plainly", "mechbook.core.streams:Streams.generator"]
    assert data[MIME] == {"names": names}
    assert inspect.getsource(train_plainly).strip() in data["text/markdown"]
    assert "class Streams(Mapping[str, tuple[int, ...]]):\n    ...\n\n    def generator" in data["text/plain"]
