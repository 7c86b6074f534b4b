"""What a record says of the machine and the day: device, torch, TF32, threads, commit, date."""

import platform
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

from mechbook.core import settings
from mechbook.core.cache import closure


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where and when something was computed.

    device: its name, such as "NVIDIA H100 80GB HBM3"; kind: torch's word for it, such as "cuda"
    tf32: whether float32 products were allowed to be TensorFloat-32; threads: those of the CPU
    date: the day it ended, UTC; commit: the code's in git, None where that is unknown
    """

    device: str
    kind: str
    torch: str
    tf32: bool
    threads: int
    date: str
    commit: str | None


def here() -> Machine:
    """The machine this process computes on, today."""
    device = settings.device()
    return Machine(
        device=device_name(device),
        kind=device.type,
        torch=torch.__version__,
        tf32=device.type == "cuda" and bool(torch.backends.cuda.matmul.allow_tf32),
        threads=torch.get_num_threads(),
        date=datetime.now(UTC).date().isoformat(),
        commit=commit(closure.PACKAGE.parent),
    )


def where(machines: Iterable[Machine]) -> str:
    """The devices, with TF32 where it was allowed, and the last day."""
    machines = list(machines)
    devices = dict.fromkeys(machine.device + (" with TF32" if machine.tf32 else "") for machine in machines)
    return f"{' and '.join(devices)}, {max((machine.date for machine in machines), default='')}"


def device_name(device: torch.device) -> str:
    """The name that its maker gives a device."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return f"Apple GPU ({platform.machine()})"
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else f"CPU ({platform.processor() or platform.machine()})"


def commit(root: Path) -> str | None:
    """The commit checked out in `root`, with a "+" where a tracked file differs; None where it is no checkout."""
    if not (root / ".git").exists():
        return None
    try:
        head = _git(root, "rev-parse", "HEAD")
        return head + ("+" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        # no git on this machine, or no commit yet: the record says that it is unknown
        return None


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()
