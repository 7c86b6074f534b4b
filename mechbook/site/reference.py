"""The Sphinx directive {package-reference}: what a folder of the package offers, out of its docstrings as they are now.

    ```{package-reference} noisy
    ```

Files are read and never imported: a page costs a fraction of a second and needs no extra. Each function and class links
to its line: on the file's own page where a chapter shows that file, else in the file's text, which the site serves too.
"""

import ast
import os
import re
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

from mechbook.core.cache.closure import PACKAGE
from mechbook.site.sources import files as shown_files
from mechbook.site.sources import page_of

# The decorators that say how something is used.
SHOWN = ("property", "staticmethod", "classmethod", "contextmanager")
Definition = ast.FunctionDef | ast.ClassDef
# Characters of a signature on one line; a longer one has a line for each argument.
WIDE = 84
# Names before a colon, none of which is a word that a sentence begins with.
PARAMETER = re.compile(r"(?![A-Z][a-z]{2,})[\w*]+(, [\w*]+)*: ")


class ReferenceDirective(SphinxDirective):
    """The directive {package-reference}: every public function and class of a folder, module by module."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """A section for each module; ValueError where the package has no such folder."""
        folder = PACKAGE / self.arguments[0]
        if not folder.is_dir():
            raise ValueError(f"{folder.name!r} is no folder of {PACKAGE.name}.")
        found: list[nodes.Node] = []
        for path in sorted(folder.rglob("*.py")):
            self.env.note_dependency(str(path))
            found += module(path, self.env)
        return found


def linked(env: Any) -> set[str]:
    """The files that a reference page links to, which Sphinx's environment keeps."""
    if not hasattr(env, "mechbook_referenced"):
        env.mechbook_referenced = set()
    found: set[str] = env.mechbook_referenced
    return found


def public(body: Sequence[ast.stmt]) -> Iterator[Definition]:
    """The functions and classes of a module or class whose names are for others."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node


def module(path: Path, env: Any) -> list[nodes.Node]:
    """The section of one module, nothing for one that has no public name."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    offered = list(public(tree.body))
    if not offered:
        return []
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    file = path.relative_to(PACKAGE.parent).as_posix()
    linked(env).add(file)
    title = nodes.title("", "", nodes.literal("", name.removeprefix(f"{PACKAGE.name}.")))
    section = nodes.section("", title, ids=[nodes.make_id(f"ref-{name}")], classes=["mb-api-module"])
    section += described(ast.get_docstring(tree) or "")
    for node in offered:
        section += definition(node, name, file)
    return [section]


def definition(node: Definition, name: str, file: str) -> list[nodes.Node]:
    """One function or class: signature, where it stands, docstring, and a class's fields and public methods."""
    # with its case: a function `timed` and a class `Timed` are two
    anchor = f"{name}.{node.name}"
    place = nodes.reference("", f"line {node.lineno}", refuri="", internal=True, mb_file=file, mb_line=node.lineno)
    head = nodes.paragraph(
        "", "", nodes.strong("", node.name), nodes.Text(" · "), place, ids=[anchor], classes=["mb-api-name"]
    )
    parts: list[nodes.Node] = [head, code(signature(node)), *described(ast.get_docstring(node) or "")]
    if isinstance(node, ast.ClassDef):
        methods = [each for each in public(node.body) if isinstance(each, ast.FunctionDef)]
        for method in methods:
            parts.append(nodes.container("", code(signature(method)), *described(ast.get_docstring(method) or "")))
    return [nodes.container("", *parts, classes=["mb-api"])]


def code(text: str) -> nodes.Element:
    """Code, highlighted as Python."""
    return nodes.literal_block(text, text, language="python", classes=["mb-api-signature"])


def signature(node: Definition) -> str:
    """How a function is called, or what a class derives from and holds."""
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(ast.unparse(base) for base in node.bases)
        fields = [ast.unparse(each) for each in node.body if isinstance(each, ast.AnnAssign) and _is_public(each)]
        head = f"class {node.name}({bases})" if bases else f"class {node.name}"
        return "\n".join([head, *(f"    {each}" for each in fields)])
    marks = "".join(f"@{ast.unparse(each)}\n" for each in node.decorator_list if ast.unparse(each) in SHOWN)
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    line = f"{node.name}({ast.unparse(node.args)}){returns}"
    if len(line) <= WIDE:
        return marks + line
    inner = "".join(f"    {argument},\n" for argument in arguments(node.args))
    return f"{marks}{node.name}(\n{inner}){returns}"


def _is_public(field: ast.AnnAssign) -> bool:
    return isinstance(field.target, ast.Name) and not field.target.id.startswith("_")


def arguments(given: ast.arguments) -> list[str]:
    """The arguments of a function one by one, as a call's signature has them."""
    said = []
    plain = [*given.posonlyargs, *given.args]
    defaults = [None] * (len(plain) - len(given.defaults)) + list(given.defaults)
    for arg, default in zip(plain, defaults, strict=True):
        said.append(ast.unparse(arg) + (f"={ast.unparse(default)}" if default is not None else ""))
        if given.posonlyargs and arg is given.posonlyargs[-1]:
            said.append("/")
    if given.vararg:
        said.append("*" + ast.unparse(given.vararg))
    elif given.kwonlyargs:
        said.append("*")
    for arg, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        said.append(ast.unparse(arg) + (f"={ast.unparse(default)}" if default is not None else ""))
    if given.kwarg:
        said.append("**" + ast.unparse(given.kwarg))
    return said


def described(text: str) -> list[nodes.Node]:
    """A docstring as paragraphs, what is set in as code, and lines that begin with a name as a list of points."""
    found: list[nodes.Node] = []
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        lines = block.splitlines()
        if not lines:
            continue
        if all(line.startswith("    ") for line in lines):
            found.append(nodes.literal_block("", "\n".join(line[4:] for line in lines), language="text"))
            continue
        if example := leading_code(lines):
            found.append(nodes.literal_block("", "\n".join(lines[:example]), language="python"))
            lines = lines[example:]
        if lines and PARAMETER.match(lines[0]):
            found.append(points(lines))
        elif lines:
            found.append(nodes.paragraph("", "", *words(" ".join(line.strip() for line in lines))))
    return found


def leading_code(lines: Sequence[str]) -> int:
    """How many lines, from the first on, are an example: Python in which something is called."""
    for count in range(len(lines), 0, -1):
        try:
            tree = ast.parse("\n".join(lines[:count]))
        except SyntaxError:
            continue
        return count if any(isinstance(node, ast.Call) for node in ast.walk(tree)) else 0
    return 0


def points(lines: Sequence[str]) -> nodes.Element:
    """Lines that each explain a parameter; one that is set in goes on with the one before."""
    shown = nodes.bullet_list(classes=["mb-api-parameters"])
    gathered: list[str] = []
    for line in lines:
        if gathered and (line.startswith("    ") or not PARAMETER.match(line)):
            gathered[-1] += " " + line.strip()
        else:
            gathered.append(line.strip())
    for text in gathered:
        shown += nodes.list_item("", nodes.paragraph("", "", *words(text)))
    return shown


def words(text: str) -> list[nodes.Node]:
    """Text in which what stands between backticks is code."""
    return [
        nodes.literal("", part.strip("`")) if part.startswith("`") else nodes.Text(part)
        for part in re.split(r"(`+[^`]+`+)", text)
        if part
    ]


def aimed(file: str, line: int, shown: Collection[str], docname: str) -> str:
    """Where a link to a line leads: to the line on the page of a file that is `shown`, else to the text of the file."""
    page = f"{page_of(file)}.html#L{line}" if file in shown else f"code/{file}.txt"
    return os.path.relpath(page, os.path.dirname(docname) or ".").replace(os.sep, "/")


def aim(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Lead the links to lines to where the files are, now that every page is read."""
    for link in doctree.findall(nodes.reference):
        if file := link.get("mb_file"):
            link["refuri"] = aimed(file, link["mb_line"], shown_files(app.env), docname)


def serve(app: Sphinx, exception: Exception | None) -> None:
    """Put the texts of the files beside the pages that link to them."""
    if exception is not None or app.builder.format != "html":
        return
    for file in sorted(linked(app.env) - set(shown_files(app.env))):
        target = Path(app.outdir) / "code" / f"{file}.txt"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PACKAGE.parent / file, target)


def merge(app: Sphinx, env: BuildEnvironment, docnames: set[str], other: BuildEnvironment) -> None:
    """Take over what a parallel reader found."""
    linked(env).update(linked(other))


def setup(app: Sphinx) -> Mapping[str, Any]:
    """Register all of it."""
    app.add_directive("package-reference", ReferenceDirective)
    app.connect("doctree-resolved", aim)
    app.connect("env-merge-info", merge)
    app.connect("build-finished", serve)
    return {"version": "1", "env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
