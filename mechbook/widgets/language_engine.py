"""The language model's engine as texts: what a page loads when its reader opens a model, and not before."""

import base64
import json
from pathlib import Path
from typing import Any

from mechbook.core.cache.closure import PACKAGE
from mechbook.widgets.bundle import LANGUAGE_KERNELS, LANGUAGE_WORKER, RELAXED, bundle, kernels

# What `mechbook.site.wheel` puts into a wheel, and no checkout has.
BUILT = f"{PACKAGE.name}/widgets/language.built.json"


def engine(project: Path = PACKAGE.parent) -> dict[str, Any]:
    """Return `worker`, the script that runs beside the page, and `kernels`, compiled, in base64, the fastest first.

    Raises RuntimeError as `mechbook.widgets.bundle.library`.
    """
    if (built := project / BUILT).is_file():
        found: dict[str, Any] = json.loads(built.read_text(encoding="utf-8"))
        return found
    compiled = [kernels(project, LANGUAGE_KERNELS, more) for more in (RELAXED, ())]
    return {
        "worker": bundle(project, LANGUAGE_WORKER),
        "kernels": [base64.b64encode(code).decode() for code in compiled],
    }


def script(project: Path = PACKAGE.parent) -> str:
    """Return a classic script that leaves the engine in `globalThis.mechbookLanguage`; errors as `engine`."""
    return f"globalThis.mechbookLanguage = {json.dumps(engine(project))};\n"
