"""A stand-in for an accelerator: what a computation would do on one, seen without one.

Tensors live on torch's "meta" device, which has shapes and no values, so papers' sizes cost nothing. A dispatch mode
watches every operation: how many kernels it would start, where it would wait for the device, where float64 appears
there, and whether its random numbers come from a generator of the device's own.

    with standing_in(monkeypatch) as seen:
        step()
    assert not seen.waits and not seen.doubles and seen.launches < 120

A value that is read is counted as a wait and answered with 1 (`.item()`) or with ones (a copy to the CPU), so that
whole runs go through. A shape that depends on values (nonzero, a boolean index, bincount) cannot be answered: it raises
`Waits`. Operations that mix tensors of both devices are refused by torch itself.
"""

import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mechbook.core import devices
from mechbook.core.training.loop import train

DEVICE = torch.device("meta")
aten = torch.ops.aten
# Operations that move no number: views, and memory that is not yet filled.
FREE = {"detach", "alias", "_unsafe_view", "_reshape_alias", "lift_fresh", "empty", "empty_like", "empty_strided"}
FREE |= {"new_empty", "new_empty_strided", "resize_", "set_"}
# What an accelerator cannot do without telling the CPU the shape, or an answer, first.
READS_VALUES = {"nonzero", "masked_select", "bincount", "_unique2", "unique_dim", "unique_consecutive", "histc"}
READS_VALUES |= {"equal", "repeat_interleave", "_linalg_solve_ex", "_linalg_svd", "linalg_eig", "_linalg_eigh"}
# CUDA's multinomial looks whether its weights are numbers.
READS_VALUES |= {"multinomial"}


@dataclass(frozen=True)
class Fixed:
    """A batch whose masks are there: a property's would be computed at every check of types, which only tests do."""

    inputs: Tensor
    targets: Tensor
    in_context: Tensor
    global_tokens: Tensor

    @classmethod
    def of(cls, batch: Any) -> "Fixed":
        """What the loop needs of a batch."""
        return cls(batch.inputs, batch.targets, batch.in_context, batch.global_tokens)


class Waits(Exception):
    """A shape or an answer that only the device's values give."""


@dataclass
class Seen:
    """What happened on the stand-in: kernels by name, waits and float64 tensors by place ("file.py:line name")."""

    kernels: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    doubles: Counter[str] = field(default_factory=Counter)
    strangers: Counter[str] = field(default_factory=Counter)

    @property
    def launches(self) -> int:
        """How many kernels were started."""
        return self.kernels.total()

    def clear(self) -> None:
        """Forget everything seen so far."""
        for counter in (self.kernels, self.waits, self.doubles, self.strangers):
            counter.clear()

    def nothing_wrong(self, *, waits: int = 0) -> None:
        """Fail unless there were that many waits, no float64 on the device and no random number from the CPU."""
        assert self.waits.total() == waits, dict(self.waits)
        assert not self.doubles, dict(self.doubles)
        assert not self.strangers, dict(self.strangers)


class StandInGenerator(torch.Generator):
    """A generator that says it is the device's. Operations get it as a plain one; its seeds tell it from others."""

    seeds: set[int] = set()

    def __init__(self) -> None:
        super().__init__()
        self.manual_seed(len(StandInGenerator.seeds) - 2**62)

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return DEVICE

    def manual_seed(self, seed: int) -> torch.Generator:
        super().manual_seed(seed)
        StandInGenerator.seeds.add(self.initial_seed())
        return self


class Watch(TorchDispatchMode):
    """Counts what would happen on an accelerator, which is `device`; on "cpu" kernels alone are counted."""

    def __init__(self, seen: Seen, device: torch.device = DEVICE) -> None:
        super().__init__()
        self.seen, self.on = seen, device

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.__name__.split(".")[0]
        if self.on.type == "cpu":
            out = func(*args, **kwargs)
            self._count(func, name, out)
            return out
        given = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
        there = any(t.device == self.on for t in given)
        if there and (name in READS_VALUES or (func is aten.index.Tensor and _boolean(args[1]))):
            raise Waits(f"{_place()} {name} waits for the device: its shape or its answer depends on values")
        if there and func is aten.index_put_.default and _boolean(args[1]):
            raise Waits(f"{_place()} {name} with a mask waits for the device")
        if there and name == "_local_scalar_dense":
            self.seen.waits[f"{_place()} item"] += 1
            return torch.ones((), dtype=args[0].dtype).item()
        if there and (to_cpu := _copy_to_cpu(func, name, args, kwargs)) is not None:
            self.seen.waits[f"{_place()} copy to the CPU"] += 1
            return to_cpu
        generator = kwargs.get("generator")
        if there and name.endswith("_"):
            # meta's own stand-ins for in-place draws take none
            kwargs = {key: value for key, value in kwargs.items() if key != "generator"}
        out = func(*args, **kwargs)
        results = [t for t in tree_leaves(out) if isinstance(t, Tensor) and t.device == self.on]
        if results and name in ("_to_copy", "copy_") and any(t.device != self.on and t.dim() for t in given):
            self.seen.waits[f"{_place()} copy to the device"] += 1
        elif results and any(t.device != self.on and t.dim() for t in given):
            # what torch lets pass is an index of the CPU's
            self.seen.waits[f"{_place()} copy to the device"] += 1
        for result in results:
            if result.dtype in (torch.float64, torch.complex128):
                self.seen.doubles[f"{_place()} {name}"] += 1
        if results and generator is not None and generator.initial_seed() not in StandInGenerator.seeds:
            self.seen.strangers[f"{_place()} {name}"] += 1
        self._count(func, name, out)
        return out

    def _count(self, func: Any, name: str, out: Any) -> None:
        results = [t for t in tree_leaves(out) if isinstance(t, Tensor)]
        changes = name.startswith("_foreach") or name.startswith("_fused")
        there = any(t.device == self.on for t in results) or changes
        if there and not func.is_view and name not in FREE:
            self.seen.kernels[name] += 1


class Functions(TorchFunctionMode):
    """What has to be seen before torch takes it apart.

    Numbers of Python's that are made a tensor on the device are copied there, which waits. Attention is one operation
    and its gradient another, as on CUDA in float32; the meta device alone would write it out.
    """

    def __init__(self, seen: Seen) -> None:
        super().__init__()
        self.seen = seen

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.nn.functional.scaled_dot_product_attention and args[0].device == DEVICE:
            if kwargs.keys() <= {"is_causal", "scale"}:
                return aten._scaled_dot_product_efficient_attention(*args, None, True, 0.0, **kwargs)[0]
        out = func(*args, **kwargs)
        if func in (torch.tensor, torch.as_tensor) and out.device == DEVICE and not isinstance(args[0], Tensor):
            self.seen.waits[f"{_place()} copy to the device"] += 1
        return out


def _boolean(index: Any) -> bool:
    return any(isinstance(t, Tensor) and t.dtype in (torch.bool, torch.uint8) for t in index)


def _copy_to_cpu(func: Any, name: str, args: Any, kwargs: Any) -> Tensor | None:
    if name == "_to_copy" and torch.device(kwargs.get("device") or DEVICE).type == "cpu":
        return torch.ones(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype)
    if name == "copy_" and args[0].device.type == "cpu":
        return args[0].fill_(1)
    return None


def _place() -> str:
    """The line of the package, or else of a test, that is being executed."""
    frames = [f for f in traceback.extract_stack() if "/mechbook/" in f.filename or "/tests/" in f.filename]
    frames = [f for f in frames if f.filename != __file__]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"


@contextmanager
def standing_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    """Make "meta" the device of the settings, with generators of its own, and watch what is done on it."""
    seen = Seen()
    with monkeypatch.context() as patch:
        patch.setenv("MECHBOOK_DEVICE", "meta")
        patch.setattr(devices, "generator_on", lambda device: StandInGenerator())
        with Watch(seen), Functions(seen):
            yield seen


def launches_a_step(model: torch.nn.Module, batch: Any, how: Any, seen: Seen, logits_of: Any = None) -> float:
    """How many kernels the training loop starts for each step after the first, whose optimizer is new; no drawing."""
    fixed, counts = Fixed.of(batch), []
    for steps in (1, 3):
        seen.clear()
        one = replace(how, steps=steps)
        train(model, lambda generator: fixed, one, torch.Generator(), logits_of=logits_of, probe_steps=())
        counts.append(seen.launches)
    # losses and weights are read at the end, however many steps there were
    return (counts[1] - counts[0]) / 2


@contextmanager
def launches_on_the_cpu() -> Iterator[Seen]:
    """Count the operations that a computation starts, where it really runs: what it would launch elsewhere."""
    seen = Seen()
    with Watch(seen, torch.device("cpu")):
        yield seen
