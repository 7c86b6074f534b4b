"""A page that Sphinx has resolved, as the cells of a notebook: Markdown that every notebook reads, and code.

References, citations, equations' numbers and measured numbers are words by then. What is no Markdown raises ValueError,
so that no role, directive or number is ever lost on the way.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from docutils import nodes

# What a reader of a notebook has no use for: anchors, and what Sphinx keeps for itself.
SILENT = ("target", "comment", "index", "compound", "toctree", "substitution_definition", "meta", "colspec", "PageOnly")
ADMONITIONS = ("note", "tip", "warning", "important", "hint", "caution", "danger", "attention", "seealso", "error")
MARKS = re.compile(r"([\\`*$])|(?<!\w)(_)|(_)(?!\w)")
LINE_MARKS = re.compile(r"^(\s*)([#>+-]|\d+[.)])(?=\s)", re.M)


@dataclass(frozen=True)
class Words:
    """A cell of Markdown."""

    text: str


@dataclass(frozen=True)
class Code:
    """A code cell: its place in the page's notebook; `hidden` where it belongs to a solution."""

    index: int
    hidden: bool


Cell = Words | Code


@dataclass
class Writer:
    """Makes the cells of one page.

    link: the address of a link's target, None where a notebook cannot follow it
    number: the number of a figure, table or exercise by its kind and anchor, such as "3"
    after: what is told below a code cell, given the node of its outputs
    """

    link: Callable[[nodes.reference], str | None]
    number: Callable[[str, str], str | None]
    after: Callable[[nodes.Element], Sequence[str]] = lambda outputs: ()
    cells: list[Cell] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    folded: list[str] = field(default_factory=list)

    def page(self, document: nodes.document) -> list[Cell]:
        """The cells, in order."""
        self.walk(document, 0)
        self.flush()
        return self.cells

    def flush(self) -> None:
        """End the cell of Markdown that is being written."""
        if self.waiting:
            self.cells.append(Words("\n\n".join(self.waiting)))
        self.waiting = []

    def walk(self, node: nodes.Element, level: int) -> None:
        """Write what stands in a section, or in anything else that may hold code cells."""
        for child in node.children:
            kind = type(child).__name__
            if isinstance(child, nodes.section):
                self.flush()
                self.walk(child, level + 1)
            elif isinstance(child, nodes.title):
                self.waiting.append(f"{'#' * max(1, level)} {self.inline(child)}")
            elif isinstance(child, nodes.container) and child.get("nb_element") == "cell_code":
                self.code(child)
            elif kind == "exercise_enumerable_node" or kind == "exercise_node":
                self.exercise(child)
            elif kind == "solution_node":
                self.solution(child)
            else:
                self.waiting += self.block(child)

    def code(self, cell: nodes.Element) -> None:
        """A code cell, and below it the caption of its figure and what else is told."""
        if self.folded:
            self.waiting.append("</details>")
        self.flush()
        self.cells.append(Code(int(cell["cell_index"]), bool(self.folded)))
        for figure in cell.findall(nodes.figure):
            for caption in figure.findall(nodes.caption):
                number = next((found for id in figure["ids"] if (found := self.number("figure", id))), None)
                head = f"**Figure {number}.** " if number else ""
                self.waiting.append(head + self.inline(caption))
        self.waiting += self.after(cell)
        if self.folded:
            self.waiting.append(self.opening(f"{self.folded[-1]}, continued"))

    @staticmethod
    def opening(summary: str) -> str:
        """The beginning of what folds."""
        return f"<details><summary>{summary}</summary>"

    def exercise(self, node: nodes.Element) -> None:
        """An exercise: its title in bold, then what it asks."""
        title, rest = self.titled(node, "exercise")
        self.flush()
        self.waiting.append(f"**{title}**")
        self.walk(rest, 6)

    def solution(self, node: nodes.Element) -> None:
        """A solution folds; where there is code in it, so does what comes before and after, and the code itself."""
        title, rest = self.titled(node, "solution")
        self.flush()
        self.folded.append(title)
        self.waiting.append(self.opening(title))
        self.walk(rest, 6)
        self.folded.pop()
        # nothing came after the last cell of code
        if self.waiting[-1:] == [self.opening(f"{title}, continued")]:
            self.waiting.pop()
        else:
            self.waiting.append("</details>")
        self.flush()

    def titled(self, node: nodes.Element, kind: str) -> tuple[str, nodes.Element]:
        """The title of an exercise or a solution, and a node with all the rest."""
        rest = node.deepcopy()
        assert isinstance(rest, nodes.Element)
        title = kind.capitalize()
        for child in list(rest.children):
            if isinstance(child, nodes.title):
                title = re.sub(r"^Solution to(?=\S)", "Solution to ", self.inline(child))
                if kind == "exercise" and (number := next(self.numbers(node, kind), None)):
                    title = f"Exercise {number} {title}"
                rest.remove(child)
        # the body is a section of its own, without a title
        flat = nodes.container()
        for child in rest.children:
            flat += list(child.children) if isinstance(child, nodes.section) else [child]
        return " ".join(title.split()), flat

    def numbers(self, node: nodes.Element, kind: str) -> Iterator[str]:
        """The numbers that the anchors of a node have."""
        for id in node["ids"]:
            if (found := self.number(kind, id)) is not None:
                yield found

    def block(self, node: nodes.Node) -> list[str]:
        """One paragraph, list, formula, table or admonition as blocks of Markdown."""
        kind = type(node).__name__
        if isinstance(node, nodes.paragraph | nodes.caption | nodes.term | nodes.rubric):
            return [LINE_MARKS.sub(r"\1\\\2", self.inline(node))]
        if isinstance(node, nodes.math_block):
            return [formula(node)]
        if isinstance(node, nodes.bullet_list | nodes.enumerated_list):
            return [self.listed(node)]
        if isinstance(node, nodes.literal_block):
            return [fenced(node)]
        if isinstance(node, nodes.admonition) or kind in ADMONITIONS:
            return self.admonition(node)
        if isinstance(node, nodes.table):
            return self.table(node)
        if isinstance(node, nodes.definition_list):
            return [f"**{self.inline(item[0])}**: {' '.join(self.blocks(item[-1]))}" for item in node.children]
        if isinstance(node, nodes.block_quote):
            return [quoted(self.blocks(node))]
        if isinstance(node, nodes.transition):
            return ["---"]
        if isinstance(node, nodes.raw):
            return [text] if (text := markup(node)) else []
        if isinstance(node, nodes.container | nodes.compound) and kind != "compound" and "nb_element" not in node:
            return self.blocks(node)
        if kind in SILENT:
            return []
        raise ValueError(f"a {kind} has no form in a notebook that travels: {node.astext()[:80]!r}.")

    def blocks(self, node: nodes.Element) -> list[str]:
        """The blocks of all that a node holds."""
        return [text for child in node.children for text in self.block(child)]

    def listed(self, node: nodes.Element) -> str:
        """A list; what belongs to a point is set in below it."""
        points = []
        for number, item in enumerate(node.children, int(node.get("start", 1))):
            mark = f"{number}. " if isinstance(node, nodes.enumerated_list) else "- "
            inset = " " * len(mark)
            text = "\n\n".join(self.blocks(item))
            points.append(mark + re.sub(r"\n(?!\n)", f"\n{inset}", text))
        return "\n".join(points)

    def admonition(self, node: nodes.Node) -> list[str]:
        """A box is a quotation under its title; one that folds on the page folds here."""
        assert isinstance(node, nodes.Element)
        title = next((self.inline(child) for child in node.children if isinstance(child, nodes.title)), "")
        title = title or type(node).__name__.capitalize()
        body = [text for child in node.children if not isinstance(child, nodes.title) for text in self.block(child)]
        if {"dropdown", "toggle"} & set(node.get("classes", ())):
            return ["\n\n".join([self.opening(title), *body, "</details>"])]
        return [quoted([f"**{title}**", *body])]

    def table(self, node: nodes.Element) -> list[str]:
        """A table of Markdown, under its title."""
        title = [f"**{self.inline(child)}**" for child in node.children if isinstance(child, nodes.title)]
        rows = []
        for row in node.findall(nodes.row):
            entries = [" ".join(self.blocks(entry)).replace("\n", " ") for entry in row.children]
            rows.append("| " + " | ".join(_without_bars(entry) for entry in entries) + " |")
        if not rows:
            return title
        rule = "|" + "---|" * len(next(iter(node.findall(nodes.row))).children)
        head = [rows[0], rule, *rows[1:]]
        if not list(node.findall(nodes.thead)):
            head = [re.sub(r"[^|]", " ", rows[0]), rule, *rows]
        return [*title, "\n".join(head)]

    def inline(self, node: nodes.Element) -> str:
        """The words of a paragraph, with their marks."""
        return "".join(self.part(child) for child in node.children).strip()

    def part(self, node: nodes.Node) -> str:
        """A part of a paragraph."""
        kind = type(node).__name__
        if isinstance(node, nodes.Text):
            text = MARKS.sub(lambda found: "\\" + found[0], node.astext())
            return text.replace("<", "&lt;")
        if isinstance(node, nodes.math):
            return f"${node.astext().strip()}$"
        if isinstance(node, nodes.literal):
            return literal(node.astext())
        if isinstance(node, nodes.strong):
            return f"**{self.inline(node)}**"
        if isinstance(node, nodes.emphasis | nodes.title_reference):
            return f"*{self.inline(node)}*"
        if isinstance(node, nodes.reference):
            address = self.link(node)
            return f"[{self.inline(node)}]({address})" if address else self.inline(node)
        if isinstance(node, nodes.image):
            return f"*({node.get('alt', 'a picture')})*"
        if isinstance(node, nodes.raw):
            return markup(node)
        if kind in SILENT:
            return ""
        # spaces at either end belong to the sentence
        if isinstance(node, nodes.inline | nodes.subscript | nodes.superscript | nodes.TextElement):
            return "".join(self.part(child) for child in node.children)
        raise ValueError(f"a {kind} has no form in a notebook that travels: {node.astext()[:80]!r}.")


def literal(text: str) -> str:
    """Text as code, between as many backticks as it takes."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    marks = "`" * (longest + 1)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{marks}{space}{text}{space}{marks}"


def markup(node: nodes.raw) -> str:
    """What was written as HTML; a script, which extensions add for the page's sake, is none of a notebook's."""
    text = node.astext()
    return "" if node.get("format") != "html" or "<script" in text else text


def formula(node: nodes.math_block) -> str:
    """A displayed formula with its number."""
    text = "\n".join(line for line in node.astext().strip().splitlines() if line.strip())
    number = node.get("number")
    if number is None or re.search(r"\\tag\b", text):
        return f"$$\n{text}\n$$"
    if node.get("nowrap"):
        return text
    if re.search(r"(?<!\\)\\\\", re.sub(r"\\begin\{(\w+)\}.*?\\end\{\1\}", "", text, flags=re.S)):
        # lines of a formula that Sphinx splits by itself
        text = f"\\begin{{split}}\n{text}\n\\end{{split}}"
    return f"$$\n{text} \\tag{{{number}}}\n$$"


def fenced(node: nodes.literal_block) -> str:
    """A block of code."""
    marks = "```" if "```" not in node.astext() else "````"
    language = str(node.get("language", "")).replace("myst-ansi", "").replace("ipython3", "python")
    return f"{marks}{language}\n{node.astext()}\n{marks}"


def quoted(blocks: Sequence[str]) -> str:
    """A quotation."""
    return "\n".join(f"> {line}".rstrip() for line in "\n\n".join(blocks).splitlines())


def _without_bars(entry: str) -> str:
    """An entry of a table, in which a bar would begin the next one."""
    return re.sub(r"\\\|", r"\\Vert ", entry).replace("|", r"\vert ") if "$" in entry else entry.replace("|", "\\|")
