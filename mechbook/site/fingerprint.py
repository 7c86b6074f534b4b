"""What a chapter's results depend on beside its own cells, in one hash: change any of it and the chapter runs again."""

import ast
import hashlib
import json
import os
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from IPython.core.inputtransformer2 import TransformerManager

from mechbook.core import settings
from mechbook.core.cache.closure import PACKAGE, digest, imported_names, module_closure
from mechbook.records import files as records

# what `make second-model` keeps, which chapter 5 shows
SECOND_MODELS = PACKAGE.parent / "results" / "second_model"
PINNED = ("torch", "numpy", "matplotlib")


def dependencies(cells: Iterable[str], *, package: Path = PACKAGE) -> list[Path]:
    """The modules and data files of the package that executing `cells` can read, scripts of widgets apart.

    A cell that is not Python is left to fail when it runs.
    """
    names: set[str] = set()
    for cell in cells:
        try:
            names |= imported_names(ast.parse(TransformerManager().transform_cell(cell)))
        except SyntaxError:
            continue
    return [path for path in module_closure(_modules(names, package), package=package) if path.suffix != ".js"]


def module_names(paths: Iterable[Path], *, package: Path = PACKAGE) -> set[str]:
    """The dotted names of the modules among `paths`."""
    parts = [path.relative_to(package.parent).with_suffix("").parts for path in paths if path.suffix == ".py"]
    return {".".join(part[:-1] if part[-1] == "__init__" else part) for part in parts}


def fingerprint(cells: Iterable[str], *, package: Path = PACKAGE) -> str:
    """The hash of what decides the results of `cells`: package, settings, versions, threads; not of the cells."""
    paths = dependencies(cells, package=package)
    pins = [package.parent / name for name in ("requirements.txt", "requirements-models.txt")]
    known = {
        "files": {path.relative_to(package).as_posix(): digest(path) for path in paths},
        "records": _records({path.relative_to(package).parts[0] for path in paths}),
        "scale": settings.scale(),
        "seed": settings.seed(),
        "device": settings.device_name(),
        "threads": os.environ.get("MECHBOOK_THREADS", "1"),
        "python": ".".join(platform.python_version_tuple()[:2]),
        "versions": {name: version(name) for name in PINNED},
        "requirements": [_hash(path) for path in pins if path.exists()],
    }
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def _records(folders: set[str]) -> dict[str, str]:
    """The records that cells can read which reach these folders of the package: their themes' runs.

    Claims' are read at the papers' scale alone; elsewhere the scorecard shows them, which is made anew in each build.
    """
    if "records" not in folders:
        return {}
    read = folders | ({"claims"} if settings.scale() == "paper" else set())
    found = {name: of_all for name in sorted(read) if (of_all := records.digest(name))}
    second = sorted(SECOND_MODELS.glob("*.json")) if "laser" in folders else ()
    return found | {f"second model {path.stem}": _hash(path) for path in second}


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _modules(names: Iterable[str], package: Path) -> set[str]:
    """Each of `names` that lies in the package, cut back to its longest part that is a module."""
    found = set()
    for name in names:
        parts = name.split(".")
        if parts[0] != package.name:
            continue
        while not _is_module(package.parent.joinpath(*parts)):
            parts.pop()
        found.add(".".join(parts))
    return found


def _is_module(place: Path) -> bool:
    return (place / "__init__.py").is_file() or place.with_name(place.name + ".py").is_file()
