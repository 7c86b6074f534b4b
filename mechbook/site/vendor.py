"""What the built site serves itself instead of asking other hosts: the fonts of formulas, and what searches.

    python -m mechbook.site.vendor

It is copied out of npm's packages, once: it lies in `_vendor/<key>`, where the key is a hash of the lock file and of
this file, so a second build needs no network.
"""

import hashlib
import json
import shutil
import sys
from pathlib import Path

from mechbook.core import npm
from mechbook.core.cache.closure import PACKAGE


def key(project: Path = PACKAGE.parent) -> str:
    """The name of the folder for this lock file; RuntimeError where there is none."""
    found = hashlib.sha256(Path(__file__).read_bytes())
    found.update(npm.key(project).encode())
    return found.hexdigest()[:16]


def folder(project: Path = PACKAGE.parent) -> Path:
    """Return `_vendor/<key>`, made where it is not there yet.

    It holds `site/vendor`, served at /vendor of every built site, and `tests/axe.min.js`. Raises RuntimeError, in one
    sentence, when the packages cannot be had.
    """
    return npm.once(project / "_vendor" / key(project), lambda target: assemble(npm.modules(project), target))


def assemble(modules: Path, target: Path) -> None:
    """Copy out of npm's `modules` what the site needs, with the licences beside it."""
    vendor = target / "site" / "vendor"
    _copy(modules / "mathjax" / "es5" / "output" / "chtml" / "fonts" / "woff-v2", vendor / "formulas")
    _copy(modules / "minisearch" / "dist" / "umd" / "index.js", vendor / "minisearch.js")
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
    lock = json.loads((modules / ".package-lock.json").read_text(encoding="utf-8"))
    for name, entry in sorted(lock["packages"].items()):
        # What only bundles and checks is not served.
        if entry.get("dev"):
            continue
        path = modules.parent / name / "package.json"
        about = json.loads(path.read_text(encoding="utf-8"))
        texts = [file for file in sorted(path.parent.iterdir()) if _is_licence(file)]
        words = "\n".join(file.read_text(encoding="utf-8", errors="replace").strip() for file in texts)
        head = f"{about['name']} {about['version']} ({about.get('license', 'see the package')})"
        parts.append(f"{head}\n\n{words}".strip())
    return ("\n\n" + "=" * 80 + "\n\n").join(parts) + "\n"


def _is_licence(file: Path) -> bool:
    return file.is_file() and file.name.upper().startswith(("LICENSE", "LICENCE", "COPYING", "NOTICE"))


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
