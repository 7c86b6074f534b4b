"""Words in a drawing: text with formulas in dollars, cut into runs whose widths are known before anyone draws them.

Widths are those of DejaVu Sans times WIDE, and each run carries its width into the SVG (`textLength`): whatever font a
reader's machine has, a text takes the room that the drawing left for it.
"""

import re
from dataclasses import dataclass
from functools import cache

from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ft2font import LoadFlags

# DejaVu is wide, Arial and Helvetica about a tenth narrower: halfway, none is stretched or pressed visibly.
WIDE = 0.94
# Of an index against its letter: 14 units then give 11.
SMALL = 0.79
DOWN, UP = 0.28, -0.45
_PART = re.compile(r"([_^])(?:\{([^{}]*)\}|(.))|([^_^]+)", re.S)
_PIECE = re.compile(r"[^\W\d_]+|(?:[\W\d_])+")


@dataclass(frozen=True)
class Run:
    """Characters set alike: `x` from the text's start, `y` from its base line and `width`, all in ems of the text."""

    text: str
    x: float
    y: float
    width: float
    scale: float = 1.0
    italic: bool = False


@cache
def advance(text: str, italic: bool = False) -> float:
    """The width of `text` in ems. ValueError for a character that the font does not have."""
    font = get_font(findfont(FontProperties(family="DejaVu Sans", style="italic" if italic else "normal")))
    if (strange := next((sign for sign in text if not font.get_char_index(ord(sign))), None)) is not None:
        raise ValueError(f"{text!r} has {strange!r}, which the font of drawings does not have.")
    font.set_size(100, 72)
    units = sum(font.load_char(ord(sign), flags=LoadFlags.NO_HINTING).linearHoriAdvance for sign in text)
    return WIDE * units / 65536 / 100


def runs(text: str) -> list[Run]:
    """The runs of `text`, in which `$W_K^1$` is a formula: letters slanted, _ and ^ before one sign or {several}.

    An index above and one below the same letter stand over one another. ValueError for a dollar without its partner.
    """
    parts = text.split("$")
    if len(parts) % 2 == 0:
        raise ValueError(f"{text!r} has a dollar too many or too few: a formula stands between two.")
    found: list[Run] = []
    x = 0.0
    for number, part in enumerate(parts):
        if number % 2:
            x = _formula(part, x, found)
        else:
            x = _run(part, x, 0.0, 1.0, False, found)
    return found


def _formula(formula: str, x: float, found: list[Run]) -> float:
    """Append a formula's runs from `x` on; return where it ends."""
    base = {"_": x, "^": x}  # where the next index below and above may begin
    for sign, several, one, letters in _PART.findall(formula):
        if letters:
            x = _pieces(letters, max(x, *base.values()), 0.0, 1.0, found)
            base = {"_": x, "^": x}
        else:
            base[sign] = _pieces(several or one, base[sign], DOWN if sign == "_" else UP, SMALL, found)
    return max(x, *base.values())


def _pieces(letters: str, x: float, y: float, scale: float, found: list[Run]) -> float:
    """Append letters slanted and all else upright, a hyphen as minus; return where they end."""
    for piece in _PIECE.findall(letters.replace("-", "−")):
        x = _run(piece, x, y, scale, piece[0].isalpha(), found)
    return x


def _run(text: str, x: float, y: float, scale: float, italic: bool, found: list[Run]) -> float:
    """Append one run; return where it ends. Spaces at its ends take room and are no part of it: SVG leaves them out."""
    if drawn := text.strip():
        indent = scale * advance(text[: len(text) - len(text.lstrip())], italic)
        found.append(Run(drawn, x + indent, y, scale * advance(drawn, italic), scale, italic))
    return x + scale * advance(text, italic)


def width(text: str) -> float:
    """The width of `text` in ems."""
    return max((run.x + run.width for run in runs(text)), default=0.0)
