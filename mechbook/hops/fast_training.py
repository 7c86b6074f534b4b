"""Several models trained as one program: what `mechbook.hops.training.train_hops` computes for each of them.

A training step of one such model is mostly the time that small operations take to start. The seeds of a setting differ
in numbers alone, so their weights are stacked and each operation does the work of all seeds at once; how much time that
saves, `benchmarks/bench_hops.py` measures. The loop of `mechbook.core.training.loop` trains one model, whose loss and
length are known beforehand; here each model has its own stage, and leaves the stack when it is done.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from mechbook.core.progress import Line
from mechbook.core.training.allocator import keep_freed_memory
from mechbook.core.training.keeper import Keeper
from mechbook.core.training.loop import use_threads
from mechbook.hops.counting import AtOnce, Later, counting
from mechbook.hops.fast_model import Stack, losses_and_gradient, stack_models, stacked_logits, unstack
from mechbook.hops.model import HopTransformer
from mechbook.hops.training import Draw, HopTrainingResult, HopTrainingSettings, Record


def train_stacked(
    models: Sequence[HopTransformer],
    draws: Sequence[Draw],
    how: HopTrainingSettings,
    generators: Sequence[Generator],
    *,
    state_path: Path | None = None,
) -> list[HopTrainingResult]:
    """Return what `train_hops` gives for each model, trained together as one program; the models stay as they are.

    Each has its own data, stage and gradient norm; one that is over leaves the stack. Equal to `train_hops` up to
    rounding. With `state_path` the state is kept there every 30 seconds, and a call with the same start goes on from
    it, to the same numbers bit for bit; the file is the caller's to remove.
    """
    use_threads()
    keep_freed_memory()
    config = models[0].config
    weights, stack = _flattened(stack_models(models))
    records = [Record(how, config.hops) for _ in models]
    kept_by = counting(records, weights.device)
    results: dict[int, HopTrainingResult] = {}
    active, optimizer = list(range(len(models))), _optimizer(weights, how)
    seconds, step, last = [0.0] * len(models), 0, time.monotonic()
    drawn = [generator.get_state() for generator in generators]
    initial = [model.state_dict() for model in models]
    keeper = Keeper(state_path, {"how": asdict(how), "models": initial, "drawn": drawn})
    if (kept_state := keeper.read()) is not None:
        step, seconds, active = kept_state["step"], kept_state["seconds"], kept_state["active"]
        results = {s: HopTrainingResult(**result) for s, result in kept_state["results"].items()}
        for record, found in zip(records, kept_state["records"], strict=True):
            record.take_up(found)
        for generator, found in zip(generators, kept_state["generators"], strict=True):
            generator.set_state(found)
        weights, stack = _flattened(stack_models([models[s] for s in active]))
        optimizer = _restored(weights, kept_state, how)
        kept_by = counting([records[s] for s in active], weights.device)
        kept_by.take_up(kept_state["counting"])
    with Line(f"{config.hops} hops, {len(models)} models side by side", how.steps, "steps", start=step) as line:
        while active:
            parts = (weights, optimizer, active, seconds, results, records, kept_by, generators)
            keeper.turn(step, partial(_state, *parts))
            step += 1
            batches = [draws[s](generators[s]) for s in active]
            z, targets = (torch.stack(part) for part in zip(*batches, strict=True))
            logits = stacked_logits(stack, config, z)
            losses, accuracy, gradient = losses_and_gradient(logits, targets)
            counted = kept_by.weights(losses)
            each = (losses * counted).sum(1)
            trained = [values for values in stack.values() if values.requires_grad]
            gradients = torch.autograd.grad(logits, trained, gradient * counted[:, None, None, :, None])
            weights.grad = _clipped(torch.cat([values.flatten(1) for values in gradients], dim=1), how.clip_norm)
            for group in optimizer.param_groups:
                group["lr"] = how.rate(step)
            optimizer.step()
            line.advance()
            over = kept_by.add(step, each, accuracy)
            if any(over) or step % how.record_every == 0:
                now = time.monotonic()
                for s in active:
                    seconds[s] += (now - last) / len(active)
                last = now
            if any(over):
                for place, s in enumerate(active):
                    if over[place]:
                        results[s] = records[s].result(unstack(stack, place), seconds[s])
                kept = [place for place in range(len(active)) if not over[place]]
                active = [active[place] for place in kept]
                if kept:
                    weights, stack, optimizer = _keep(stack, optimizer, kept, how)
                    kept_by.keep(kept)
    return [results[s] for s in range(len(models))]


def _flattened(stack: Stack) -> tuple[Float[Tensor, "S parameters"], Stack]:
    """Return all trained weights of each model in one row, and a stack whose trained tensors are views of these rows.

    One tensor is updated and clipped in a few operations, where a step of thirty small ones is mostly overhead.
    """
    trained = [values for values in stack.values() if values.requires_grad]
    weights = torch.cat([values.detach().flatten(1) for values in trained], dim=1).requires_grad_()
    parts = iter(weights.detach().split([values[0].numel() for values in trained], dim=1))
    views = {
        name: next(parts).view(values.shape).requires_grad_() if values.requires_grad else values
        for name, values in stack.items()
    }
    return weights, views


def _optimizer(weights: Tensor, how: HopTrainingSettings) -> torch.optim.AdamW:
    return torch.optim.AdamW([weights], lr=how.lr, betas=(0.9, how.beta2), weight_decay=0.0)


def _state(
    weights: Tensor,
    optimizer: torch.optim.AdamW,
    active: list[int],
    seconds: list[float],
    results: dict[int, HopTrainingResult],
    records: Sequence[Record],
    kept_by: AtOnce | Later,
    generators: Sequence[Generator],
) -> dict[str, Any]:
    """All that the rest of the training depends on, between two steps."""
    return {
        "weights": weights.detach(),
        "adam": dict(optimizer.state[weights]),
        "active": active,
        "seconds": seconds,
        "results": {s: vars(result) for s, result in results.items()},
        "records": [record.kept() for record in records],
        "counting": kept_by.kept(),
        "generators": [generator.get_state() for generator in generators],
    }


def _restored(weights: Tensor, state: dict[str, Any], how: HopTrainingSettings) -> torch.optim.AdamW:
    """Put kept weights into `weights`, in place, and return their optimizer as it was."""
    with torch.no_grad():
        weights.copy_(state["weights"])
    optimizer = _optimizer(weights, how)
    # AdamW counts its steps on the CPU
    optimizer.state[weights] = {name: v.to(weights.device) if v.dim() else v for name, v in state["adam"].items()}
    return optimizer


def _clipped(gradient: Float[Tensor, "S parameters"], most: float) -> Float[Tensor, "S parameters"]:
    """As torch.nn.utils.clip_grad_norm_, for each model by itself."""
    return gradient * (most / (gradient.norm(dim=1, keepdim=True) + 1e-6)).clamp(max=1.0)


def _keep(
    stack: Stack, optimizer: torch.optim.AdamW, kept: list[int], how: HopTrainingSettings
) -> tuple[Tensor, Stack, torch.optim.AdamW]:
    """The weights, their stack and their optimizer with the models of these places alone."""
    smaller = {name: values.detach()[kept].requires_grad_(values.requires_grad) for name, values in stack.items()}
    weights, views = _flattened(smaller)
    fresh = _optimizer(weights, how)
    ((_, old),) = optimizer.state.items()
    fresh.state[weights] = {"step": old["step"], **{key: old[key][kept] for key in ("exp_avg", "exp_avg_sq")}}
    return weights, views, fresh
