"""Refreshing the pins. Oracles: the committed files, which hold what they ask for; a resolver that is made up here."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from mechbook.site import pins
from mechbook.site.pins import PIN, asked_for, refresh, refreshed

ROOT = Path(__file__).resolve().parents[2]
TEXT = """# Asked for: torch numpy (package), jupyter-book<2 (book).
# Below 2: that version reads no _config.yml.
appnope==0.1.4; sys_platform == "darwin"
Jinja2==3.1.6
numpy==2.4.6
old_one==1.0
torch==2.13.0
"""


def test_what_is_asked_for_is_read_from_the_head() -> None:
    assert asked_for(TEXT) == ["torch", "numpy", "jupyter-book<2"]
    with pytest.raises(ValueError, match="says which packages are asked for"):
        asked_for("numpy==1\n")


@pytest.mark.parametrize("name", pins.FILES)
def test_each_committed_file_asks_for_what_it_pins(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    pinned = {pins.canonical(match[1]) for line in text.splitlines() if (match := PIN.match(line))}
    asked = {pins.canonical(word.partition("<")[0]) for word in asked_for(text)}
    assert asked and asked <= pinned


@pytest.mark.parametrize("name", pins.FILES)
def test_with_the_versions_there_are_a_committed_file_stays_to_the_letter(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    here = {m[1].upper(): m[2] for line in text.splitlines() if (m := PIN.match(line)) and not m[3]}
    assert refreshed(text, here) == (text, [])


def test_versions_move_packages_come_and_go_and_other_machines_keep_theirs() -> None:
    found = {"torch": "2.14.0+cpu", "numpy": "2.4.6", "jinja2": "3.2", "a.new_One": "1.1"}
    found |= {"nvidia-cublas": "13.1", "pip": "30.0"}
    new, told = refreshed(TEXT, found)
    assert new == (
        "# Asked for: torch numpy (package), jupyter-book<2 (book).\n# Below 2: that version reads no _config.yml.\n"
        'a-new-one==1.1\nappnope==0.1.4; sys_platform == "darwin"\nJinja2==3.2\nnumpy==2.4.6\ntorch==2.14.0\n'
    )
    moved = ["Jinja2 3.1.6 -> 3.2", "old_one 1.0 is no longer needed.", "torch 2.13.0 -> 2.14.0"]
    assert told == [*moved, "a-new-one 1.1 is new."]


def test_the_second_file_keeps_to_the_first_s_pins_and_repeats_none(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "requirements-lab.txt").write_text("# Asked for: jupyterlab.\n-c requirements.txt\njupyterlab==4.0\n")
    asked = []

    def resolver(wanted: Sequence[str], constraints: str) -> Mapping[str, str]:
        asked.append((list(wanted), constraints))
        return {"numpy": "3.0", "torch": "2.14"} if "torch" in wanted else {"jupyterlab": "4.1", "numpy": "3.0"}

    told = refresh(tmp_path, resolver)
    assert "requirements.txt: numpy 2.4.6 -> 3.0" in told and told[-1] == "requirements-lab.txt: jupyterlab 4.0 -> 4.1"
    lab = (tmp_path / "requirements-lab.txt").read_text(encoding="utf-8")
    assert lab == "# Asked for: jupyterlab.\n-c requirements.txt\njupyterlab==4.1\n"
    assert asked[0] == (["torch", "numpy", "jupyter-book<2", *pins.TOOLS], "")
    assert asked[1][0] == ["jupyterlab"] and "numpy==3.0\n" in asked[1][1] and "# Asked" not in asked[1][1]


def test_pip_is_asked_to_install_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = []

    def run(command: list[str], **how: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 1, "", "ERROR: no such package")

    monkeypatch.setattr(pins.subprocess, "run", run)
    with pytest.raises(RuntimeError, match="no versions that fit together:\nERROR: no such package"):
        pins.resolve(["nothing"])
    (command,) = commands
    assert command[:4] == [sys.executable, "-m", "pip", "install"] and command[-1] == "nothing"
    assert "--dry-run" in command
