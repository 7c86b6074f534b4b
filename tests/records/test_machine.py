"""What a record says of its machine. Oracles: git, torch and the clock asked another way."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import torch

from mechbook.core import settings
from mechbook.records.machine import commit, device_name, here


def git(root: Path, *arguments: str) -> str:
    names = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", "-C", str(root), *names, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_machine_of_now() -> None:
    days = [datetime.now(UTC).date().isoformat()]
    found = here()
    days.append(datetime.now(UTC).date().isoformat())
    assert found.date in days
    assert (found.torch, found.threads, found.kind) == (
        torch.__version__,
        torch.get_num_threads(),
        settings.device().type,
    )
    assert found.tf32 is False or found.kind == "cuda"
    assert found.device == device_name(settings.device()) != ""


def test_the_commit_and_whether_files_differ(tmp_path: Path) -> None:
    assert commit(tmp_path) is None
    git(tmp_path, "init", "-q")
    assert commit(tmp_path) is None  # none yet
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-q", "-m", "x")
    head = git(tmp_path, "log", "-1", "--format=%H")
    (tmp_path / "untracked").write_text("1")
    assert commit(tmp_path) == head
    (tmp_path / "a").write_text("2")
    assert commit(tmp_path) == head + "+"
