"""What a device makes of chapters 3 and 4: a step's loss and gradients against the CPU's, then steps a second.

    python -m benchmarks.on_device [--small] [--seconds 60] [--out report.json]

The step is the one that runs take on an accelerator: every position, weighed, no waiting. Each model's loss and
gradients in float32 are held against float64 on the CPU, within BOUND of the largest entry. Then a step at the papers'
size, batches drawn on the device: its time, by the chosen way and by attention maps written out, which share of the
device's rate for a product of large matrices its arithmetic comes to, and how many kernels it starts. With --small the
sizes are a laptop's.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from mechbook.core import devices, settings
from mechbook.core.training.measuring import masked
from mechbook.core.training.meter import Meter
from mechbook.induction import experiments as induction
from mechbook.induction.presets import LAPTOP as INDUCTION_LAPTOP
from mechbook.induction.presets import PAPER as INDUCTION_PAPER
from mechbook.noisy import experiments as noisy
from mechbook.noisy import task_device
from mechbook.noisy.everywhere import logits as noisy_logits
from mechbook.noisy.presets import LAPTOP as NOISY_LAPTOP
from mechbook.noisy.presets import PAPER as NOISY_PAPER
from mechbook.records.machine import device_name
from mechbook.shared import bigrams_device

# Float32 rounds at 6e-8 and sums some ten thousand terms; TF32 keeps ten bits of each factor.
BOUND = {False: 2e-4, True: 2e-2}
Logits = Callable[[nn.Module, Any], Tensor]
# Operations that move no number and are no views to torch.
FREE = {"detach", "alias", "_unsafe_view", "_reshape_alias", "lift_fresh", "resize_", "set_"}


@dataclass(frozen=True)
class Case:
    """A run's name and settings, what draws its batches on a device, and its logits: chosen, and with maps."""

    name: str
    spec: Any
    sampler: Callable[[Any, int, torch.device], Callable[[Generator], Any]]
    chosen: Logits
    maps: Logits


def cases(*, small: bool) -> list[Case]:
    """The kinds of run that chapters 3 and 4 make, one of each."""
    heads, noise = (INDUCTION_LAPTOP, NOISY_LAPTOP) if small else (INDUCTION_PAPER, NOISY_PAPER)
    plain: Logits = lambda model, batch: model(batch.inputs)  # noqa: E731
    traced: Logits = lambda model, batch: model.trace(batch.inputs).logits  # noqa: E731
    everywhere: Logits = lambda model, batch: noisy_logits(model, batch.inputs)  # type: ignore[arg-type]  # noqa: E731
    bigrams = {
        "induction, Figure 3": induction.frozen_settings(heads, 0),
        "induction, Figure 4": induction.trigger_settings(heads, 0, "base"),
        "induction, Figure 8": induction.dimension_settings(heads, 0, 256, heads.dimension.fixed_lr),
        "induction, vanilla": induction.vanilla_settings(heads, 0, "random"),
    }
    noises = {"noisy, main": noisy.main_settings(noise, 0)}
    noises |= {f"noisy, {name}": noisy.architecture_settings(noise, name, 0) for name in noisy.ARCHITECTURES}
    return [
        *(Case(name, spec, bigrams_device.sampler, plain, traced) for name, spec in bigrams.items()),
        *(Case(name, spec, task_device.sampler, everywhere, plain) for name, spec in noises.items()),
    ]


def gradients(model: nn.Module, batch: Any, everywhere: bool, logits: Logits) -> list[Tensor]:
    """The loss, and its gradient with respect to each trained parameter."""
    trained = [p for p in model.parameters() if p.requires_grad]
    loss = masked(model, batch, everywhere, logits, Meter())
    return [loss.detach(), *torch.autograd.grad(loss, trained)]


def farthest(case: Case, device: torch.device) -> float:
    """The largest distance of loss or gradient on the device from the CPU's, over the largest entry there."""
    batch = case.sampler(case.spec.task(), 8, torch.device("cpu"))(Generator().manual_seed(1))
    everywhere = case.spec.training.loss_on == "all"
    expected = gradients(case.spec.build().double(), batch, everywhere, case.chosen)
    there = gradients(case.spec.build().to(device), batch.to(device), everywhere, case.chosen)
    gaps = [
        (ours.cpu().double() - theirs).abs().max() / theirs.abs().max()
        for ours, theirs in zip(there, expected, strict=True)
    ]
    return float(max(gaps))


def wait(device: torch.device) -> None:
    """Until the device has done all it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def product_rate(device: torch.device, size: int) -> float:
    """Operations a second of a product of two float32 matrices."""
    a, b = (torch.randn(size, size, device=device) for _ in range(2))
    rates = []
    for _ in range(4):
        wait(device)
        began = time.perf_counter()
        for _ in range(5):
            a @ b
        wait(device)
        rates.append(5 * 2 * size**3 / (time.perf_counter() - began))
    return max(rates)


def step_time(case: Case, device: torch.device, logits: Logits, seconds: float) -> tuple[float, int]:
    """Seconds a step takes, its batch drawn and its update made, and how many were timed."""
    how, model = case.spec.training, case.spec.build().to(device)
    draw, generator = case.sampler(case.spec.task(), how.batch_size, device), Generator().manual_seed(2)
    trained = [p for p in model.parameters() if p.requires_grad]
    sgd = torch.optim.SGD(trained, lr=1e-3, momentum=0.9, foreach=devices.is_accelerator(device) or None)
    meter, everywhere = Meter(), how.loss_on == "all"

    def step() -> None:
        masked(model, draw(generator), everywhere, logits, meter).backward()
        sgd.step()
        sgd.zero_grad(set_to_none=True)

    step()
    wait(device)
    began, made, block = time.perf_counter(), 0, 1
    while time.perf_counter() - began < seconds:
        for _ in range(block):
            step()
        wait(device)
        made, block = made + block, min(2 * block, 128)
    return (time.perf_counter() - began) / made, made


def operations(case: Case, device: torch.device) -> int:
    """Floating-point operations of a step's products, forward and backward, with maps written out."""
    model = case.spec.build().to(device)
    batch = case.sampler(case.spec.task(), case.spec.training.batch_size, device)(Generator().manual_seed(3))
    with FlopCounterMode(display=False) as counter:
        gradients(model, batch, case.spec.training.loss_on == "all", case.maps)
    return counter.get_total_flops()


class Launches(TorchDispatchMode):
    """Counts the operations that would each start a kernel: all but views and memory that is not filled."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.__name__.split(".")[0]
        self.count += not (func.is_view or name in FREE or name.startswith(("empty", "new_empty")))
        return func(*args, **(kwargs or {}))


def launches(case: Case, device: torch.device) -> int:
    """How many kernels one step starts: loss, gradients and update, its batch drawn before."""
    how, model = case.spec.training, case.spec.build().to(device)
    batch = case.sampler(case.spec.task(), how.batch_size, device)(Generator().manual_seed(4))
    trained = [p for p in model.parameters() if p.requires_grad]
    sgd = torch.optim.SGD(trained, lr=1e-3, momentum=0.9, foreach=devices.is_accelerator(device) or None)
    meter, everywhere = Meter(), how.loss_on == "all"
    for _ in range(2):  # the second, as the first makes the optimiser's state
        with Launches() as seen:
            masked(model, batch, everywhere, case.chosen, meter).backward()
            sgd.step()
            sgd.zero_grad(set_to_none=True)
    return seen.count


def main() -> int:
    """Print a line for each case; 1 where one is out of bounds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.on_device", description=__doc__)
    parser.add_argument("--small", action="store_true", help="a laptop's sizes")
    parser.add_argument("--seconds", type=float, default=60, help="for all timings; none begins after 2.5 times that")
    parser.add_argument("--out", type=Path, help="a file for the numbers, as JSON")
    given = parser.parse_args()
    devices.use_precision()
    began = time.perf_counter()
    device, tf32 = settings.device(), settings.uses_tf32()
    rate = product_rate(device, 1024 if given.small else 8192)
    found: dict[str, Any] = {
        "device": device_name(device), "torch": torch.__version__, "TF32": tf32, "product_rate": rate, "cases": {},
    }  # fmt: skip
    head = f"{found['device']}, torch {torch.__version__}, TF32 {tf32}"
    print(f"{head}: a product of large matrices {rate / 1e12:.2f} TFLOP/s", flush=True)
    all_cases, wrong = cases(small=given.small), 0
    for case in cases(small=True):
        gap = farthest(case, device)
        wrong += gap > BOUND[tf32]
        found["cases"][case.name] = {"farthest": gap}
        print(f"{case.name:<24} farthest from float64 on the CPU: {gap:.1e} (bound {BOUND[tf32]:.0e})", flush=True)
    for case in all_cases:
        if time.perf_counter() - began > 2.5 * given.seconds:
            print(f"{case.name:<24} left out: the time for it is over", flush=True)
            continue
        row = found["cases"][case.name]
        share = given.seconds / len(all_cases) / 2
        row["flops"], row["launches"] = operations(case, device), launches(case, device)
        for way, logits in (("chosen", case.chosen), ("maps", case.maps)):
            row[way], row[f"{way}_steps"] = step_time(case, device, logits, share)
        used = row["flops"] / row["chosen"] / rate
        print(
            f"{case.name:<24} {1e3 * row['chosen']:>9.2f} ms a step ({1 / row['chosen']:.0f}/s), with maps "
            f"{row['maps'] / row['chosen']:.2f} times as long; {row['flops'] / 1e9:.1f} GFLOP, {used:.0%} of the rate, "
            f"{row['launches']} launches",
            flush=True,
        )
        if given.out is not None:
            given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
