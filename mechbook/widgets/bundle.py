"""The widgets' scripts as the one classic script that pages load and JupyterLab evaluates."""

import hashlib
import json
from pathlib import Path

from mechbook.figures import ROLE

HERE = Path(__file__).resolve().parent
FIRST = ("engine", "kit", "charts", "runs")


def library() -> str:
    """Return the text that sets `globalThis.mechbook`: engine, kit, charts, runs, every widget, and the style.

    `mechbook.version` is a hash of it all.
    """
    scripts = {path.stem: path.read_text(encoding="utf-8") for path in sorted(HERE.glob("*.js"))}
    order = [*FIRST, *(name for name in scripts if name not in FIRST)]
    style = "\n".join(path.read_text(encoding="utf-8") for path in sorted(HERE.glob("*.css")))
    body = "\n".join(scripts[name] for name in order)
    version = hashlib.sha256((style + body).encode()).hexdigest()[:16]
    roles = {name: {"colour": role.colour, "dashes": role.dashes} for name, role in ROLE.items()}
    head = {"version": version, "style": style, "roles": roles, "widgets": {}}
    # A function of its own: nothing leaks but mechbook, and evaluating it twice is no redeclaration.
    return f"(() => {{\nconst mechbook = globalThis.mechbook = {json.dumps(head)};\n{body}\n}})();\n"
