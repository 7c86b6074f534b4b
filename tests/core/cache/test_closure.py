"""The closure of a small package whose imports are known."""

from pathlib import Path

import pytest

from mechbook.core.cache.closure import PACKAGE, digest, module_closure

FILES = {
    "__init__.py": "",
    "a.py": "import math\nimport toy.b\nimport toyish\n",
    "b.py": "from toy.sub import deep\n",
    "c.py": "def f():\n    from .sub.other import g\n    return g\n",
    "lonely.py": "import toy.a\n",
    "cycle.py": "from toy import cycle2\n",
    "cycle2.py": "import toy.cycle as name\n",
    "notes.txt": "",
    "sub/__init__.py": "from . import shown\n",
    "sub/deep.py": "from ..leaf import value\n",
    "sub/shown.py": "",
    "sub/other.py": 'NAME = "table.csv"\nTWO = "tables/two.csv"\nOUT = "../notes.txt"\nPROSE = "see\\ntable.csv"\n',
    "sub/table.csv": "",
    "sub/unused.csv": "",
    "sub/tables/two.csv": "",
    "leaf.py": 'value = "notes.txt" + "x" * 999\n',
}


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "toy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return (tmp_path / "toy").resolve()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["toy"], "__init__.py"),
        (["toy.leaf"], "__init__.py leaf.py notes.txt"),
        (["toy.a"], "__init__.py a.py b.py leaf.py notes.txt sub/__init__.py sub/deep.py sub/shown.py"),
        (
            ["toy.c"],
            "__init__.py c.py sub/__init__.py sub/other.py sub/shown.py sub/table.csv sub/tables/two.csv",
        ),
        (["toy.cycle"], "__init__.py cycle.py cycle2.py"),
        (["toy.cycle2", "toy.leaf"], "__init__.py cycle.py cycle2.py leaf.py notes.txt"),
    ],
)
def test_the_closure_is_what_the_imports_reach(toy: Path, names: list[str], expected: str) -> None:
    found = module_closure(names, package=toy)
    assert [path.relative_to(toy).as_posix() for path in found] == expected.split()


@pytest.mark.parametrize("name", ["toy.absent", "other", "toy.notes", "toy..a", ""])
def test_a_name_that_is_no_module_is_refused(toy: Path, name: str) -> None:
    with pytest.raises(ValueError, match=rf"^'{name}' is not a module of toy; names are such as 'toy.training'"):
        module_closure([name], package=toy)


def test_the_shakespeare_data_file_belongs_to_its_module() -> None:
    found = {path.relative_to(PACKAGE).as_posix() for path in module_closure(["mechbook.shared.bigrams"])}
    assert {"shared/bigrams.py", "shared/shakespeare.py", "shared/tinyshakespeare_counts.json"} <= found
    assert not any(name.startswith(("core/training", "induction", "noisy", "shared/simplified")) for name in found)


CODE = """\"\"\"What it is.\"\"\"
import math


class A:
    \"\"\"A thing.\"\"\"

    x: int = 1

    def f(self, y: int) -> int:
        \"\"\"Add.\"\"\"
        return self.x + y  # a sum


def only_words():
    \"\"\"Nothing yet.\"\"\"
"""


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ("# a sum", "# the sum", False),
        ("  # a sum", "", False),
        ("Add.", "Add two numbers.", False),
        ("What it is.", "What else it is.", False),
        ("A thing.", "A.", False),
        ("Nothing yet.", "Still nothing.", False),
        ("return self.x + y", "return (\n            self.x\n            + y\n        )", False),
        ("\n\n\nclass A", "\nclass A", False),
        ("self.x + y", "y + self.x", True),
        ("x: int = 1", "x: int = 2", True),
        ("x: int = 1", "x: float = 1", True),
        ("import math", "import cmath", True),
        ("def f(self, y", "def g(self, y", True),
        ("        return", '        """Twice."""\n        return', True),
    ],
)
def test_the_digest_is_of_what_a_module_decides(tmp_path: Path, old: str, new: str, changes: bool) -> None:
    """Comments, docstrings and lines broken elsewhere are words; a string in second place is a statement."""
    path = tmp_path / "m.py"
    path.write_text(CODE)
    before = digest(path)
    assert old in CODE
    path.write_text(CODE.replace(old, new))
    assert (digest(path) != before) is changes


def test_the_digest_of_data_is_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1,2\n")
    before = digest(path)
    path.write_text("1,2\n\n")
    assert digest(path) != before
