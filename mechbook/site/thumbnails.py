"""The landing page's small pictures, drawn from measured numbers as SVG in the page's own colours, in either theme.

All are WIDE x HIGH units and shown at no less than 128 pixels: letters of SIZE units are then 9 pixels high.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape

from mechbook.reader.circuits.elements import Number
from mechbook.reader.circuits.words import runs
from mechbook.reader.figures import style_of

WIDE, HIGH, SIZE = 176, 112, 13
# Of letters with an index: the index alone is then SIZE high.
INDEXED = 16.5
# More dots than this do not fit.
MOST_DOTS = 25 * 16
QUIET = "var(--pst-color-text-muted)"


def picture(words: str, *parts: str) -> str:
    """The parts as one picture, for which `words` stand where it is not seen."""
    return (
        f'<svg class="mb-thumb" xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(words)}" '
        f'viewBox="0 0 {WIDE} {HIGH}">{"".join(parts)}</svg>'
    )


def hue(role: str) -> str:
    """The colour of a role, which the theme chooses. ValueError for a role that figures do not have."""
    style_of(role)
    return f"var(--mb-{role})"


def _number(value: Number) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _line(points: Sequence[tuple[Number, Number]], colour: str, wide: Number = 3, dashed: str = "") -> str:
    path = "L".join(f"{_number(x)} {_number(y)}" for x, y in points)
    dash = f";stroke-dasharray:{dashed}" if dashed else ""
    return f'<path d="M{path}" style="fill:none;stroke:{colour};stroke-width:{wide};stroke-linecap:round{dash}"/>'


def _dot(x: Number, y: Number, colour: str, radius: Number = 5) -> str:
    return f'<circle cx="{_number(x)}" cy="{_number(y)}" r="{_number(radius)}" style="fill:{colour}"/>'


def _bar(x: Number, y: Number, wide: Number, high: Number, colour: str) -> str:
    size = f'width="{_number(wide)}" height="{_number(high)}"'
    return f'<rect x="{_number(x)}" y="{_number(y)}" {size} rx="2" style="fill:{colour}"/>'


def _text(
    x: Number,
    y: Number,
    words: str,
    colour: str = "var(--pst-color-text-base)",
    *,
    anchor: str = "start",
    bold: bool = False,
) -> str:
    weight = ";font-weight:700" if bold else ""
    ink = f"color-mix(in srgb, {colour} 75%, var(--pst-color-text-base))"
    return (
        f'<text x="{_number(x)}" y="{_number(y)}" font-size="{SIZE}" text-anchor="{anchor}" '
        f'style="fill:{ink}{weight}">{escape(words)}</text>'
    )


def _formula(x: Number, y: Number, formula: str, colour: str) -> str:
    ink = f"fill:color-mix(in srgb, {colour} 75%, var(--pst-color-text-base));font-weight:600"
    return "".join(
        f'<text x="{_number(x + INDEXED * run.x)}" y="{_number(y + INDEXED * run.y)}" '
        f'font-size="{_number(INDEXED * run.scale)}" textLength="{_number(INDEXED * run.width)}" '
        f'lengthAdjust="spacingAndGlyphs" style="{ink}{";font-style:italic" if run.italic else ""}">'
        f"{escape(run.text)}</text>"
        for run in runs(formula)
    )


def slopes(falls: tuple[str, Number, Number], rises: tuple[str, Number, Number], words: str) -> str:
    """Two probabilities before and after: one named at its start, the other at its end."""
    top, bottom, left, right = 10, 84, 46, 122
    largest = max(*falls[1:], *rises[1:])

    def at(p: Number) -> Number:
        return bottom - (bottom - top) * p / largest

    parts = [_line([(x, top - 6), (x, bottom + 4)], "var(--pst-color-border)", 1.5) for x in (left, right)]
    parts += [_text(x, HIGH - 6, when, anchor="middle") for x, when in ((left, "before"), (right, "after"))]
    for (name, before, after), role, named in ((falls, "noise", "before"), (rises, "correct", "after")):
        colour = hue(role)
        parts += [_line([(left, at(before)), (right, at(after))], colour), _dot(left, at(before), colour)]
        parts.append(_dot(right, at(after), colour))
        if named == "before":
            parts.append(_text(left - 9, at(before) + 4.5, name, colour, anchor="end", bold=True))
        else:
            parts.append(_text(right + 9, at(after) + 4.5, name, colour, bold=True))
    return picture(words, *parts)


def lanes(lines: Sequence[tuple[str, str, Number]], words: str, *, never: str = "") -> str:
    """For each (name, role, step) a line that is bright from the step on at which something was learned.

    never: the name of one more, dotted, for what was not, being alone.
    """
    left, right = 42, 170
    last = max(step for _, _, step in lines)
    rows = len(lines) + bool(never)
    high = HIGH / rows
    parts = []
    for number, (name, role, step) in enumerate(lines):
        y, x = high * (number + 0.5), left + (right - left) * 0.86 * step / last
        colour = hue(role)
        parts += [_line([(left, y), (x, y)], "var(--pst-color-border)", 2), _line([(x, y), (right, y)], colour, 6)]
        parts.append(_dot(x, y, colour, 6))
        named = "$" in name
        parts.append(_formula(0, y + 5.5, name, colour) if named else _text(left - 10, y + 4.5, name, anchor="end"))
    if never:
        y = high * (rows - 0.5)
        parts.append(_line([(left, y), (right - 42, y)], hue("noise"), 2, "1 6"))
        parts.append(_text(left - 10, y + 4.5, never, anchor="end"))
        parts.append(_text(right, y + 4.5, "alone", hue("noise"), anchor="end"))
    return picture(words, *parts)


def bars(shares: Sequence[Number], words: str) -> str:
    """Shares of one, the largest marked."""
    bottom, room = 104, WIDE / len(shares)
    parts = []
    for number, share in enumerate(shares):
        colour = hue("correct") if share == max(shares) else QUIET
        high = max(2.0, 96 * share)
        parts.append(_bar(room * number + 0.18 * room, bottom - high, 0.64 * room, high, colour))
    parts.append(_line([(4, bottom + 3), (WIDE - 4, bottom + 3)], "var(--pst-color-border)", 1.5))
    return picture(words, *parts)


def falling(heights: Sequence[Number], words: str) -> str:
    """Shares of one, evenly spaced, as a line over its shade."""
    top, bottom, left, right = 10, 100, 10, 166
    step = (right - left) / (len(heights) - 1)
    points = [(left + step * i, bottom - (bottom - top) * h / max(heights)) for i, h in enumerate(heights)]
    shade = "L".join(f"{_number(x)} {_number(y)}" for x, y in [*points, (right, bottom), (left, bottom)])
    return picture(
        words,
        f'<path d="M{shade}z" style="fill:{hue("noise")};fill-opacity:0.14"/>',
        _line([(left, bottom), (right, bottom)], "var(--pst-color-border)", 1.5),
        _line(points, hue("noise")),
        *(_dot(x, y, hue("noise"), 4.5) for x, y in points),
    )


def dots(few: Number, many: Number, words: str) -> str:
    """A dot for each of `many` things, `few` of them marked; for every so many, where they are too many."""
    each = max(1, math.ceil(many / MOST_DOTS))
    places = [(7 * (i % 25) + 4, 7 * (i // 25) + 3.5) for i in range(round(many / each))]
    marked = round(few / each)

    def drawn(some: Sequence[tuple[Number, Number]], colour: str) -> str:
        path = "".join(f"M{_number(x)} {_number(y)}h0" for x, y in some)
        return f'<path d="{path}" style="fill:none;stroke:{colour};stroke-width:5;stroke-linecap:round"/>'

    return picture(words, drawn(places[marked:], hue("correct")), drawn(places[:marked], hue("W_O2")))


def ring(whole: Number, part: Number, words: str, *, written: str) -> str:
    """A ring for the share `whole`, and on it an arc for `part`, which is written in the middle."""
    x, y, radius = WIDE / 2, HIGH / 2, 42
    around = 2 * math.pi * radius

    def arc(share: Number, colour: str) -> str:
        dash = f"{_number(around * share)} {_number(around)}"
        at = f'cx="{_number(x)}" cy="{_number(y)}" r="{radius}"'
        return (
            f'<circle {at} transform="rotate(-90 {_number(x)} {_number(y)})" '
            f'style="fill:none;stroke:{colour};stroke-width:18;stroke-dasharray:{dash}"/>'
        )

    faint = f"color-mix(in srgb, {hue('predicted')} 45%, transparent)"
    return picture(
        words,
        arc(whole, faint),
        arc(part, hue("correct")),
        _text(x, y + 5, written, hue("correct"), anchor="middle", bold=True),
    )


def squares(statuses: Sequence[Sequence[str]], words: str) -> str:
    """A row for each chapter and in it a square for each claim: full, struck through, or empty."""
    pitch = 12
    wide, high = pitch * max(len(row) for row in statuses), pitch * len(statuses)
    shapes: Mapping[str, str] = {
        "held": '<rect x="{x}" y="{y}" width="9" height="9" rx="1.5" class="mb-held"/>',
        "failed": '<path d="M{x} {y}h9v9h-9zl9 9m0-9l-9 9" class="mb-failed"/>',
    }
    other = '<rect x="{x}" y="{y}" width="9" height="9" rx="1.5" class="mb-other"/>'
    drawn = [
        shapes.get(status, other).format(x=pitch * column + 1.5, y=pitch * row + 1.5)
        for row, line in enumerate(statuses)
        for column, status in enumerate(line)
    ]
    return (
        f'<svg class="mb-squares" xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(words)}" '
        f'viewBox="0 0 {wide} {high}">{"".join(drawn)}</svg>'
    )
