"""Widgets on a built page: what a place holds, and the files of weights that its script asks for when it is neared.

myst-nb writes the state of all widgets of a page into its head, in the words of ipywidgets' own manager. That manager
is several megabytes of scripts; the book's widgets need none of it, only their settings and a store of weights.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

STATE = "application/vnd.jupyter.widget-state+json"
VIEW = re.compile(r'<script type="application/vnd\.jupyter\.widget-view\+json">(.*?)</script>', re.DOTALL)
# The folder of the site that holds the stores.
FOLDER = "widgets"
REFERENCE = "IPY_MODEL_"


class NotOurs(ValueError):
    """A widget that is not the book's, and so would be dead without a kernel."""


def placed(body: str, states: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Return a page's body with a place for each view of a widget, and the stores' files: text by name.

    `states` are the models of the page by their id, as the manager knows them. Raises NotOurs for a view of a model
    that is no `mechbook.widgets.base.BookWidget`.
    """
    files: dict[str, str] = {}

    def place(match: re.Match[str]) -> str:
        state = states[json.loads(match[1])["model_id"]]["state"]
        if not all(state.get(trait) for trait in ("kind", "name", "store")):
            words = f"{state.get('_model_name', 'a model')} of {state.get('_model_module', 'no module')}"
            raise NotOurs(
                f"{words} is shown, which needs a kernel; only widgets derived from BookWidget live on a page."
            )
        name, text = store_file(states[state["store"].removeprefix(REFERENCE)])
        files[f"{name}.js"] = text
        traits = {key: state[key] for key in ("kind", "name", "settings")} | {"store": name}
        held = guarded(json.dumps(traits))
        return (
            f'<div class="mb-place" data-name="{state["name"]}"><script type="application/json">{held}</script></div>'
        )

    return VIEW.sub(place, body), files


def store_file(model: Mapping[str, Any]) -> tuple[str, str]:
    """Return the name of a store, a hash of what it holds, and the script that hands it to `live.js`."""
    description = json.dumps(model["state"]["description"])
    data = next((buffer["data"] for buffer in model.get("buffers", ()) if buffer["path"] == ["data"]), "")
    name = hashlib.sha256(f"{description}\n{data}".encode()).hexdigest()[:16]
    return name, f'mechbookStore("{name}", {description}, "{"".join(data.split())}");\n'


def guarded(text: str) -> str:
    """Spell every "<" as JSON can: no text of a widget's ends the script it stands in.

    A browser also ends a script at "</SCRIPT >", and begins a comment in it at "<!--".
    """
    return text.replace("<", "\\u003c")


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write the stores' files; one that is there already holds the same."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        if not (folder / name).exists():
            partial = folder / f"{name}.part"
            partial.write_text(text, encoding="utf-8")
            partial.replace(folder / name)
