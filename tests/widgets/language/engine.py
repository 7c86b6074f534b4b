"""The page's language model, run by Node.js: the bundled worker gets orders as from a page, and answers."""

import base64
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mechbook.core import npm
from mechbook.widgets import bundle

DRIVE = Path(__file__).with_name("drive.mjs")


def asked(orders: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The worker's answers to the orders, in one process: each has "value", or "refused" with a sentence, and "ms"."""
    answers: list[dict[str, Any]] = run(orders)["answers"]
    return answers


def run(orders: Sequence[dict[str, Any]]) -> Any:
    """The answers, and what memory the process took: "peak" in kB."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "worker.js").write_text(bundle.bundle(entry=bundle.LANGUAGE_WORKER), encoding="utf-8")
        (folder / "kernels.wasm").write_bytes(bundle.kernels(entry=bundle.LANGUAGE_KERNELS))
        job = {"worker": str(folder / "worker.js"), "kernels": str(folder / "kernels.wasm"), "orders": list(orders)}
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        done = npm.run(str(DRIVE), [str(folder / "job.json")])
    if done.returncode:
        raise RuntimeError(done.stderr)
    found = json.loads(done.stdout, object_hook=_unpacked)
    if failed := [answer["failed"] for answer in found["answers"] if "failed" in answer]:
        raise RuntimeError(failed[0])
    return found


def _unpacked(found: dict[str, Any]) -> Any:
    if set(found) != {"f32"}:
        return found
    return torch.from_numpy(np.frombuffer(base64.b64decode(found["f32"]), dtype=np.float32).copy())
