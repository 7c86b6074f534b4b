"""The package as a wheel, for the site to serve: made without a network, the same from the same sources byte for byte.

    python -m mechbook.site.wheel FOLDER

It has what `pip wheel .` gives and, ready, the widgets' scripts and the language model's engine, which otherwise take
Node.js and npm's packages.
"""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from mechbook.core.cache.closure import PACKAGE
from mechbook.widgets import language_engine
from mechbook.widgets.bundle import BUILT, library

# What a build of the package reads, beside the package itself and its records.
FILES = ("pyproject.toml", "setup.py", "README.md", "LICENSE")
FOLDERS = ("mechbook", "results")
# A zip's first possible date: when a wheel was made is no part of it.
DATE = (1980, 1, 1, 0, 0, 0)


def wheel(target: Path, root: Path = PACKAGE.parent) -> Path:
    """Write the wheel of the checkout `root` into the folder `target`, and return its path.

    RuntimeError with setuptools' words where it cannot be built, and as `library`.
    """
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        source, built = Path(name) / "source", Path(name) / "built"
        # in a copy: nothing is left behind in the checkout, and nothing of another build gets in
        for file in FILES:
            if (root / file).is_file():
                source.mkdir(exist_ok=True)
                shutil.copy(root / file, source / file)
        unwanted = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
        for folder in FOLDERS:
            if (root / folder).is_dir():
                shutil.copytree(root / folder, source / folder, ignore=unwanted)
        code = f"from setuptools import build_meta; build_meta.build_wheel({str(built)!r})"
        # elsewhere than in the checkout, and not with its path, whose modules would be found first
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=source, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"The package's wheel cannot be built:\n{done.stderr.strip()}")
        (made,) = built.glob("*.whl")
        with zipfile.ZipFile(made) as parts:
            found = {info.filename: parts.read(info) for info in parts.infolist() if not info.is_dir()}
        found[BUILT] = library(root).encode()
        found[language_engine.BUILT] = json.dumps(language_engine.engine(root)).encode()
        return packed(target / made.name, found)


def kept(root: Path, target: Path) -> Path | None:
    """The wheel of the checkout `root` in the folder `target`, built where its sources changed; None without a project.

    Errors as `wheel`. No other wheel stays there.
    """
    if not (root / "pyproject.toml").is_file():
        return None
    found = hashlib.sha256(library(root).encode())
    for path in sorted([*map(root.joinpath, FILES), *(p for folder in FOLDERS for p in (root / folder).rglob("*"))]):
        if path.is_file() and "__pycache__" not in path.parts:
            found.update(f"{path.relative_to(root)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    place = root / "_build" / "wheel" / found.hexdigest()[:16]
    if not (built := sorted(place.glob("*.whl"))):
        shutil.rmtree(place.parent, ignore_errors=True)
        built = [wheel(place, root)]
    target.mkdir(parents=True, exist_ok=True)
    for other in target.glob("*.whl"):
        other.unlink()
    return Path(shutil.copy(built[0], target / built[0].name))


def packed(place: Path, files: Mapping[str, bytes]) -> Path:
    """Write a wheel of `files` (name to content), with a RECORD of its own making, at one stroke."""
    (record,) = (name for name in files if name.endswith(".dist-info/RECORD"))
    lines = []
    for name in sorted(set(files) - {record}):
        digest = base64.urlsafe_b64encode(hashlib.sha256(files[name]).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(files[name])}\n")
    whole = {**files, record: "".join([*lines, f"{record},,\n"]).encode()}
    return zipped(place, whole)


def zipped(place: Path, files: Mapping[str, bytes]) -> Path:
    """Write a zip of `files` in the order of their names, dated 1980, in place of any before it."""
    draft = place.with_suffix(".part")
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as parts:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, DATE)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            parts.writestr(info, files[name])
    draft.replace(place)
    return place


def main() -> int:
    """Write the wheel into the folder named on the command line."""
    try:
        print(wheel(Path(sys.argv[1])))
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
