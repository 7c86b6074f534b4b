"""What a build ran with, for the status page: no cached cell could know it."""

import os
import platform
import shutil
import subprocess
import tomllib
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from docutils import nodes

from mechbook.core import settings

PACKAGES = ("torch", "numpy", "scipy", "matplotlib", "jupyter-book", "myst-nb", "Sphinx", "sphinx-book-theme")


def commit(root: Path) -> str | None:
    """The commit checked out in `root`, with a word where files differ from it; None without git."""
    if shutil.which("git") is None:
        return None
    head = _git(root, "rev-parse", "--short=12", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return head and head + (" with changes" if changed else "")


def clean_commit(root: Path) -> str | None:
    """The whole name of the commit checked out in `root`; None where files differ from it, or without git."""
    if shutil.which("git") is None or _git(root, "status", "--porcelain", "--untracked-files=no"):
        return None
    return _git(root, "rev-parse", "HEAD")


def _git(root: Path, *arguments: str) -> str | None:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def facts(root: Path) -> nodes.field_list:
    """The facts of this build as a list of fields."""
    rows = {
        "Date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "Commit": commit(root) or "unknown",
        "Scale": settings.scale(),
        "Seed": str(settings.seed()),
        "Device": settings.device_name(),
        "Threads for each chapter": os.environ.get("MECHBOOK_THREADS", "1"),
        "System": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }
    shown = nodes.field_list(classes=["mb-versions"])
    for name, text in rows.items():
        shown += _field(name, nodes.Text(text))
    if (root / "pyproject.toml").is_file():
        file = name_of_the_wheel(root)
        link = nodes.reference("", file, refuri=f"../downloads/{file}", internal=True)
        shown += _field("This build's package", link)
    return shown


def _field(name: str, body: nodes.Node) -> nodes.field:
    return nodes.field("", nodes.field_name("", name), nodes.field_body("", nodes.paragraph("", "", body)))


def name_of_the_wheel(root: Path) -> str:
    """What the wheel of the checkout `root` is called, which the site serves (`mechbook.site.travel`)."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return f"{project['name']}-{project['version']}-py3-none-any.whl"
