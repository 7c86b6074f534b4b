"""The package's reference. Oracle: Python's own `inspect` of imported modules, and texts written by hand."""

import ast
import importlib
import inspect
import re
from types import SimpleNamespace
from typing import Any

import pytest
from docutils import nodes

from mechbook.site.layers import ALLOWED
from mechbook.site.reference import PACKAGE, aimed, arguments, described, linked, module, signature
from tests.site_build.conftest import ROOT

MODULES = ("mechbook.core.presets", "mechbook.noisy.probes", "mechbook.laser.edits", "mechbook.reader.tables")


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_is_there_with_its_line_and_its_docstring(name: str) -> None:
    path = ROOT / (name.replace(".", "/") + ".py")
    env: Any = SimpleNamespace()
    (section,) = module(path, env)
    live = importlib.import_module(name)
    own = {
        key: value
        for key, value in vars(live).items()
        if not key.startswith("_")
        and getattr(value, "__module__", "") == name
        and inspect.getsourcefile(live)
        and (inspect.isclass(value) or inspect.isfunction(value))
    }
    text = section.astext()
    for key, value in own.items():
        first = inspect.getsource(value).splitlines()
        line = inspect.getsourcelines(value)[1] + next(i for i, words in enumerate(first) if key in words)
        assert f"{key} · line {line}" in text, key
        said = re.sub(r"[\s`]+", "", (inspect.getdoc(value) or "").split("\n\n")[0])
        assert said in re.sub(r"[\s`]+", "", text), key
    assert len([node for node in section.findall(nodes.container) if "mb-api" in node["classes"]]) == len(own)
    assert linked(env) == {path.relative_to(PACKAGE.parent).as_posix()}


def test_a_signature_is_the_function_s() -> None:
    text = "def f(a: int, /, b='x', *c, d: 'B T' = 3, **e) -> dict[str, int]: ..."
    node: Any = ast.parse(text).body[0]
    assert signature(node) == "f(a: int, /, b='x', *c, d: 'B T'=3, **e) -> dict[str, int]"
    assert arguments(node.args) == ["a: int", "/", "b='x'", "*c", "d: 'B T'=3", "**e"]
    wide: Any = ast.parse(f"def g({', '.join(f'argument_{i}' for i in range(9))}, *, k=1): ...").body[0]
    assert signature(wide).splitlines()[-3:] == ["    *,", "    k=1,", ")"]
    kind: Any = ast.parse("@dataclass\nclass C(B):\n    'Doc.'\n    x: int = 1\n    _y: int = 2\n    z = 3").body[0]
    assert signature(kind) == "class C(B)\n    x: int = 1"


def test_a_docstring_s_parts() -> None:
    text = "What `it` is,\nand more.\n\nx: one\ny, z: two\n    and on\n\n    code()\n        more"
    first, second, third = described(text)
    assert isinstance(described("Followed: every import.")[0], nodes.paragraph)
    assert isinstance(described("A cache of runs: one each.")[0], nodes.paragraph)
    assert first.astext() == "What it is, and more." and len(list(first.findall(nodes.literal))) == 1  # type: ignore[attr-defined]
    assert [item.astext() for item in second.children] == ["x: one", "y, z: two and on"]
    assert isinstance(third, nodes.literal_block) and third.astext() == "code()\n    more"


def test_an_example_is_code_and_what_follows_it_is_prose() -> None:
    """Oracle: the blocks by eye; a line that only looks like code, and a word that is a name, are prose."""
    text = 'x = f("a")    # call\nwith g(x) as y:\n    y\nThen it is done.\n\na = b + c holds.\n\nnothing'
    example, rest, formula, word = described(text)
    assert isinstance(example, nodes.literal_block) and isinstance(rest, nodes.paragraph)
    assert example.astext() == 'x = f("a")    # call\nwith g(x) as y:\n    y'
    assert rest.astext() == "Then it is done." and formula.astext() == "a = b + c holds."
    assert isinstance(word, nodes.paragraph)


def test_links_lead_to_the_file_s_page_or_to_its_text() -> None:
    shown, here = {"mechbook/core/presets.py": {"book/01"}}, "book/reference/core"
    assert aimed("mechbook/core/presets.py", 7, shown, here) == "../../code/mechbook/core/presets.html#L7"
    assert aimed("mechbook/core/streams.py", 7, shown, here) == "../../code/mechbook/core/streams.py.txt"


def test_every_folder_but_those_of_commands_has_its_page_in_the_appendix() -> None:
    pages = {path.stem for path in (ROOT / "book" / "reference").glob("*.md")}
    assert pages == set(ALLOWED) - {"site", "paper"}
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    index = (ROOT / "book" / "reference.md").read_text(encoding="utf-8")
    for page in pages:
        text = (ROOT / "book" / "reference" / f"{page}.md").read_text(encoding="utf-8")
        assert f"```{{package-reference}} {page}\n" in text and f"book/reference/{page}\n" in toc
        assert f"{{doc}}`reference/{page}`" in index
