"""Refresh the pinned versions: the newest that fit together, as pip resolves them on this machine.

    python -m mechbook.site.pins

rewrites requirements.txt and requirements-lab.txt, and prints what moved. Which packages are asked for stands in the
comment at the head of each file, after "Asked for:"; everything else is there because one of them needs it. Nothing is
installed: `make pins` then builds the book with the new versions and shows what moved in the claims.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mechbook.core.cache.closure import PACKAGE

FILES = ("requirements.txt", "requirements-lab.txt")
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)(\s*;.*)?$")
# What torch's CUDA build brings with it, which no other machine wants.
OF_CUDA = re.compile(r"^(nvidia-|cuda-|triton$)")
# What `make` installs the package with, whatever torch asks for.
TOOLS = ("setuptools", "wheel")
# What the environment has by itself.
BY_ITSELF = ("pip", "mechbook")


def canonical(name: str) -> str:
    """A package's name as the index compares it: "Jinja2" and "jinja2" are one, and so are "_" and "-"."""
    return re.sub(r"[-_.]+", "-", name).lower()


def asked_for(text: str) -> list[str]:
    """What the head of a requirements file asks for; ValueError, one sentence, where it does not say.

    It is the words after "Asked for:" in the comment, up to a full stop; what stands in brackets is for the reader.
    """
    head = " ".join(line.removeprefix("#").strip() for line in text.splitlines() if line.startswith("#"))
    match = re.search(r"Asked for:(.*?)\.(?:\s|$)", head)
    if match is None:
        raise ValueError("The head of a requirements file says which packages are asked for: # Asked for: torch numpy.")
    return re.sub(r"\([^)]*\)|,", " ", match[1]).split()


def refreshed(text: str, resolved: Mapping[str, str], *, beside: str = "") -> tuple[str, list[str]]:
    """The file with the versions `resolved` (name to version), and a line for each that moved, came or went.

    Comments, names as they are spelt and markers stay. What is for other machines alone, by its marker, keeps its
    version where it was not resolved here. What another file (`beside`) pins is not pinned again.
    """
    others = {canonical(match[1]) for line in beside.splitlines() if (match := PIN.match(line))}
    versions = {
        canonical(name): version.partition("+")[0]
        for name, version in resolved.items()
        if not OF_CUDA.match(canonical(name)) and canonical(name) not in {*others, *BY_ITSELF}
    }
    head, pins, told = [], {}, []
    for line in text.splitlines():
        match = PIN.match(line)
        if match is None:
            head.append(line)
            continue
        name, before, marker = match[1], match[2], match[3] or ""
        now = versions.pop(canonical(name), before if marker else None)
        if now is None:
            told.append(f"{name} {before} is no longer needed.")
            continue
        if now != before:
            told.append(f"{name} {before} -> {now}")
        pins[canonical(name)] = f"{name}=={now}{marker}"
    for name, version in versions.items():
        pins[name] = f"{name}=={version}"
        told.append(f"{name} {version} is new.")
    return "\n".join([*head, *(pins[name] for name in sorted(pins))]) + "\n", told


def resolve(wanted: Sequence[str], constraints: str = "") -> dict[str, str]:
    """The newest versions of `wanted` and of all that they need, by name, for this Python and machine.

    RuntimeError with pip's words where it finds none.
    """
    with tempfile.TemporaryDirectory() as name:
        report, pinned = Path(name) / "report.json", Path(name) / "constraints.txt"
        pinned.write_text(constraints, encoding="utf-8")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--dry-run"]
        command += ["--ignore-installed", "--report", str(report), "-c", str(pinned), *wanted]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
        if done.returncode:
            raise RuntimeError(f"pip finds no versions that fit together:\n{done.stderr.strip()}")
        found = json.loads(report.read_text(encoding="utf-8"))["install"]
    return {each["metadata"]["name"]: each["metadata"]["version"] for each in found}


def refresh(root: Path, resolve: Callable[[Sequence[str], str], Mapping[str, str]] = resolve) -> list[str]:
    """Rewrite the files of `root`; return a line for each version that moved. The second keeps to the first's pins."""
    told: list[str] = []
    beside = ""
    for name in FILES:
        path = root / name
        text = path.read_text(encoding="utf-8")
        wanted = [*asked_for(text), *(() if beside else TOOLS)]
        new, moved = refreshed(text, resolve(wanted, beside), beside=beside)
        path.write_text(new, encoding="utf-8")
        told += [f"{name}: {line}" for line in moved]
        beside = "\n".join(line for line in new.splitlines() if PIN.match(line)) + "\n"
    return told


def main() -> int:
    """Refresh the files of the checkout this package lies in."""
    try:
        told = refresh(PACKAGE.parent)
    except (RuntimeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join([*told, f"{len(told)} versions moved."]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
