"""The index of the site's search: each section of a page, and each claim, as a document of plain words.

Made when the pages are written, as a script in `_static`, so that a site read from files is searched as one over http.
`search_terms.js` says what a word is, `search.js` asks and shows, both on the page.
"""

import hashlib
import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from mechbook.core import npm
from mechbook.core.cache.closure import PACKAGE

HERE = Path(__file__).parent
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
# Not words: code, what scripts read, drawings, and what leads away from a heading.
SILENT = {"script", "style", "pre", "svg", "noscript", "button", "summary", "select", "nav"}
SILENT_CLASSES = {"headerlink", "eqno", "mb-link", "mb-source", "mb-static", "toctree-wrapper", "prev-next-footer"}
BLOCKS = {
    "p",
    "li",
    "dt",
    "dd",
    "td",
    "th",
    "tr",
    "figcaption",
    "div",
    "section",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "blockquote",
}
EMPHASIS = {"em", "strong", "dfn", "b", "i"}
CLAIM = "claim-"
# A chapter is where a thing is explained; a list of functions or sources only has its name.
WEIGHTS = (
    (r"/\d\d_", 1.0),
    (r"/(what_we_found|notation)", 0.55),
    (r"/(index|how_it_is_built|scorecard|bibliography|status)", 0.35),
    ("", 0.25),
)
# TeX in an excerpt as one would type it.
GREEK = dict(
    alpha="α", beta="β", gamma="γ", delta="δ", epsilon="ε", varepsilon="ε", zeta="ζ", eta="η", theta="θ", kappa="κ",
    mu="μ", nu="ν", xi="ξ", pi="π", rho="ρ", sigma="σ", tau="τ", phi="φ", varphi="φ", chi="χ", psi="ψ", omega="ω",
    Delta="Δ", Sigma="Σ", Phi="Φ", Omega="Ω",
)  # fmt: skip
SIGNS = {
    "lambda": "λ", "Lambda": "Λ", "times": "×", "cdot": "·", "top": "T", "le": "≤", "ge": "≥", "leq": "≤", "geq": "≥",
    "ne": "≠", "neq": "≠", "approx": "≈", "sim": "~", "to": "→", "in": "∈", "sum": "Σ", "infty": "∞", "sqrt": "√",
    "pm": "±", "ldots": "…", "dots": "…", "mid": "|", "propto": "∝", "ell": "ℓ", "quad": " ", "qquad": " ", "ll": "≪",
    "gg": "≫", **{name: name for name in ("log", "exp", "max", "min", "Pr")},
}  # fmt: skip
# What only says how letters look.
FACES = r"text|mathrm|mathbf|mathbb|mathcal|operatorname|hat|bar|tilde|mathsf|boldsymbol|overline"


@dataclass
class Document:
    """A section of a page, or a claim's card, as the search knows it; `weight` is its page's."""

    page: str
    address: str
    weight: float
    title: str = ""
    anchor: str = ""
    text: str = ""
    terms: str = ""
    id: int = 0


def plain(tex: str) -> str:
    r"""A formula as one would type it, for excerpts: `\frac{\alpha}{W_{K}^1}` is α/W_K^1."""
    tex = re.sub(r"\\(begin|end)\{\w+\*?\}|\\(left|right|big|Big|bigg|displaystyle|limits)\b|\\[,;:!> ]", " ", tex)
    tex = re.sub(rf"\\(?:{FACES})\*?\{{([^{{}}]*)\}}", r"\1", tex)
    for _ in range(2):
        tex = re.sub(r"([_^])\{([^{}]*)\}", lambda match: match[1] + match[2].strip(), tex)
        tex = re.sub(r"\\[dt]?frac\{([^{}]*)\}\{([^{}]*)\}", r"\1/\2", tex)
    tex = re.sub(r"\\([A-Za-z]+)", lambda match: GREEK.get(match[1]) or SIGNS.get(match[1]) or "", tex)
    return " ".join(re.sub(r"[{}\\]|&", " ", tex).split())


class Reader(HTMLParser):
    """The documents of a page: a new one begins with each section that has a heading, and with each claim's card."""

    def __init__(self, page: Document) -> None:
        super().__init__()
        self.page = page
        self.found: list[Document] = []
        self.open: list[tuple[str, set[str]]] = []
        self.stack: list[tuple[int, Document]] = []
        self.parts: dict[int, list[str]] = {}

    def silent(self) -> bool:
        """Whether what is read now is no word of the book."""
        inside = any("bd-article" in classes for _, classes in self.open)
        return not inside or any(tag in SILENT or classes & SILENT_CLASSES for tag, classes in self.open)

    def begin(self, anchor: str) -> None:
        """Begin a document at an anchor; it lasts as long as the element that is being opened."""
        document = Document(self.page.page, self.page.address, self.page.weight, anchor=anchor)
        self.found.append(document)
        self.stack.append((len(self.open), document))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note where the reader is."""
        if tag in VOID:
            return
        values = dict(attrs)
        anchor = values.get("id") or ""
        self.open.append((tag, set((values.get("class") or "").split())))
        if (tag == "section" or anchor.startswith(CLAIM)) and anchor and not self.silent():
            self.begin(anchor)
        if tag in BLOCKS and self.stack:
            self.stack[-1][1].text += "\n"

    def handle_endtag(self, tag: str) -> None:
        """Leave the element, and what began with it."""
        if tag not in {name for name, _ in self.open}:
            return
        while self.open:
            name, _ = self.open.pop()
            while self.stack and self.stack[-1][0] > len(self.open):
                self.stack.pop()
            if name == tag:
                return

    def handle_data(self, data: str) -> None:
        """Add words to the document they stand in."""
        if not self.stack or self.silent():
            return
        words, document = data, self.stack[-1][1]
        tags = {tag for tag, _ in self.open[self.stack[-1][0] - 1 :]}
        if any("math" in classes for _, classes in self.open):
            words = plain(re.sub(r"\\[\[\]()]", " ", data))
        if tags & {"h1", "h2", "h3", "h4", "h5"}:
            document.title += words
            return
        document.text += words
        if tags & EMPHASIS:
            document.terms += f" {words}"


def documents(address: str, page: str, claims: Mapping[str, Mapping[str, Any]]) -> list[Document]:
    """The documents of a page: sections with words of their own, and claims reported there (rows by anchor)."""
    title = re.search(r'<h1>((?:(?!<h1>).)*?)<a class="headerlink"', page, re.DOTALL)
    if title is None:
        return []
    name = " ".join(plain(re.sub(r"<[^>]+>|\\[()]", "", title[1])).split())
    weight = next(value for pattern, value in WEIGHTS if re.search(pattern, "/" + address))
    reader = Reader(Document(name, address, weight))
    reader.feed(page)
    found = []
    for document in reader.found:
        document.text = " ".join(document.text.split())
        document.title = " ".join(document.title.split())
        if row := claims.get(document.anchor):
            document.title, document.terms = f"Claim {row['id']}", str(row["id"])
            document.text = str(row["statement"])
        if document.title or document.text:
            found.append(document)
    return found


def write(
    site: Path, pages: Mapping[Path, str], rows: Sequence[Mapping[str, Any]], project: Path = PACKAGE.parent
) -> None:
    """Write the search into a built site, whose pages' texts are given as Sphinx wrote them; RuntimeError as `npm.run`.

    `rows` are the scorecard's: what is reported on a page is found there, what is not on the scorecard.
    """
    claims = {row["anchor"]: row for row in rows if row.get("anchor")}
    held = [
        document
        for path, text in pages.items()
        if path.name not in ("search.html", "genindex.html") and path.parent.name != "code"
        for document in documents(path.relative_to(site).as_posix(), text, claims)
    ]
    for number, document in enumerate(held):
        document.id = number
    static = site / "_static"
    static.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "documents.json", Path(folder) / "index.js"
        source.write_text(json.dumps([asdict(one) for one in held]), encoding="utf-8")
        done = npm.run(str(HERE / "search_index.cjs"), [str(source), str(target)], project)
        if done.returncode:
            raise RuntimeError(f"The index of the search cannot be made: {done.stderr.strip()}")
        index = target.read_text(encoding="utf-8")
    (static / "search_index.js").write_text(index, encoding="utf-8")
    (static / "search_terms.js").write_text((HERE / "search_terms.js").read_text(encoding="utf-8"), encoding="utf-8")
    version = hashlib.sha256(index.encode()).hexdigest()[:16]
    script = (HERE / "search.js").read_text(encoding="utf-8")
    (static / "search.js").write_text(f'const INDEX = "{version}";\n{script}', encoding="utf-8")
