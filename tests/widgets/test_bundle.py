"""The bundle of the widgets' scripts, and what checks them. Oracle: the sources, and faults planted in a copy."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mechbook.core import npm
from mechbook.site import lint
from mechbook.widgets import bundle
from tests.browser.browser import library_page

ROOT = Path(__file__).resolve().parents[2]
NPM = ("package.json", "package-lock.json", ".npmrc")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A project with the scripts of this one and npm's packages."""
    for name in (*NPM, "tsconfig.json", "eslint.config.cjs"):
        shutil.copy(ROOT / name, tmp_path / name)
    for path in [*ROOT.glob("mechbook/**/widgets/**/*.[jcdt]*s"), *ROOT.glob("mechbook/site/*.js")]:
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    packages = npm.modules(ROOT).parent
    (tmp_path / "_vendor").mkdir()
    (tmp_path / "_vendor" / packages.name).symlink_to(packages, target_is_directory=True)
    return tmp_path


def kept(project: Path) -> list[Path]:
    return sorted((project / "_vendor").glob("widgets-*.js"))


def test_what_is_kept_needs_no_node_and_a_change_makes_another(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadPoolExecutor(3) as pool:
        texts = list(pool.map(lambda _: bundle.library(copy), range(3)))
    assert len(set(texts)) == 1 and len(kept(copy)) == 1
    assert [path.name for path in (copy / "_vendor").iterdir() if path.name.startswith(".part")] == []
    with monkeypatch.context() as patch:
        patch.setattr(npm, "run", lambda *_: pytest.fail("a kept bundle was made again"))
        assert bundle.library(copy) == texts[0]
    script = copy / "mechbook/widgets/kit.js"
    script.write_text(script.read_text(encoding="utf-8").replace("mb-widget-title", "mb-other-title"), encoding="utf-8")
    assert "mb-other-title" in bundle.library(copy) and len(kept(copy)) == 2
    # where it was made is not in it
    assert str(copy) not in texts[0] and str(Path.home()) not in texts[0]


def test_an_error_in_a_script_is_told_in_esbuilds_words_and_not_kept(copy: Path) -> None:
    script = copy / "mechbook/widgets/runs.js"
    script.write_text('import { nothing } from "./kit.js";\nnothing();\n', encoding="utf-8")
    with pytest.raises(RuntimeError, match=r"cannot be bundled:[\s\S]*No matching export[\s\S]*nothing"):
        bundle.library(copy)
    assert kept(copy) == []


def test_outside_of_a_checkout_one_sentence_says_so(copy: Path) -> None:
    (copy / "package-lock.json").unlink()
    with pytest.raises(RuntimeError, match=r"^\S+ has no package-lock.json, .*: use the package from its checkout\.$"):
        bundle.library(copy)


def test_without_npm_and_without_pypi_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: str) -> Any:
        raise ModuleNotFoundError

    monkeypatch.setattr(npm.shutil, "which", lambda _: None)
    monkeypatch.setattr(npm, "distribution", none)
    monkeypatch.setattr(npm.sys, "executable", "false")
    with pytest.raises(RuntimeError, match="There is no npm, and pip could not bring one: install Node.js"):
        npm.run("esbuild/bin/esbuild", [])


def test_evaluated_twice_it_is_one_library(browser: Any) -> None:
    """As in JupyterLab, where each widget may bring it, beside a page's own."""
    with library_page(browser) as page:
        found = page.evaluate(
            """(text) => {
              const first = mechbook;
              (0, eval)(text);
              return [mechbook !== first, mechbook.version === first.version, text.includes(`"${mechbook.version}"`),
                Object.keys(mechbook.widgets).length, Object.keys(globalThis).filter((key) => /BOOK/.test(key))];
            }""",
            bundle.library(),
        )
    assert found == [True, True, True, 20, []]


def test_lint_finds_what_is_planted_and_says_nothing_of_what_is_there(copy: Path) -> None:
    assert lint.problems(copy) == ""
    for name, planted in (
        ("facts/widgets/tradeoff.js", "export const wrong = count('many');\n"),
        ("hops/widgets/model.js", 'import { glyph } from "../../widgets/kit.js";\n'),
        ("laser/widgets/laser_map.js", "export const loose = (a) => a == 1;\n"),
        ("site/live.js", "nowhere();\n"),
    ):
        path = copy / "mechbook" / name
        path.write_text(path.read_text(encoding="utf-8") + planted, encoding="utf-8")
    found = lint.problems(copy)
    for words in (
        "Argument of type 'string' is not assignable to parameter of type 'number'",
        "'glyph' is declared but its value is never read",
        "'glyph' is defined but never used",
        "Parameter 'a' implicitly has an 'any' type",
        "Expected '===' and instead saw '=='",
        "'nowhere' is not defined",
    ):
        assert words in found
