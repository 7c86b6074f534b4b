"""One number of heads of the trade-off's map, without and with an MLP, trained again on facts that the map did not see.

The map has a dozen cells with an MLP; the best of them is best by luck, too, on the runs it was picked by.
"""

import torch
from torch import Tensor

from mechbook.core import settings
from mechbook.core.cache.entries import cached
from mechbook.core.training.loop import use_threads
from mechbook.facts.model import FactConfig, initial_weights, placed, stack
from mechbook.facts.stack_training import train_stack
from mechbook.facts.streams import STREAMS
from mechbook.facts.task import random_task
from mechbook.facts.tradeoff import TradeoffSettings

# groups of widths have the numbers 0 and 1 in the map's stream
FRESH = 2


def again(grid: TradeoffSettings, H: int, m: int) -> Tensor:
    """Accuracy without an MLP and with one of width m, (2, seeds), from the cache where they were trained before.

    As many fresh seeds as the map has, their tasks numbered after its own. ValueError for m < 1.
    """
    if m < 1:
        raise ValueError(f"m is {m}; it is the width of an MLP, 1 or more.")
    use_threads()
    key = {"tradeoff again": grid.key(), "H": H, "m": m}
    accuracy: Tensor = cached(key, lambda: _train(grid, H, m), modules=(__name__,))
    return accuracy


def _train(grid: TradeoffSettings, H: int, m: int) -> Tensor:
    own = [STREAMS.generator("tradeoff tasks", grid.seeds + seed) for seed in range(grid.seeds)]
    tasks = [random_task(grid.S, stream, D=grid.D, T=grid.T) for stream in own]
    stream = STREAMS.generator("tradeoff training", H, FRESH)
    config = FactConfig(V=tasks[0].V, A=tasks[0].A, d=grid.d, H=H, d_h=grid.d_h, m=m)
    weights = placed(stack([initial_weights(config, stream) for _ in range(2) for _ in tasks]), settings.device())
    # both in one stack: without an MLP none of its neurons is there
    hidden = torch.stack([torch.full((m,), float(width > 0)) for width in (0, m) for _ in tasks])
    found = train_stack(tasks * 2, weights, grid.training, grid.training.rates[0], stream, hidden=hidden)
    return found.view(2, grid.seeds).double()
