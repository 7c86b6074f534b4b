"""What the cells of a chapter do to its globals, read from their syntax trees."""

import ast
from collections.abc import Iterable, Iterator

from IPython.core.inputtransformer2 import TransformerManager

# Methods that change what they are called on; a name that ends in "_" is torch's way to say so.
CHANGING = {
    "append", "extend", "insert", "update", "setdefault", "pop", "popitem", "clear", "remove", "sort", "reverse", "add",
    "discard", "load_state_dict", "fill", "resize",
}  # fmt: skip


def tree_of(cell: str) -> ast.Module:
    """The syntax tree of a cell; magics become calls."""
    return ast.parse(TransformerManager().transform_cell(cell))


def bound(cell: str) -> set[str]:
    """The globals that running a cell binds: assignments, loops, imports, definitions, also inside `if` and `with`."""
    names: set[str] = set()
    for node in _outside_functions(tree_of(cell)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            names.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ExceptHandler) and node.name:
            names.add(node.name)
    for node in ast.walk(tree_of(cell)):
        if isinstance(node, ast.Global):
            names |= set(node.names)
    return names


def changed_in_place(cell: str) -> set[str]:
    """The globals bound by other cells that running a cell, or a function it defines, changes without binding them."""
    tree, own = tree_of(cell), bound(cell)
    found: set[str] = set()
    for scope, local in _scopes(tree):
        for node in scope:
            root = None
            if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
                root = _root(node)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                name = node.func.attr
                if name in CHANGING or (name.endswith("_") and not name.startswith("_")):
                    root = _root(node.func)
            if root is not None and root not in own and root not in local:
                found.add(root)
    return found


def modules(cells: Iterable[str]) -> set[str]:
    """The names that cells bind to whole modules (`import numpy as np`): what is called on them changes no global."""
    found: set[str] = set()
    for cell in cells:
        for node in ast.walk(tree_of(cell)):
            if isinstance(node, ast.Import):
                found |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    return found


def twice_bound(cells: Iterable[str]) -> dict[str, list[int]]:
    """The globals that several cells bind, with the numbers of these cells, from 0."""
    places: dict[str, list[int]] = {}
    for number, cell in enumerate(cells):
        for name in bound(cell):
            places.setdefault(name, []).append(number)
    return {name: numbers for name, numbers in sorted(places.items()) if len(numbers) > 1}


def _root(node: ast.expr) -> str | None:
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below `node` whose stores are its own scope's: not inside functions, classes or comprehensions."""
    for child in ast.iter_child_nodes(node):
        yield child
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(child, COMPREHENSIONS):
            # of a comprehension only a walrus binds outside it
            yield from (walrus.target for walrus in ast.walk(child) if isinstance(walrus, ast.NamedExpr))
            continue
        yield from _outside_functions(child)


def _scopes(tree: ast.Module) -> Iterator[tuple[list[ast.AST], set[str]]]:
    """The nodes of the module and of each function, with the names that are local there."""
    yield list(_outside_functions(tree)), set()
    for function in ast.walk(tree):
        if not isinstance(function, FUNCTIONS):
            continue
        arguments = function.args
        local = {a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
        local |= {a.arg for a in (arguments.vararg, arguments.kwarg) if a is not None}
        nodes = [node for node in ast.walk(function) if node is not function]
        local |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        local |= {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
        yield nodes, local
