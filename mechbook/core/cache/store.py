"""Nested results on disk: tensors and plain values in one checked safetensors file, written whole or not at all."""

import hashlib
import json
import os
import uuid
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor


class DamagedFile(Exception):
    """A stored file that cannot be read back as it was written."""


def save(path: Path, value: Any, about: Any = None) -> None:
    """Write `value` to `path` atomically, with `about` (JSON) beside it.

    `value` nests dict, list and tuple over tensors, numbers, strings, booleans and None; anything else raises
    TypeError. Two places that hold the same tensor object share one stored copy. OSError where it cannot be written.
    """
    skeleton, tensors = _flatten(value)
    notes = json.dumps(about, sort_keys=True)
    metadata = {"value": skeleton, "about": notes, "sha256": _checksum(skeleton, notes, tensors)}
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(to_bytes(tensors, metadata))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def load(path: Path) -> tuple[Any, Any]:
    """`(value, about)` as `save` was given them, tensors on the CPU.

    FileNotFoundError where there is no such file; DamagedFile where its contents do not match their checksum.
    """
    if not path.exists():
        raise FileNotFoundError(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            # clone: what is read is a view into the file at any alignment, and sums may depend on alignment
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}
        skeleton, notes = metadata["value"], metadata["about"]
        if _checksum(skeleton, notes, tensors) != metadata["sha256"]:
            raise DamagedFile(f"{path.name} does not match its checksum")
        return _decode(json.loads(skeleton), tensors), json.loads(notes)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise DamagedFile(f"{path.name} cannot be read ({error})") from error


def plain(value: Any) -> Any:
    """`value` as `load` would return it: detached contiguous CPU copies of its tensors, plain Python numbers."""
    skeleton, tensors = _flatten(value)
    return _decode(json.loads(skeleton), tensors)


def checksum(value: Any) -> str:
    """SHA-256 of everything in `value`: structure, numbers, and the tensors' types, shapes and bytes."""
    skeleton, tensors = _flatten(value)
    return _checksum(skeleton, "", tensors)


def _flatten(value: Any) -> tuple[str, dict[str, Tensor]]:
    tensors: dict[str, Tensor] = {}
    skeleton = json.dumps(_encode(value, "value", tensors, {}))
    return skeleton, tensors


def _encode(value: Any, path: str, tensors: dict[str, Tensor], names: dict[int, str]) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Tensor):
        if id(value) not in names:
            names[id(value)] = path
            tensors[path] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {"tensor": names[id(value)]}
    if isinstance(value, dict):
        pairs = []
        for key, item in value.items():
            if not isinstance(key, int | float | str):
                raise TypeError(f"{path} has the key {key!r}; keys that can be stored are strings and numbers")
            pairs.append([key, _encode(item, f"{path}/{key!r}", tensors, names)])
        return {"dict": pairs}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_encode(item, f"{path}/{i}", tensors, names) for i, item in enumerate(value)]}
    raise TypeError(
        f"{path} is a {type(value).__name__}; what can be stored is tensors, numbers, strings, booleans and None, in "
        "dicts, lists and tuples"
    )


def _decode(node: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(node, dict):
        return node
    ((kind, content),) = node.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _decode(item, tensors) for key, item in content}
    items = [_decode(item, tensors) for item in content]
    return items if kind == "list" else tuple(items)


def _checksum(skeleton: str, notes: str, tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256(json.dumps([skeleton, notes]).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
