"""The rule of imports, held to the package itself and to small ones that break it."""

from pathlib import Path

import pytest

from mechbook.core.cache.closure import PACKAGE
from mechbook.site.layers import ALLOWED, THEMES, breaches, check_chapter, imports


def test_the_package_keeps_the_rule() -> None:
    assert breaches() == []


def test_every_folder_has_its_place() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert folders == set(ALLOWED)
    assert {pair[0] for pair in imports()} <= folders


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    for folder in ALLOWED:
        (tmp_path / "mechbook" / folder).mkdir(parents=True)
        (tmp_path / "mechbook" / folder / "__init__.py").write_text("")
    return tmp_path / "mechbook"


@pytest.mark.parametrize(
    ("file", "line", "said"),
    [
        (
            "noisy/model.py",
            "from mechbook.induction.runs import steps_to",
            "mechbook/noisy/model.py imports mechbook.induction: move what both need to mechbook/shared.",
        ),
        (
            "noisy/theory/flow.py",
            "def f():\n    from ...facts import task",
            "mechbook/noisy/theory/flow.py imports mechbook.facts: move what both need to mechbook/shared.",
        ),
        (
            "core/settings.py",
            "import mechbook.site.build",
            "mechbook/core/settings.py imports mechbook.site: core may import nothing of the package.",
        ),
        (
            "noisy/widgets/noise.js",
            'import { x } from "../../widgets/kit.js";\nimport {\n  y,\n} from "../../hops/widgets/model.js";',
            "mechbook/noisy/widgets/noise.js imports mechbook.hops: move what both need to mechbook/shared.",
        ),
        (
            "widgets/base.py",
            "from mechbook.hops import model",
            "mechbook/widgets/base.py imports mechbook.hops: widgets may import core, reader.",
        ),
    ],
)
def test_a_planted_import_is_found(toy: Path, file: str, line: str, said: str) -> None:
    (toy / file).parent.mkdir(exist_ok=True)
    (toy / file).write_text(line)
    assert breaches(toy) == [said]


def test_what_is_allowed_is_no_breach(toy: Path) -> None:
    (toy / "noisy" / "model.py").write_text("from mechbook.shared import bigrams\nfrom mechbook.noisy import task\n")
    assert breaches(toy) == []


@pytest.mark.parametrize(
    "cell", ["from mechbook.induction.runs import x", "import mechbook.induction", "from mechbook import induction"]
)
def test_a_chapter_that_imports_another_themes_inside_is_refused(cell: str) -> None:
    for number, theme in enumerate(THEMES, 1):
        if theme == "induction":
            check_chapter(number, [cell])
            continue
        with pytest.raises(ValueError, match=rf"^The chapter imports mechbook\.induction.*mechbook\.{theme}, or"):
            check_chapter(number, ["%matplotlib inline", "this is not Python", cell])


def test_a_chapter_imports_what_all_share() -> None:
    check_chapter(4, ["from mechbook.shared.bigrams import sample\nfrom mechbook.core import settings\nimport numpy"])
