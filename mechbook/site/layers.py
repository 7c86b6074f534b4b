"""What may import what: the package's floors, and which theme belongs to which chapter.

A theme never imports another; what two need lies in `shared`. A chapter imports its own theme and what all share.
"""

import ast
import re
from collections.abc import Iterable
from pathlib import Path

from IPython.core.inputtransformer2 import TransformerManager

from mechbook.core.cache.closure import PACKAGE, imported_names

# In the order of the chapters: chapter 1 runs on memories.
THEMES = ("memories", "gradients", "induction", "noisy", "laser", "facts", "hops")
COMMON = ("core", "claims", "reader", "shared", "pretrained", "widgets", "records")
# Each folder of the package, and those it may import.
ALLOWED: dict[str, tuple[str, ...]] = {
    "core": (),
    "claims": ("core",),
    "reader": ("core",),
    "records": ("core", "claims"),
    "shared": ("core",),
    "pretrained": ("core",),
    "widgets": ("core", "reader"),
    **dict.fromkeys(THEMES, COMMON),
    # Computes what the papers' size asks for, where only torch is; so it lies beside the site and needs none of it.
    "paper": (*COMMON, *THEMES),
    "site": (*COMMON, *THEMES, "paper"),
}


def imports(package: Path = PACKAGE) -> dict[tuple[str, str], list[str]]:
    """For each pair of folders (importing, imported) the files that do so, modules and scripts."""
    found: dict[tuple[str, str], list[str]] = {}
    for path in sorted([*package.rglob("*.py"), *package.rglob("*.js")]):
        parts = path.relative_to(package).parts
        if len(parts) == 1:
            continue
        folders = _script_imports(path, package) if path.suffix == ".js" else _module_imports(path, package)
        for to in sorted(folders - {parts[0]}):
            found.setdefault((parts[0], to), []).append("/".join(parts))
    return found


def _module_imports(path: Path, package: Path) -> set[str]:
    """The folders of the package that a module imports from."""
    module = ".".join(path.relative_to(package.parent).parts[:-1])
    names = imported_names(ast.parse(path.read_text(encoding="utf-8")), module)
    parts = [[*name.split("."), ""] for name in names]
    return {to for first, to, *_ in parts if first == package.name and to and (package / to).is_dir()}


def _script_imports(path: Path, package: Path) -> set[str]:
    """The folders of the package that a widget's script imports from."""
    root = package.resolve()
    named = re.findall(r'from "(\.[^"]+)"', path.read_text(encoding="utf-8"))
    places = [(path.parent / name).resolve() for name in named]
    return {place.relative_to(root).parts[0] for place in places if place.is_relative_to(root)}


def breaches(package: Path = PACKAGE) -> list[str]:
    """A sentence for each import that runs against the rule."""
    said = []
    for (folder, to), users in sorted(imports(package).items()):
        if to in ALLOWED.get(folder, ()):
            continue
        for file in users:
            if folder in THEMES and to in THEMES:
                mend = f"move what both need to {package.name}/shared"
            else:
                mend = f"{folder} may import {', '.join(ALLOWED.get(folder, ())) or 'nothing of the package'}"
            said.append(f"{package.name}/{file} imports {package.name}.{to}: {mend}.")
    return said


def check_chapter(number: int, cells: Iterable[str]) -> None:
    """Raise ValueError, one sentence, where a cell of chapter `number` imports a theme that is not the chapter's."""
    own = THEMES[number - 1]
    for cell in cells:
        try:
            names = imported_names(ast.parse(TransformerManager().transform_cell(cell)))
        except SyntaxError:
            continue  # a cell that is not Python fails when it runs
        for name in sorted(names):
            theme = [*name.split("."), ""][1]
            if name.startswith("mechbook.") and theme in THEMES and theme != own:
                raise ValueError(
                    f"The chapter imports {name}, which is the inside of another theme: "
                    f"import from mechbook.{own}, or move what both need to mechbook/shared."
                )
