"""The kept state of an unfinished run: read with care, and an optimizer's part of it by parameter name."""

import warnings
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from mechbook.core.cache import store


def read_state(path: Path, identity: str) -> dict[str, Any] | None:
    """The state kept at `path` by the run `identity`; None, with a warning where there is another or a damaged one."""
    try:
        state: dict[str, Any]
        state, owner = store.load(path)
    except FileNotFoundError:
        return None
    except store.DamagedFile as error:
        warnings.warn(f"The training starts over: {error}.", RuntimeWarning, stacklevel=5)
        return None
    if owner != identity:
        warnings.warn(f"The training starts over: {path.name} belongs to another run.", RuntimeWarning, stacklevel=5)
        return None
    return state


def optimizer_state(optimizer: Optimizer | None, parameters: dict[str, nn.Parameter]) -> dict[str, Any]:
    """What the optimizer remembers of each parameter; a parameter never updated has nothing."""
    remembered = optimizer.state if optimizer else {}
    return {name: dict(remembered[p]) for name, p in parameters.items() if p in remembered}


def restore_optimizer(optimizer: Optimizer | None, parameters: dict[str, nn.Parameter], state: dict[str, Any]) -> None:
    """Give `optimizer` back what `optimizer_state` took."""
    for name, kept in state.items():
        if optimizer is None:
            raise ValueError(f"A state of the optimizer is kept for {name!r}: this run trains nothing.")
        device = parameters[name].device
        # AdamW counts its steps on the CPU
        optimizer.state[parameters[name]] = {
            key: value.to(device) if isinstance(value, Tensor) and value.dim() else value for key, value in kept.items()
        }
