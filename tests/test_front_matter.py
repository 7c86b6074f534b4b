"""README and notation against what they describe: the Makefile, the settings, the code, the figures' roles."""

import contextlib
import io
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from mechbook.reader.figures import ROLE

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
NOTATION = (ROOT / "book" / "notation.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
MARKERS = {
    "o": "circle",
    "s": "square",
    "^": "triangle",
    "v": "triangle pointing down",
    "D": "diamond",
    "d": "thin diamond",
    "p": "pentagon",
    "h": "hexagon",
    "P": "plus",
    "X": "cross",
}


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Two threads that wait for a busy core take ten times as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_the_readme_s_commands_are_those_of_the_makefile() -> None:
    """Oracle: the targets that `make help` would list."""
    targets = set(re.findall(r"^([a-z-]+):.*##", MAKEFILE, re.M))
    assert set(re.findall(r"^\| `make ([a-z-]+)` \|", README, re.M)) == targets


def test_the_readme_s_settings_are_those_the_code_reads() -> None:
    """Oracle: the names in the Makefile and the package, less what the build sets for itself."""
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "mechbook").rglob("*.py")]
    read = set(re.findall(r"\bMECHBOOK_[A-Z_]+\b", "\n".join(sources)))
    internal = {"MECHBOOK_SITE_BUILD", "MECHBOOK_BUILD_STARTED", "MECHBOOK_THREADS"}
    assigned = set(re.findall(r"^([A-Z_]+) \?=", MAKEFILE, re.M)) - {"VENV"}
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", README, re.M)) == (read - internal) | assigned


def test_the_readme_s_snippet_runs_and_its_matrix_learns(one_thread: None) -> None:
    """Oracle: recall by chance is 1/65; the paper's order has W_O2 first, so 100 steps store most of it."""
    snippet, _ = re.findall(r"^```python\n(.*?)^```", README, re.M | re.S)
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(snippet, "README.md", "exec"), names)
    run = names["run"]
    assert run.steps == [0, 50, 100]
    assert run.values["W_O2"][0] < 0.2 and run.values["W_O2"][-1] > 0.5
    assert printed.getvalue().startswith("[0, 50, 100]")


def test_the_readme_s_laser_runs_on_the_packaged_model(
    one_thread: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracle: transformers' own forward pass for the whole model; what a first look at it found for the edit."""
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))
    _, snippet = re.findall(r"^```python\n(.*?)^```", README, re.M | re.S)
    assert len([line for line in snippet.splitlines() if line.strip()]) <= 12
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(snippet, "README.md", "exec"), names)
    model, result = names["model"], names["result"]
    with torch.no_grad():
        logits = model.adapter.model(model.tokens("Madrid is located in")).logits[0, -1]
    p = logits.softmax(-1)[[model.token(" Spain"), model.token(" the")]]
    torch.testing.assert_close(result.before[0], p, rtol=0, atol=1e-5)
    assert abs(p[1] - 0.38) < 0.01 and abs(p[0] - 0.087) < 0.005
    whole, edited = (line.split() for line in printed.getvalue().splitlines())
    assert edited[:2] == ["mlp_in", "28"] and float(edited[-1]) > 10 * float(whole[-1])


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_torch_comes_from_the_index_that_is_named_and_before_all_else(tmp_path: Path) -> None:
    """Oracle: what a Python that only notes its arguments is asked to install; requirements.txt."""
    (pin,) = re.findall(r"^torch==.*$", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.M)
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/log\n')
    python.chmod(0o755)
    for index in ("https://host.example/cpu", ""):
        command = ["make", "lint", f"VENV={tmp_path}/venv", f"PYTHON={sys.executable}", f"TORCH_INDEX={index}"]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        asked = [line for line in (tmp_path / "log").read_text().splitlines() if " install " in line]
        first = f"{pin} --index-url {index}" if index else "-r requirements.txt"
        assert asked[0].endswith(first) and sum("--index-url" in line for line in asked) == bool(index)
        (tmp_path / "log").unlink()
        for ready in (tmp_path / "venv").glob(".ready-*"):
            ready.unlink()


def test_the_layout_in_the_readme_exists() -> None:
    """Oracle: the files of the repository."""
    (layout,) = re.findall(r"^```\n(book/.*?)^```", README, re.M | re.S)
    folder = ""
    for line in layout.splitlines():
        name = line.split()[0]
        folder = folder if line.startswith("  ") else name
        assert (ROOT / (folder + name if line.startswith("  ") else name)).exists(), name


def test_the_notation_shows_each_role_with_its_marker() -> None:
    """Oracle: the styles that figures are drawn with."""
    shown = re.findall(r'class="mb-role mb-role-(\w+)".*?</svg> (.*)$', NOTATION, re.M)
    assert sorted(shown) == sorted((role, MARKERS[style.marker]) for role, style in ROLE.items())
