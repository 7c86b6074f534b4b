"""The Sphinx directive {package-map}: the package's folders in rows, and the imports between them as they are now."""

from collections.abc import Mapping
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from mechbook.site.layers import THEMES, imports

# What stands in each row, from the top; site and paper, which may import all of it, are left out.
ROWS: tuple[tuple[str, ...], ...] = (
    THEMES,
    ("shared", "pretrained", "widgets", "records"),
    ("reader", "claims"),
    ("core",),
)
ABOVE = ("site", "paper")
WIDTH, ROW, BOX = 840, 96, (104, 44)
WORDS = (
    "A map of the package in four rows. On top the themes, one a chapter, with no line between any two. "
    "Below them shared, pretrained, widgets and records, then reader and claims, and at the bottom core. "
    "Every line goes down."
)
CAPTION = (
    "The package's folders, drawn from its imports in this build: a line means that the upper folder imports the "
    "lower, the thicker the more of its files do. No theme imports another, and nothing imports upwards; a test holds "
    "the package to that. Left out are the folders site, which builds the book from all of them, and paper, which "
    "computes them at the papers' size."
)


def places() -> dict[str, tuple[float, float]]:
    """The middle of each folder's box, in the picture's units."""
    return {
        folder: ((number + 0.5) / len(row) * WIDTH, (depth + 0.5) * ROW)
        for depth, row in enumerate(ROWS)
        for number, folder in enumerate(row)
    }


def picture() -> str:
    """The map as SVG, in the page's own colours."""
    at = places()
    lines = [
        f'<line x1="{at[a][0]:.0f}" y1="{at[a][1]:.0f}" x2="{at[b][0]:.0f}" y2="{at[b][1]:.0f}" '
        f'stroke-width="{0.6 + 0.25 * min(len(users), 12):.2f}"/>'
        for (a, b), users in sorted(imports().items())
        if a not in ABOVE
    ]
    boxes = [_box(folder, x, y) for folder, (x, y) in at.items()]
    return (
        f'<svg class="mb-map" role="img" aria-label="{WORDS}" viewBox="0 0 {WIDTH} {len(ROWS) * ROW}">'
        f"{''.join(lines)}{''.join(boxes)}</svg>"
    )


def _box(folder: str, x: float, y: float) -> str:
    width, height = BOX
    rect = f'<rect x="{x - width / 2:.0f}" y="{y - height / 2:.0f}" width="{width}" height="{height}" rx="6"/>'
    if folder not in THEMES:
        return f'{rect}<text x="{x:.0f}" y="{y + 5:.0f}">{folder}</text>'
    chapter = f'<text x="{x:.0f}" y="{y - 4:.0f}">chapter {THEMES.index(folder) + 1}</text>'
    return f'{rect}{chapter}<text x="{x:.0f}" y="{y + 14:.0f}">{folder}</text>'


class MapDirective(SphinxDirective):
    """The directive {package-map}."""

    def run(self) -> list[nodes.Node]:
        """The picture with its caption; the page is read anew in every build, since imports change without it."""
        self.env.note_reread()
        box = f'<div class="mb-map-box" tabindex="0">{picture()}</div>'
        return [nodes.raw("", box, format="html"), nodes.paragraph("", CAPTION, classes=["mb-map-caption"])]


def setup(app: Sphinx) -> Mapping[str, Any]:
    """Register it."""
    app.add_directive("package-map", MapDirective)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
