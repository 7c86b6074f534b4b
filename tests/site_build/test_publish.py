"""What .github/publish.sh leaves on the branch that Pages serves. Oracle: the files of a repository beside this one."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / ".github" / "publish.sh"

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clone, with one commit, of an empty repository; sites lie in `site` and are ignored, as *.map is everywhere."""
    git(tmp_path, "init", "--bare", "remote")
    git(tmp_path, "clone", "-q", "remote", "work")
    work = tmp_path / "work"
    (work / ".gitignore").write_text("site\n")
    (work / ".git" / "info" / "exclude").write_text("*.map\n")
    git(work, "add", ".")
    git(work, "commit", "-qm", "first")
    git(work, "push", "-q", "origin", "HEAD:main")
    return work


def publish(checkout: Path, *arguments: str, site: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    shutil.rmtree(checkout / "site", ignore_errors=True)
    for name, text in (site or {}).items():
        (checkout / "site" / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / "site" / name).write_text(text)
    command = ["bash", str(SCRIPT), *arguments]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)


def published(checkout: Path) -> dict[str, str]:
    git(checkout, "fetch", "-q", "origin", "gh-pages")
    names = git(checkout, "ls-tree", "-r", "--name-only", "FETCH_HEAD").split()
    return {name: git(checkout, "show", f"FETCH_HEAD:{name}") for name in names}


def test_a_site_replaces_the_last_and_leaves_previews_alone(checkout: Path) -> None:
    first = {"index.html": "1", "old.html": "old", ".nojekyll": "", "vendor/a.map": "a"}
    done = publish(checkout, "site", site=first)
    assert done.returncode == 0, done.stderr
    assert published(checkout) == first
    assert publish(checkout, "site", "preview/7", site={"index.html": "seven"}).returncode == 0
    assert publish(checkout, "site", "preview/77", site={"index.html": "77", "x.html": "x"}).returncode == 0
    assert publish(checkout, "site", site={"index.html": "2"}).returncode == 0
    previews = {"preview/7/index.html": "seven", "preview/77/index.html": "77", "preview/77/x.html": "x"}
    assert published(checkout) == {"index.html": "2", **previews}
    assert publish(checkout, "site", "preview/77", site={"index.html": "new"}).returncode == 0
    assert publish(checkout, "", "preview/7").returncode == 0
    assert published(checkout) == {"index.html": "2", "preview/77/index.html": "new"}
    # one commit, and nothing of the checkout has changed
    assert git(checkout, "rev-list", "--count", "FETCH_HEAD").strip() == "1"
    assert git(checkout, "status", "--porcelain") == ""


def test_what_is_no_site_publishes_nothing(checkout: Path) -> None:
    done = publish(checkout, "site", site={"about.html": ""})
    assert (done.returncode, done.stderr) == (1, "There is no site in site: it has no index.html.\n")
    done = publish(checkout, "")
    assert (done.returncode, done.stderr) == (2, "Name the folder to remove.\n")
    assert git(checkout, "ls-remote", "--heads", "origin", "gh-pages") == ""
