"""The Sphinx extension that lays a language model beside the site, where a page has a widget that opens it.

The weights lie in parts, as hosts refuse larger files, and nothing asks for them before a reader does. A part's name
has its checksum: a browser may keep it for good. With MECHBOOK_MODEL_IN_SITE=0 the weights are left out, and the
widget opens a file of the reader's own.
"""

import hashlib
import json
import math
import os
import shutil
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

from mechbook.pretrained.packages import WHOLE, UnavailableWeights, packaged
from mechbook.site.light import digest, written
from mechbook.site.settings import model_in_site
from mechbook.widgets.language_engine import script

LOG = logging.getLogger(__name__)
# The kind of the widget that opens a model.
KIND = '"kind": "laser_live"'
FOLDER = "model"
MODEL = "smollm2-135m"
# Whose they are, and on what terms they are passed on; the package that brings them says nothing of it.
ABOUT = {
    "name": "SmolLM2-135M-Instruct",
    "by": "Hugging Face",
    "license": "Apache License 2.0",
    "address": "https://www.apache.org/licenses/LICENSE-2.0",
}
NOTICE = """{name}, by {by}, under the {license}: {address}

The files {parts} are one file in parts, {file}: the model in 4 bits a weight (GGUF, Q4_1),
as the Python package {package} brings it, unchanged. Joined in the order of their names they have the SHA-256
{sha256}.
"""
# Hosts refuse files of 25 MB and more; a browser checks a part once all of it has come, and only then gives any of it.
MOST = 8_000_000


def write_model(site: Path, weights: Path | None, most: int = MOST) -> dict[str, Any]:
    """Write the file `weights` in parts below `site`, and `model.js`, which names them; return what that says.

    Each part has `most` bytes at most. None: no weights, and those of an earlier build go. What is there already is not
    written again.
    """
    folder = site / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    engine = site / "vendor" / "language.js"
    engine.parent.mkdir(parents=True, exist_ok=True)
    engine.write_text(script(), encoding="utf-8")
    named = {"file": WHOLE[MODEL][1], "bytes": 0}
    offer: dict[str, Any] = {**ABOUT, **named, "engine": f"vendor/language.js?v={digest(engine)}", "parts": []}
    if weights is not None:
        offer |= _in_parts(weights, folder, most)
        package = f"{weights.parent.name}"
        held = {**offer, "parts": f"{offer['parts'][0]['file']} to {offer['parts'][-1]['file']}", "package": package}
        (folder / "NOTICE.txt").write_text(NOTICE.format(**held), encoding="utf-8")
    kept = {"model.js", *(("NOTICE.txt",) if weights else ()), *(part["file"] for part in offer["parts"])}
    for path in folder.iterdir():
        if path.name not in kept:
            path.unlink()
    (folder / "model.js").write_text(f"globalThis.mechbookModel = {json.dumps(offer)};\n", encoding="utf-8")
    return offer


def _in_parts(weights: Path, folder: Path, most: int) -> dict[str, Any]:
    """The file's name, bytes and SHA-256, and of its parts, which are written, what `fetch` is to check."""
    size = weights.stat().st_size
    each = math.ceil(size / math.ceil(size / most))
    whole, parts = hashlib.sha256(), list[dict[str, Any]]()
    with open(weights, "rb") as stream:
        while part := stream.read(each):
            whole.update(part)
            found = hashlib.sha256(part)
            place = folder / f"{weights.stem}.part{len(parts) + 1:02}-{found.hexdigest()[:12]}"
            if not place.is_file() or place.stat().st_size != len(part):
                draft = place.with_name(f"{place.name}.draft")
                draft.write_bytes(part)
                draft.replace(place)
            checked = f"sha256-{b64encode(found.digest()).decode()}"
            parts.append({"file": place.name, "bytes": len(part), "integrity": checked})
    return {"file": weights.name, "bytes": size, "sha256": whole.hexdigest(), "parts": parts}


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Lay the model beside the pages that were written, where one of them opens it."""
    if exception is not None or app.builder.format != "html":
        return
    site = Path(app.outdir)
    if not any(KIND in path.read_text(encoding="utf-8") for path in written(site)):
        shutil.rmtree(site / FOLDER, ignore_errors=True)
        return
    weights = None
    if model_in_site(os.environ):
        try:
            weights = packaged(MODEL)
        except UnavailableWeights as error:
            LOG.warning(f"The site has no model: {error} MECHBOOK_MODEL_IN_SITE=0 builds without.")
    try:
        write_model(site, weights)
    except RuntimeError as error:
        LOG.error(str(error))
        app.statuscode = 1


def setup(app: Sphinx) -> Mapping[str, Any]:
    """Register it."""
    app.connect("build-finished", finish, priority=600)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
