"""The code that a run or a claim stands on, as one SHA-256.

Of a claim the themes' presets are left out: a record has the values it was measured with, which are compared one by one
(`kept.fits`). So a setting or a check that is new there makes no record one of earlier code.
"""

import ast
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from mechbook.core.cache import closure, entries

# The modules of a theme that hold its settings; core/presets.py is code like any other.
SETTINGS = ("presets.py", "parts.py")


def of_run(modules: Sequence[str]) -> str:
    """The SHA-256 of the code that `modules` depend on, as it was imported; empty where one of them is gone."""
    try:
        return entries.code(tuple(modules))
    except ValueError:
        return ""


def of_claim(modules: Sequence[str]) -> str:
    """The same, of a theme's presets only what they compute: methods and properties other than checks of values."""
    try:
        return _of_claim(tuple(modules), closure.PACKAGE)
    except ValueError:
        return ""


@lru_cache
def _of_claim(modules: tuple[str, ...], package: Path) -> str:
    # once per process, as entries.code: it runs the code it imported, whatever happens to the files
    found = hashlib.sha256()
    for path in closure.module_closure(modules, package=package):
        digest = computed(path) if _holds_settings(path, package) else closure.digest(path)
        if digest:
            found.update(f"{path.relative_to(package).as_posix()} {digest}\n".encode())
    return found.hexdigest()


def _holds_settings(path: Path, package: Path) -> bool:
    return path.name in SETTINGS and path.parent != package / "core"


def computed(path: Path) -> str:
    """The SHA-256 of what the classes of a module compute, without docstrings; empty where they only hold values.

    A class's `__post_init__` and functions of the module count as checks of values, which decide no result.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    kept = [
        f"{node.name}.{ast.dump(_undocumented(method))}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for method in node.body
        if isinstance(method, ast.FunctionDef) and method.name != "__post_init__"
    ]
    return hashlib.sha256("\n".join(kept).encode()).hexdigest() if kept else ""


def _undocumented(method: ast.FunctionDef) -> ast.FunctionDef:
    if ast.get_docstring(method, clean=False) is not None:
        method.body = method.body[1:]
    return method
