"""A circuit as SVG inside a page: its colours follow the theme and the roles, and words stand for it unseen.

Nothing is fetched and no script runs, so that it works from a file, on paper and in a notebook, where the colours that
the site's style sheet would give fall back to the same ones.
"""

import math
from html import escape

from IPython.display import display

from mechbook.reader.circuits.elements import Box, Circuit, Number
from mechbook.reader.circuits.layout import BASE, Frame, Placed, Point, Way, frames, texts, ways
from mechbook.reader.circuits.words import runs
from mechbook.reader.figures import DARK, ROLE

_HEAD, _ROUND = 7.5, 8.0


def _rules() -> str:
    """The style of every drawing, the same text in each, so that any of them on a page styles all."""
    ink = "var(--pst-color-text-base, var(--jp-content-font-color1, #1a1a1a))"
    paper = "var(--pst-color-background, var(--jp-layout-color0, #fff))"
    roles = [f".mb-circuit .mb-c-{name} {{ --hue: var(--mb-{name}, {style.colour}); }}" for name, style in ROLE.items()]
    # In JupyterLab nothing else tells a drawing's roles that the theme is dark; on paper there is none.
    dark = " ".join(
        f'body[data-jp-theme-light="false"] .mb-circuit .mb-c-{name} {{ --hue: var(--mb-{name}, {colour}); }}'
        for name, colour in DARK.items()
    )
    return "\n".join(
        [
            f".mb-circuit {{ --ink: {ink}; --paper: {paper}; --hue: var(--ink); display: block; width: 100%; "
            "max-width: 30rem; height: auto; margin: 0 auto; color: var(--ink); "
            "font-family: system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif; }",
            *roles,
            f"@media screen {{ {dark} }}",
            ".mb-circuit text { fill: var(--ink); }",
            ".mb-circuit text.mb-hued { fill: color-mix(in srgb, var(--hue) 75%, var(--ink)); font-weight: 600; }",
            ".mb-circuit .mb-bold { font-weight: 600; }",
            ".mb-circuit .mb-band { fill: var(--ink); fill-opacity: 0.045; }",
            ".mb-circuit .mb-group { fill: var(--paper); stroke: var(--ink); stroke-opacity: 0.45; }",
            ".mb-circuit .mb-under { fill: var(--paper); }",
            ".mb-circuit .mb-box { fill: var(--hue); fill-opacity: 0.13; stroke: var(--hue); stroke-width: 1.5; }",
            ".mb-circuit .mb-token { fill: var(--paper); fill-opacity: 1; }",
            ".mb-circuit .mb-dot { fill: var(--ink); }",
            ".mb-circuit .mb-way { fill: none; stroke: var(--hue); stroke-width: 2; }",
            ".mb-circuit .mb-look { stroke-dasharray: 6 3.5; }",
            ".mb-circuit .mb-weak { stroke-dasharray: 1.5 4; stroke-linecap: round; }",
            ".mb-circuit .mb-stream { stroke-opacity: 0.4; stroke-width: 1.5; }",
            ".mb-circuit .mb-head { fill: var(--hue); }",
            # A page printed in the dark theme may keep its ground: the drawing has its own.
            "@media print { .mb-circuit { --ink: #000; --paper: #fff; background: #fff; print-color-adjust: exact; } }",
        ]
    )


def svg(circuit: Circuit) -> str:
    """The drawing as one <svg> element. All that is written in it is escaped."""
    at, name = frames(circuit), f"circuit-{escape(circuit.name)}"
    drawn = [
        *(
            f'<rect class="mb-band" x="0" y="{_n(band.top)}" width="{_n(circuit.width)}" '
            f'height="{_n(band.bottom - band.top)}" rx="6"/>'
            for band in circuit.bands
        ),
        *(_way(each) for each in ways(circuit) if each.arrow.kind == "stream"),
        *(_rect(at[group.id], "mb-group", 8) for group in circuit.groups),
        *(_box(box, at[box.id]) for box in circuit.boxes),
        *(_way(each) for each in ways(circuit) if each.arrow.kind != "stream"),
        *(_text(each) for each in texts(circuit)),
    ]
    return (
        f'<svg class="mb-circuit" xmlns="http://www.w3.org/2000/svg" role="img" '
        f'aria-labelledby="{name}-title {name}-words" viewBox="0 0 {_n(circuit.width)} {_n(circuit.height)}">'
        f'<title id="{name}-title">{escape(circuit.title)}</title>'
        f'<desc id="{name}-words">{escape(circuit.words)}</desc>'
        f"<style>{_rules()}</style>{''.join(drawn)}</svg>"
    )


def show(circuit: Circuit) -> None:
    """Display a drawing in a chapter or a notebook; where only text can be shown, its words."""
    display({"text/html": svg(circuit), "text/plain": f"{circuit.title}: {circuit.words}"}, raw=True)


def _n(number: Number) -> str:
    """A number to a hundredth of a unit."""
    return f"{number:.2f}".rstrip("0").rstrip(".")


def _classes(role: str | None, *names: str) -> str:
    return " ".join([*names, *([f"mb-c-{role}"] if role else [])])


def _rect(frame: Frame, classes: str, radius: Number) -> str:
    size = f'width="{_n(frame.right - frame.left)}" height="{_n(frame.bottom - frame.top)}"'
    return f'<rect class="{classes}" x="{_n(frame.left)}" y="{_n(frame.top)}" {size} rx="{_n(radius)}"/>'


def _box(box: Box, frame: Frame) -> str:
    if box.kind == "dot":
        return f'<circle class="{_classes(box.role, "mb-dot")}" cx="{_n(box.x)}" cy="{_n(box.y)}" r="3"/>'
    if box.kind == "sum":
        cross = f"M{_n(box.x - 5)} {_n(box.y)}h10M{_n(box.x)} {_n(box.y - 5)}v10"
        circle = f'cx="{_n(box.x)}" cy="{_n(box.y)}" r="9"'
        return (
            f'<circle class="mb-under" {circle}/><circle class="{_classes(box.role, "mb-box")}" {circle}/>'
            f'<path class="{_classes(box.role, "mb-way")}" d="{cross}"/>'
        )
    radius = {"token": 4.0, "chip": 12.0, "part": 2.0}[box.kind]
    names = ("mb-box", "mb-token") if box.kind == "token" else ("mb-box",)
    return _rect(frame, "mb-under", radius) + _rect(frame, _classes(box.role, *names), radius)


def _way(each: Way) -> str:
    arrow = each.arrow
    points = list(each.points)
    headed = arrow.kind != "stream"
    # The line ends inside the head, which would else be blunt.
    before, end = (points[-2], points[-1])
    gap = math.dist(before, end) or 1.0
    along = ((end[0] - before[0]) / gap, (end[1] - before[1]) / gap)
    if headed:
        points[-1] = (end[0] - 0.7 * _HEAD * along[0], end[1] - 0.7 * _HEAD * along[1])
    line = f'<path class="{_classes(arrow.role, "mb-way", f"mb-{arrow.kind}")}" d="{_path(points, arrow.curved)}"/>'
    return line + (_tip(end, along, _classes(arrow.role, "mb-head")) if headed else "")


def _tip(end: Point, along: Point, classes: str) -> str:
    (x, y), (dx, dy), half = end, along, 0.5 * _HEAD
    corners = [(x, y), (x - _HEAD * dx - half * dy, y - _HEAD * dy + half * dx)]
    corners.append((x - _HEAD * dx + half * dy, y - _HEAD * dy - half * dx))
    return f'<path class="{classes}" d="M{"L".join(f"{_n(a)} {_n(b)}" for a, b in corners)}z"/>'


def _path(points: list[Point], curved: bool) -> str:
    """The path through the points: an arc, or a line whose corners are round."""
    spelled = [f"{_n(x)} {_n(y)}" for x, y in points]
    if curved:
        return f"M{spelled[0]}C{' '.join(spelled[1:])}"
    parts = [f"M{spelled[0]}"]
    for number in range(1, len(points) - 1):
        before, corner, after = points[number - 1 : number + 2]
        cut = min(_ROUND, math.dist(before, corner) / 2, math.dist(corner, after) / 2)
        parts.append(f"L{_towards(corner, before, cut)}Q{spelled[number]} {_towards(corner, after, cut)}")
    return "".join([*parts, f"L{spelled[-1]}"])


def _towards(start: Point, end: Point, distance: Number) -> str:
    share = distance / (math.dist(start, end) or 1.0)
    return f"{_n(start[0] + share * (end[0] - start[0]))} {_n(start[1] + share * (end[1] - start[1]))}"


def _text(each: Placed) -> str:
    names = [*(["mb-hued"] if each.role else []), *(["mb-bold"] if each.bold else [])]
    opened = f' class="{_classes(each.role, *names)}"' if names else ""
    found = []
    for run in runs(each.text):
        x, y = each.x + each.size * run.x, each.y + each.size * (BASE + run.y)
        slant = ' font-style="italic"' if run.italic else ""
        found.append(
            f'<text{opened} x="{_n(x)}" y="{_n(y)}" font-size="{_n(each.size * run.scale)}"{slant} '
            f'textLength="{_n(each.size * run.width)}" lengthAdjust="spacingAndGlyphs">{escape(run.text)}</text>'
        )
    return "".join(found)
