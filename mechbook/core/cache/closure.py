"""Which files of the package a module's results can depend on: the transitive closure of its static imports."""

import ast
import hashlib
from collections.abc import Iterable
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2]
_LONGEST_FILE_NAME = 200


def module_closure(names: Iterable[str], *, package: Path = PACKAGE) -> list[Path]:
    """Sorted files that importing `names` ("mechbook.core.training.loop") can read: modules and their data files.

    Followed: every `import` and `from ... import` of the package written anywhere in a file (inside functions and under
    `TYPE_CHECKING` too), and the `__init__.py` of each parent package. A data file belongs to a module when one whole
    string constant of the module names an existing file below the module's own folder. Imports computed at run time
    (`importlib.import_module(name)`) are not seen. A name that is no module of the package raises ValueError.
    """
    found: set[Path] = set()
    waiting: list[str] = []
    for name in names:
        if _file(name, package) is None:
            raise ValueError(f"{name!r} is not a module of {package.name}; names are such as '{package.name}.training'")
        waiting.append(name)
    while waiting:
        name = waiting.pop()
        path = _file(name, package)
        if path is None or path in found:
            continue
        found.add(path)
        if "." in name:
            waiting.append(name.rpartition(".")[0])
        source = path.read_text(encoding="utf-8")
        tree = ast.parse(source, filename=str(path))
        found |= _data_files(tree, path.parent)
        waiting.extend(imported_names(tree, name if path.name == "__init__.py" else name.rpartition(".")[0]))
    return sorted(found)


def digest(path: Path) -> str:
    """The SHA-256 of what a file decides: of a module its syntax tree without docstrings, of other files their bytes.

    So a comment, a docstring or a line broken elsewhere changes nothing; any other edit of a module does.
    """
    if path.suffix != ".py":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and _documented(node):
            node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _documented(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    first = node.body[0] if node.body else None
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)


def imported_names(tree: ast.AST, package: str = "") -> set[str]:
    """Dotted names that `tree` imports; relative ones are taken from `package`.

    `from a.b import c` gives both `a.b` and `a.b.c`, because only the files tell whether `c` is a module.
    """
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *filter(None, [base])])
            names.add(base)
            names.update(f"{base}.{alias.name}" for alias in node.names)
    return names


def _file(name: str, package: Path) -> Path | None:
    first, *rest = name.split(".")
    if first != package.name or "" in rest:
        return None
    place = package.joinpath(*rest)
    for path in (place / "__init__.py", place.with_name(place.name + ".py")):
        if path.is_file() and path.is_relative_to(package):
            return path
    return None


def _data_files(tree: ast.AST, folder: Path) -> set[Path]:
    found = set()
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            continue
        text = node.value
        if not text or len(text) > _LONGEST_FILE_NAME or not text.isprintable():
            continue
        path = (folder / text).resolve()
        if path.is_relative_to(folder) and path.is_file():
            found.add(path)
    return found
