"""Packages that the base installation leaves out: an import of the book's that misses one names the extra to install.

    pip install 'mechbook[models]'

Nothing is imported here. The sentence is a ModuleNotFoundError as Python's own, for imports out of the package alone.
"""

import importlib.machinery
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType

# Each package that is imported by name, and the extra of pyproject.toml that brings it.
EXTRA_OF = {
    **dict.fromkeys(("anywidget", "ipywidgets"), "lab"),
    **dict.fromkeys(("transformers", "tokenizers", "gguf", "accelerate", "huggingface_hub"), "models"),
    **dict.fromkeys(("joblib", "dask", "distributed"), "cluster"),
    **dict.fromkeys(
        ("docutils", "jupyter_book", "jupyter_cache", "jupyter_client", "jupyter_core", "jupytext", "myst_nb")
        + ("myst_parser", "nbclient", "nbformat", "sphinx", "sqlalchemy", "yaml"),
        "book",
    ),
}


def sentence(name: str) -> str | None:
    """What to do about an absent package, in one sentence; None for one that no extra brings.

    name: as it is imported, "transformers" or "transformers.utils"
    """
    top = name.partition(".")[0]
    if top not in EXTRA_OF:
        return None
    return f"{top} is not installed, which this part of mechbook needs: pip install 'mechbook[{EXTRA_OF[top]}]'"


class Extras(MetaPathFinder):
    """Asked last, when nobody else has found a module."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Raise ModuleNotFoundError, with the sentence, where the package itself imports `name`; else leave it be.

        Others try imports, and ask for specifications, to see what there is: they are told what Python tells them.
        """
        words = sentence(name) if "." not in name else None
        if words and _asked_by_the_package():
            raise ModuleNotFoundError(words, name=name)
        return None


def _asked_by_the_package() -> bool:
    """Whether an import statement of the package led here, past Python's own machinery."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    asking: str = frame.f_globals.get("__name__", "")
    return asking.partition(".")[0] == "mechbook" or frame.f_globals.get("__package__") == "mechbook"


def name_extras() -> None:
    """Have imports name extras from now on; once is enough."""
    if not any(isinstance(finder, Extras) for finder in sys.meta_path):
        sys.meta_path.append(Extras())
