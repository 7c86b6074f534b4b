"""A small site with widget 5d alone: the scripts, a language model in parts beside them, and one page."""

import json
from pathlib import Path
from typing import Any

from mechbook.laser.edits import Edit
from mechbook.laser.widgets.laser_live import live_widget
from mechbook.site.model_files import write_model
from mechbook.widgets.base import BookWidget
from mechbook.widgets.bundle import library

HINTS = {"mlp_in": [[[1.0, 0.1], [0.5, 0.3]], [[7.25, 0.2], [3.0, 0.2]], [[1.5, 0.1], [0.0, 0.0]]]}
# of tokens that the small models know
PROMPTS = (
    {"text": "the an in er on the", "answer": "a", "other": "the"},
    {"text": "an on the in", "answer": "an", "other": "the"},
)
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>t</title>
<meta name="viewport" content="width=device-width">
<body><main></main><script src="../vendor/mechbook.js"></script><script>
const traits = TRAITS;
const model = { get: (key) => traits[key] };
mechbook.widgets[traits.kind]({ model, el: document.querySelector("main") });
</script></body></html>
"""


def tiny_widget(layer: int = 1, rho: float = 0.2) -> BookWidget:
    """The widget for a model of three blocks."""
    edit = Edit(layer=layer, matrix="mlp_in", dropped=(), kind="", rho=rho)
    heads = {"Copying movers off": [(1, 2), (2, 5)], "Others off": [(7, 0), (0, 1)]}
    return live_widget({"facts": edit, "ioi": edit}, HINTS, heads, prompts=PROMPTS)


def build(folder: Path, widget: BookWidget, weights: Path | None, most: int = 24_000_000) -> dict[str, Any]:
    """Write the site, and return what it says of the model."""
    offer = write_model(folder, weights, most)
    (folder / "vendor" / "mechbook.js").write_text(library(), encoding="utf-8")
    settings = {**widget.settings, "engine": None}
    traits = {"kind": widget.kind, "name": widget.name, "settings": settings, "store": "x"}
    (folder / "page").mkdir(exist_ok=True)
    text = PAGE.replace("TRAITS", json.dumps(traits).replace("<", "\\u003c"))
    (folder / "page" / "index.html").write_text(text, encoding="utf-8")
    return offer
