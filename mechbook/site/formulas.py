"""Formulas as the built pages show them: set by MathJax when the site is built, so that no page has to load MathJax.

Each keeps MathML beside what is seen, for those who listen; none is a stop of the tab key.
"""

import html
import json
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mechbook.core import npm
from mechbook.core.cache.closure import PACKAGE

# As Sphinx writes them for a script that would look for them in the page.
INLINE = re.compile(r'<span class="math notranslate nohighlight">\\\((.*?)\\\)</span>', re.DOTALL)
DISPLAYED = re.compile(
    r'(<div class="math notranslate nohighlight"[^>]*>(?:(?!</div>).)*?)\\\[(.*?)\\\](\s*</div>)', re.DOTALL
)
# From the style sheet, in _static, to the vendored fonts.
FONTS = "../vendor/formulas"
SCRIPT = Path(__file__).with_name("formulas.cjs")
# A formula's TeX, and whether it is displayed.
Formula = tuple[str, bool]


def found(page: str) -> list[Formula]:
    """The formulas of a page as Sphinx writes it."""
    inline = [(html.unescape(match[1]), False) for match in INLINE.finditer(page)]
    return inline + [(html.unescape(match[2]), True) for match in DISPLAYED.finditer(page)]


def rendered(formulas: Iterable[Formula], project: Path = PACKAGE.parent) -> tuple[dict[Formula, str], str]:
    """Return the HTML of each formula, and the style sheet of the characters that occur in them.

    Raises RuntimeError, with MathJax's words and the formula, where one is wrong, and as `npm.run`.
    """
    wanted: Sequence[Formula] = sorted(set(formulas))
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "source.json", Path(folder) / "target.json"
        source.write_text(json.dumps(wanted), encoding="utf-8")
        done = npm.run(str(SCRIPT), [str(source), str(target), FONTS], project)
        if done.returncode or not target.is_file():
            raise RuntimeError(f"A formula cannot be set: {done.stderr.strip()}")
        made = json.loads(target.read_text(encoding="utf-8"))
    return dict(zip(wanted, made["formulas"], strict=True)), made["style"]


def filled(page: str, known: Mapping[Formula, str]) -> str:
    """The page with each of its formulas set; KeyError for one that is not known."""
    span = '<span class="math notranslate nohighlight">'
    page = INLINE.sub(lambda match: f"{span}{known[html.unescape(match[1]), False]}</span>", page)
    return DISPLAYED.sub(lambda match: match[1] + known[html.unescape(match[2]), True] + match[3], page)
