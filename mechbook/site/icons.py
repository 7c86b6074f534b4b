"""The theme's icons cut down to those that the site shows: characters of small fonts, with no script.

The theme brings every icon of Font Awesome twice, as a script of 1.5 MB that draws them and as fonts with a style sheet
that names each; a dozen are on the pages. The style sheet suffices, cut down as its fonts are.
"""

import io
import re
from collections.abc import Iterable
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

# The script that the pages no longer load.
SCRIPT = re.compile(r'\s*<script defer(?:="defer")? src="[^"]*scripts/fontawesome\.js[^"]*"></script>')
NAME = re.compile(r"\bfa-[a-z0-9-]+")
# `.fa-list:before,.fa-list-squares:before{content:"\f03a"}`
RULE = re.compile(r'((?:\.fa-[a-z0-9-]+:{1,2}before,?)+)\{content:"[^"]*"\}')
FACE = re.compile(r"src:url\(\.\./vendor/fontawesome/webfonts/([\w-]+)\.woff2\)[^;}]*")
# Characters as style sheets write them: escaped, in small or in capital digits, or themselves.
ESCAPED = re.compile(r"\\([0-9A-Fa-f]{1,6})")
PRIVATE = re.compile("[\ue000-\uf8ff]")


def used(texts: Iterable[str]) -> set[str]:
    """The icons that pages and scripts name, such as "fa-list"."""
    return {name for text in texts for name in NAME.findall(text)}


def cut_styles(style: str, names: set[str]) -> str:
    """The theme's style sheet without the icons that are not among `names`, and with the small fonts for its own."""
    kept = RULE.sub(lambda rule: rule[0] if names & set(NAME.findall(rule[1])) else "", style)
    return FACE.sub(lambda face: f'src:url(../icons/{face[1]}.woff) format("woff")', kept)


def characters(styles: Iterable[str]) -> set[int]:
    """The code points of all characters that style sheets put before or after something."""
    texts = list(styles)
    points = {int(code, 16) for text in texts for code in ESCAPED.findall(text)}
    return points | {ord(one) for text in texts for one in PRIVATE.findall(text)}


def cut_font(font: Path, points: set[int]) -> bytes:
    """A font with the glyphs of `points` alone, as WOFF."""
    options = Options()
    options.flavor, options.layout_features, options.name_IDs = "woff", [], [0, 13, 14]
    options.drop_tables += ["FFTM"]
    with TTFont(font) as read:
        subsetter = Subsetter(options)
        subsetter.populate(unicodes=points)
        subsetter.subset(read)
        read.flavor = "woff"
        out = io.BytesIO()
        read.save(out)
    return out.getvalue()


def cut_in_place(font: Path, points: set[int]) -> None:
    """Cut a WOFF down to `points`; one that has none of them stays whole.

    Browsers refuse a font without characters; the one that MathJax names for its height has none that a formula shows.
    """
    with TTFont(font) as read:
        has = set(read.getBestCmap())
    if points & has:
        font.write_bytes(cut_font(font, points))


def cut(static: Path, texts: Iterable[str]) -> None:
    """Cut down styles and fonts in a built site's folder `_static`, for the icons that `texts`, its pages, name.

    What a theme of another make lacks stays as it is. The script and the whole fonts go.
    """
    theme = static / "styles" / "pydata-sphinx-theme.css"
    if not theme.is_file():
        return
    scripts = [path for path in sorted(static.rglob("*.js")) if path.name != "fontawesome.js"]
    names = used([*texts, *(path.read_text(encoding="utf-8") for path in scripts)])
    theme.write_text(cut_styles(theme.read_text(encoding="utf-8"), names), encoding="utf-8")
    points = characters(path.read_text(encoding="utf-8") for path in static.rglob("*.css"))
    target = static / "icons"
    target.mkdir(exist_ok=True)
    whole = static / "vendor" / "fontawesome" / "webfonts"
    for font in sorted(whole.glob("*.ttf")):
        (target / f"{font.stem}.woff").write_bytes(cut_font(font, points))
    for path in [*whole.glob("*"), *(static / "scripts").glob("fontawesome.js*")]:
        path.unlink()
