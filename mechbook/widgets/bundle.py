"""The widgets' scripts as the one classic script that pages load and JupyterLab evaluates.

esbuild puts the modules that `site/main.js` imports into one function. The bundle is kept under the hash of its
sources, so that only the first call after a change needs Node.js.
"""

import hashlib
import json
import os
import tempfile
from pathlib import Path

from mechbook.core import npm
from mechbook.core.cache.closure import PACKAGE
from mechbook.reader.figures import ROLE

# What imports every theme's widgets lies with what builds the site, which may import all.
ENTRY = f"{PACKAGE.name}/site/main.js"
# Readable, and the same in every checkout: nobody's tsconfig.json decides, and each file is named from the project on.
OPTIONS = (
    "--bundle",
    "--format=iife",
    "--charset=utf8",
    "--target=es2022",
    "--tsconfig-raw={}",
    "--legal-comments=none",
    "--log-level=warning",
)


def library(project: Path = PACKAGE.parent) -> str:
    """Return the text that sets `globalThis.mechbook`: every widget by its kind, what computes for them, and the style.

    `mechbook.version` is a hash of it all. Raises RuntimeError, in one sentence, where the bundle has to be made and
    npm's packages cannot be had, and with esbuild's words where it finds an error in the scripts.
    """
    sheets = sorted((project / PACKAGE.name).glob("**/widgets/*.css"), key=lambda path: path.name)
    style = "\n".join(path.read_text(encoding="utf-8") for path in sheets)
    body = bundle(project)
    roles = {name: {"colour": role.colour, "dashes": role.dashes} for name, role in ROLE.items()}
    version = hashlib.sha256((style + body + json.dumps(roles)).encode()).hexdigest()[:16]
    head = json.dumps({"version": version, "style": style, "roles": roles})
    # A function of its own: nothing leaks but mechbook, and evaluating it twice is no redeclaration.
    return f'(() => {{\n"use strict";\nconst BOOK = {head};\n{body}}})();\n'


def bundle(project: Path = PACKAGE.parent) -> str:
    """Return the modules as one script, from `_vendor` where it is kept already; raises RuntimeError as `library`."""
    sources = [project / ENTRY, *sorted((project / PACKAGE.name).glob("**/widgets/*.js"))]
    found = hashlib.sha256(json.dumps([npm.key(project), OPTIONS]).encode())
    for path in sources:
        found.update(json.dumps([path.relative_to(project).as_posix(), path.read_text(encoding="utf-8")]).encode())
    place = project / "_vendor" / f"widgets-{found.hexdigest()[:16]}.js"
    try:
        return place.read_text(encoding="utf-8")
    except FileNotFoundError:
        text = _bundled(project)
    # Whoever bundles at the same time writes the same, and nobody reads half of it.
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".part-") as folder:
        part = Path(folder) / place.name
        part.write_text(text, encoding="utf-8")
        os.replace(part, place)
    return text


def _bundled(project: Path) -> str:
    done = npm.run("esbuild/bin/esbuild", [ENTRY, *OPTIONS], project)
    if done.returncode or done.stderr:
        raise RuntimeError(f"The widgets' scripts cannot be bundled:\n{done.stderr.strip()}")
    return done.stdout
