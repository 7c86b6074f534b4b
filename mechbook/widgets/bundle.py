"""The widgets' scripts as the one classic script that pages load and JupyterLab evaluates."""

import hashlib
import json
from pathlib import Path

from mechbook.reader.figures import ROLE

PACKAGE = Path(__file__).resolve().parents[1]
FIRST = ("engine", "kit", "charts", "runs", "associative", "noise", "model")


def library() -> str:
    """Return the text that sets `globalThis.mechbook`: engine, kit, charts, runs, every widget, and the style.

    `mechbook.version` is a hash of it all.
    """
    scripts = {path.stem: path.read_text(encoding="utf-8") for path in sorted(PACKAGE.glob("**/widgets/*.js"))}
    order = [*FIRST, *(name for name in scripts if name not in FIRST)]
    sheets = sorted(PACKAGE.glob("**/widgets/*.css"), key=lambda path: path.name)
    style = "\n".join(path.read_text(encoding="utf-8") for path in sheets)
    body = "\n".join(scripts[name] for name in order)
    version = hashlib.sha256((style + body).encode()).hexdigest()[:16]
    roles = {name: {"colour": role.colour, "dashes": role.dashes} for name, role in ROLE.items()}
    head = {"version": version, "style": style, "roles": roles, "widgets": {}}
    # A function of its own: nothing leaks but mechbook, and evaluating it twice is no redeclaration.
    return f"(() => {{\nconst mechbook = globalThis.mechbook = {json.dumps(head)};\n{body}\n}})();\n"
