"""Where the weights of a model are: an installed package, a folder placed by hand, or the hub's cache on this machine.

Only safetensors and GGUF files count: a .bin file is a pickle, which can run any code when it is read.
"""

import json
import os
import re
from pathlib import Path

from mechbook.core.cache.closure import PACKAGE
from mechbook.pretrained import packages
from mechbook.pretrained.packages import UnavailableWeights

HUB = {f"pythia-{size}": f"EleutherAI/pythia-{size}" for size in ("14m", "31m", "70m", "160m", "410m", "1b", "1.4b")}
HUB["gpt2"] = "openai-community/gpt2"
PYTHIA_STEPS = (0, *(2**i for i in range(10)), *range(1000, 144000, 1000))

_NEEDED = ("config.json", "tokenizer.json")
_PATTERNS = ["config.json", "tokenizer.json", "*.safetensors", "model.safetensors.index.json"]


def known_names() -> tuple[str, ...]:
    """The names that `load` knows."""
    return (*packages.NAMES, *HUB)


def locate(name: str, revision: str | None, *, network: bool, hub_cache: Path | None = None) -> Path:
    """The GGUF file or the folder of safetensors that hold the model `name` at `revision`.

    ValueError for a name or revision that does not exist or a folder without usable weights, UnavailableWeights where
    a known model's weights are not here.
    """
    if name in packages.NAMES:
        if revision is not None:
            raise ValueError(f"{name} has one revision, that of its package; the revision given is {revision!r}.")
        return packages.packaged(name)
    if name in HUB:
        _check_revision(name, revision)
        return _placed_or_hub(name, revision or "main", network, hub_cache)
    place = Path(name).expanduser()
    if not place.exists():
        raise ValueError(f"there is no model {name!r}; known are {', '.join(known_names())}, or the path of a folder.")
    if revision is not None:
        raise ValueError(f"{name} is a folder, which holds one revision; the revision given is {revision!r}.")
    return checked_folder(place)


def checked_folder(place: Path) -> Path:
    """`place`, or the one GGUF file in it. ValueError unless it holds weights that can be read safely, and all else."""
    if place.is_file():
        if place.suffix != ".gguf":
            raise ValueError(
                f"{place} is not a GGUF file; name the folder that holds config.json and model.safetensors."
            )
        return place
    if not list(place.glob("*.safetensors")):
        if len(found := sorted(place.glob("*.gguf"))) == 1:
            return found[0]
        if found:
            raise ValueError(f"{place} holds {len(found)} GGUF files; name the one that is meant.")
        if list(place.glob("*.bin")):
            raise ValueError(
                f"{place} has its weights as .bin only, a pickle that mechbook does not open: convert them."
            )
        raise ValueError(f"{place} holds no weights: there is no .safetensors and no .gguf file.")
    if missing := [file for file in _NEEDED if not (place / file).is_file()]:
        raise ValueError(f"{place} lacks {' and '.join(missing)}, which belong to the weights.")
    _check_parts(place)
    return place


def _check_parts(place: Path) -> None:
    """ValueError where the index of a model in parts cannot be read, or names no part here, or is not there."""
    index = place / "model.safetensors.index.json"
    if not index.is_file():
        if not (place / "model.safetensors").is_file():
            raise ValueError(
                f"{place} has neither model.safetensors nor {index.name}, which says which files are the model's."
            )
        return
    try:
        parts = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{index} is no index of weights: take it afresh from where the model came from.") from error
    for part in parts:
        if not isinstance(part, str) or Path(part).name != part or not part.endswith(".safetensors"):
            raise ValueError(f"{index} names {part!r}; mechbook opens safetensors files of the same folder only.")
        if not (place / part).is_file():
            raise ValueError(f"{place} lacks {part}, which its index names.")


def placed_folder(name: str, revision: str) -> Path:
    """Where the files of a hub model may be placed by hand: MECHBOOK_MODELS, else `_models` of the checkout."""
    base = os.environ.get("MECHBOOK_MODELS") or PACKAGE.parent / "_models"
    return Path(base).expanduser() / name / revision


def _check_revision(name: str, revision: str | None) -> None:
    if revision is None:
        return
    if not re.fullmatch(r"\w[\w.-]*", revision, re.ASCII):
        raise ValueError(f"{revision!r} is no revision of {name}: letters, digits, dots and dashes name one.")
    if not name.startswith("pythia"):
        return
    step = re.fullmatch(r"step(\d+)", revision)
    if step and step[1] == str(int(step[1])) and int(step[1]) in PYTHIA_STEPS:
        return
    if step or not re.fullmatch(r"main|[0-9a-f]{40}", revision):
        raise ValueError(
            f"{name} has no revision {revision!r}; it has step0, step1, step2, step4, ..., step512, step1000, "
            "step2000, ..., step143000, and main."
        )


def _placed_or_hub(name: str, revision: str, network: bool, hub_cache: Path | None) -> Path:
    placed = placed_folder(name, revision)
    if placed.is_dir():
        return checked_folder(placed)
    tried = [f"the folder {placed}", "the hub's cache on this machine"]
    if (found := _snapshot(name, revision, hub_cache, local=True)) is not None:
        return found
    why = "the network was not asked (make pythia asks it)"
    if network:
        from huggingface_hub.errors import HTTPError

        tried.append(f"the hub ({HUB[name]})")
        try:
            _refuse_pickles(name, revision)
            if (found := _snapshot(name, revision, hub_cache, local=False)) is not None:
                return found
            why = "the hub gave no complete model"
        except (OSError, HTTPError) as error:
            why = f"the hub could not be reached ({type(error).__name__})"
    raise UnavailableWeights(
        f"the weights of {name} at {revision} are not here: tried {', '.join(tried)}; {why}. To place them by hand, "
        f"put config.json, tokenizer.json and model.safetensors of that revision into {placed}."
    )


def _snapshot(name: str, revision: str, hub_cache: Path | None, *, local: bool) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        found = snapshot_download(
            HUB[name], revision=revision, cache_dir=hub_cache, local_files_only=local, allow_patterns=_PATTERNS
        )
    except LocalEntryNotFoundError:
        return None
    place = Path(found)
    # the cache may hold a revision of which only some files were fetched; those that are wrong for good are refused
    if local and not (list(place.glob("*.bin")) or list(place.glob("*.safetensors"))):
        return None
    return checked_folder(place)


def _refuse_pickles(name: str, revision: str) -> None:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        files = HfApi().list_repo_files(HUB[name], revision=revision)
    except RevisionNotFoundError as error:
        raise ValueError(f"{name} has no revision {revision!r} on the hub.") from error
    except RepositoryNotFoundError as error:
        raise UnavailableWeights(f"the hub has no public model {HUB[name]}.") from error
    if not any(file.endswith(".safetensors") for file in files):
        raise ValueError(
            f"{name} at {revision} ships its weights as .bin only, a pickle that mechbook does not open: convert them."
        )
