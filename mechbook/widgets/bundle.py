"""The widgets' scripts as the one classic script that pages load and JupyterLab evaluates.

esbuild puts the modules that `site/main.js` imports into one function. In it travel, as texts, the script that trains
beside the page and the kernels that AssemblyScript compiled for it. All three are kept under the hash of their sources,
so that only the first call after a change needs Node.js.
"""

import base64
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from mechbook.core import npm
from mechbook.core.cache.closure import PACKAGE
from mechbook.reader.figures import DARK, ROLE

# What imports every theme's widgets lies with what builds the site, which may import all.
ENTRY = f"{PACKAGE.name}/site/main.js"
# What `mechbook.site.wheel` puts into a wheel, and no checkout has.
BUILT = f"{PACKAGE.name}/widgets/library.built.js"
# What a page's worker runs, and what it computes with.
WORKER = f"{PACKAGE.name}/widgets/training/worker.js"
KERNELS = f"{PACKAGE.name}/widgets/training/kernels.ts"
# The same for a language model that a reader opens in the page.
LANGUAGE_WORKER = f"{PACKAGE.name}/widgets/language/worker.js"
LANGUAGE_KERNELS = f"{PACKAGE.name}/widgets/language/kernels.ts"
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
# The memory comes from the page; nothing of a run-time system is needed, and no check inside a loop.
COMPILER = ("-O3", "--noAssert", "--runtime", "stub", "--enable", "simd", "--importMemory")
# A product and a sum in one step, where a browser has that: a tenth to a fifth faster, and the last digit may differ.
RELAXED = ("--enable", "relaxed-simd")


def library(project: Path = PACKAGE.parent) -> str:
    """Return the text that sets `globalThis.mechbook`: every widget by its kind, what computes for them, and the style.

    `mechbook.version` is a hash of it all. A wheel that the site serves has the text in a file (`BUILT`). Raises
    RuntimeError, in one sentence, where the bundle has to be made and npm's packages cannot be had, and with esbuild's
    words where it finds an error in the scripts.
    """
    if (built := project / BUILT).is_file():
        return built.read_text(encoding="utf-8")
    sheets = sorted((project / PACKAGE.name).glob("**/widgets/*.css"), key=lambda path: path.name)
    style = "\n".join([*(path.read_text(encoding="utf-8") for path in sheets), *role_colours()])
    body = bundle(project)
    roles = {name: {"colour": f"var(--mb-{name})", "dashes": role.dashes} for name, role in ROLE.items()}
    beside = {"worker": bundle(project, WORKER), "kernels": base64.b64encode(kernels(project)).decode()}
    version = hashlib.sha256((style + body + json.dumps([roles, beside])).encode()).hexdigest()[:16]
    head = json.dumps({"version": version, "style": style, "roles": roles, **beside})
    # A function of its own: nothing leaks but mechbook, and evaluating it twice is no redeclaration.
    return f'(() => {{\n"use strict";\nconst BOOK = {head};\n{body}}})();\n'


def role_colours() -> tuple[str, str]:
    """Return two rules of CSS: the roles' colours as variables `--mb-ROLE` of a widget, in a light and a dark theme."""
    light, dark = (
        " ".join(f"--mb-{name}: {colour};" for name, colour in colours.items())
        for colours in ({name: role.colour for name, role in ROLE.items()}, DARK)
    )
    themes = 'html[data-theme="dark"] .mb-widget, body[data-jp-theme-light="false"] .mb-widget'
    return f".mb-widget {{ {light} }}", f"{themes} {{ {dark} }}"


def bundle(project: Path = PACKAGE.parent, entry: str = ENTRY) -> str:
    """Return the modules that `entry` imports as one script, from `_vendor` where it is kept already.

    Raises RuntimeError as `library`.
    """
    sources = [project / ENTRY, *(project / PACKAGE.name).glob("**/widgets/**/*.js")]
    name = "widgets" if entry == ENTRY else Path(entry).stem
    options = [entry, *OPTIONS]
    return _kept(project, name, ".js", sources, options, lambda _: _bundled(project, options)).decode()


def kernels(project: Path = PACKAGE.parent, entry: str = KERNELS, more: Sequence[str] = ()) -> bytes:
    """Return what `entry` exports as WebAssembly, kept in `_vendor`; raises RuntimeError as `library`, in its words.

    more: options of the compiler beside its usual ones, such as `RELAXED`
    """
    sources = (project / PACKAGE.name / "widgets").glob("*/*.ts")
    options = [entry, *COMPILER, *more]
    return _kept(project, "kernels", ".wasm", sources, options, lambda part: _compiled(project, options, part))


def _kept(
    project: Path,
    name: str,
    suffix: str,
    sources: Iterable[Path],
    options: Sequence[str],
    make: Callable[[Path], bytes],
) -> bytes:
    """What `make` makes of the sources, given a place to write to; from `_vendor` where they were the same before."""
    found = hashlib.sha256(json.dumps([npm.key(project), list(options)]).encode())
    for path in sorted(sources):
        found.update(json.dumps([path.relative_to(project).as_posix(), path.read_text(encoding="utf-8")]).encode())
    place = project / "_vendor" / f"{name}-{found.hexdigest()[:16]}{suffix}"
    try:
        return place.read_bytes()
    except FileNotFoundError:
        place.parent.mkdir(exist_ok=True)
    # Whoever makes it at the same time writes the same, and nobody reads half of it.
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".part-") as folder:
        part = Path(folder) / place.name
        content = make(part)
        part.write_bytes(content)
        os.replace(part, place)
    return content


def _bundled(project: Path, options: Sequence[str]) -> bytes:
    done = npm.run("esbuild/bin/esbuild", options, project)
    if done.returncode or done.stderr:
        raise RuntimeError(f"The widgets' scripts cannot be bundled:\n{done.stderr.strip()}")
    return done.stdout.encode()


def _compiled(project: Path, options: Sequence[str], part: Path) -> bytes:
    done = npm.run("assemblyscript/bin/asc.js", [*options, "--outFile", str(part)], project)
    if done.returncode or done.stderr.strip():
        raise RuntimeError(f"The kernels cannot be compiled:\n{(done.stderr or done.stdout).strip()}")
    return part.read_bytes()
