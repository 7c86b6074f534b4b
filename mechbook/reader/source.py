"""The package's own code on a page: what is shown is the tested source itself, read when it is shown.

    source(sample)                                                        # a function
    source(NoisyTransformer.__init__, NoisyTransformer.forward)           # methods, under their class
    source("mechbook.noisy.presets:LAPTOP")                               # a value, by name

In the built site the code is read anew at each build and links to the whole file (`mechbook.site.sources`).
"""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from IPython.display import display

from mechbook.core.cache.closure import PACKAGE

MIME = "application/vnd.mechbook.source+json"


@dataclass(frozen=True)
class Excerpt:
    """Lines of a file of the package: `file` from its root (mechbook/...), `first` and `last` line, and the text."""

    file: str
    first: int
    last: int
    text: str


def source(*shown: Callable[..., Any] | type | str) -> None:
    """Display the source of functions, classes, methods and, by "module:name", values of the package.

    ValueError for what does not lie in the package.
    """
    names = [one if isinstance(one, str) else _name(one) for one in shown]
    excerpts = [excerpt(group) for group in grouped(names)]
    words = "\n\n".join(f"{where(each)}:\n\n```python\n{each.text}\n```" for each in excerpts)
    plain = "\n\n".join(f"# {where(each)}\n{each.text}" for each in excerpts)
    display({MIME: {"names": names}, "text/markdown": words, "text/plain": plain}, raw=True)


def where(shown: Excerpt) -> str:
    """The place of an excerpt, in words."""
    lines = f"line {shown.first}" if shown.first == shown.last else f"lines {shown.first} to {shown.last}"
    return f"{shown.file}, {lines}"


def grouped(names: list[str]) -> list[list[str]]:
    """The names in their order, neighbouring methods of one class together."""
    groups: list[list[str]] = []
    for name in names:
        owner = name.rpartition(".")[0] if "." in name.partition(":")[2] else ""
        if groups and owner and groups[-1][0].rpartition(".")[0] == owner:
            groups[-1].append(name)
        else:
            groups.append([name])
    return groups


def excerpt(names: list[str], *, package: Path = PACKAGE) -> Excerpt:
    """The source of one name, or of several methods of one class, below the line that opens the class.

    ValueError for a name that the package does not have, and for none.
    """
    if not names:
        raise ValueError("Nothing is named: names are such as 'mechbook.shared.bigrams:sample'.")
    module = names[0].partition(":")[0]
    path = package.parent.joinpath(*module.split(".")).with_suffix(".py")
    if module.partition(".")[0] != package.name or not path.is_file():
        raise ValueError(f"{names[0]!r} is not in the package: names are such as 'mechbook.shared.bigrams:sample'.")
    text = path.read_text(encoding="utf-8")
    tree, lines = ast.parse(text), text.splitlines()
    nodes = [_find(tree, name) for name in names]
    spans = [(_first(node), node.end_lineno or node.lineno) for node in nodes]
    parts = ["\n".join(lines[first - 1 : last]) for first, last in spans]
    owner = names[0].partition(":")[2].rpartition(".")[0]
    if owner:
        head = _find(tree, f"{module}:{owner}")
        assert isinstance(head, ast.ClassDef)
        opening = "\n".join(lines[head.lineno - 1 : _after_head(head) - 1])
        parts = ["\n\n".join(_with_gaps(opening, head, nodes, parts))]
    file = path.relative_to(package.parent).as_posix()
    return Excerpt(file, min(first for first, _ in spans), max(last for _, last in spans), "\n\n\n".join(parts))


Shown = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


def _find(tree: ast.Module, name: str) -> Shown:
    body: list[ast.stmt] = tree.body
    found: Shown | None = None
    for part in name.partition(":")[2].split("."):
        found = next((node for node in body if isinstance(node, Shown) and part in _names(node)), None)
        if found is None:
            raise ValueError(f"{name!r} cannot be shown: the module has no {part!r}.")
        body = found.body if isinstance(found, ast.ClassDef) else []
    assert found is not None
    return found


def _names(node: Shown) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}


def _first(node: Shown) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _after_head(node: ast.ClassDef) -> int:
    """The line on which the body of a class begins, its docstring counted."""
    return _first(node.body[0]) if isinstance(node.body[0], Shown) else node.body[0].lineno


def _with_gaps(opening: str, owner: ast.ClassDef, nodes: list[Shown], parts: list[str]) -> list[str]:
    """The line that opens a class and the `parts` of its `nodes`, with "..." for whatever is left out between them."""
    places = [owner.body.index(node) for node in nodes]
    shown = [opening]
    for before, place, part in zip([-1, *places], places, parts, strict=False):
        if place == before + 1:
            shown.append(part)
        elif before == -1:
            shown[0] += "\n    ..."
            shown.append(part)
        else:
            shown += ["    ...", part]
    return shown if places[-1] == len(owner.body) - 1 else [*shown, "    ..."]


def _name(shown: Callable[..., Any] | type) -> str:
    module, name = getattr(shown, "__module__", None), getattr(shown, "__qualname__", None)
    if not module or not name or "<" in name:
        raise ValueError(f"{shown!r} cannot be shown: give a function, a class, a method, or 'module:name'.")
    return f"{module}:{name}"
