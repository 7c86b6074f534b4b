"""The plateau of a run of Figure 5, where the loss stays near log D: how long it is, and what the answers are like."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mechbook.facts.dynamics import DynamicsResult
from mechbook.facts.task import FactTask


@dataclass(frozen=True)
class Plateau:
    """First and last step of one seed's plateau, and the places of the probe steps between them, both included."""

    start: int
    end: int
    places: list[int]

    @property
    def middle(self) -> int:
        """The place of the probe step in the middle of it."""
        return self.places[len(self.places) // 2]

    @property
    def quarter(self) -> int:
        """The place of the probe step a quarter of the way along it."""
        return self.places[len(self.places) // 4]


def plateau(run: DynamicsResult, task: FactTask, width: float, seed: int) -> Plateau:
    """The longest stretch of a seed's probe steps with the loss within `width` nats of log D; 0 to 0 for none."""
    near = (run.scores["loss"][:, seed] - math.log(task.D)).abs() <= width
    start, end = longest_stretch(run.steps, near.tolist())
    return Plateau(start, end, [i for i, step in enumerate(run.steps) if start <= step <= end])


def longest_stretch(steps: Sequence[int], inside: Sequence[bool]) -> tuple[int, int]:
    """Return first and last of the longest stretch of probe steps that are all inside; (0, 0) for none."""
    best, start = (0, 0), None
    for step, here in zip(steps, inside, strict=True):
        start = (step if start is None else start) if here else None
        if start is not None and step - start > best[1] - best[0]:
            best = (start, step)
    return best


def halfway(run: DynamicsResult, task: FactTask, seed: int) -> tuple[int, int]:
    """The steps at which a seed's loss passes halfway from log |A| to log D, and from log D to 0.

    A loss that does not get there gives the number of steps + 1.
    """
    loss, high, low = run.scores["loss"][:, seed].tolist(), math.log(task.A), math.log(task.D)
    first, second = (
        next((step for step, value in zip(run.steps, loss, strict=True) if value < level), run.steps[-1] + 1)
        for level in ((high + low) / 2, low / 2)
    )
    return first, second


def best_guesses(run: DynamicsResult, task: FactTask, width: float, seed: int) -> dict[str, float]:
    """Shares of a seed's best guesses, a quarter of the way along the plateau, that are valid, and that are correct.

    And "preferred", the loss there less the relation-only loss and log D: where the D answers of r are equally frequent
    and s is not known yet, the divergence of even answers within A_r from what is predicted, in nats. "uneven" is the
    loss less log D, which has the relation-only loss in it and is small wherever there is a plateau.
    """
    at = plateau(run, task, width, seed).quarter
    valid, correct, loss, relation = (
        float(run.scores[name][at, seed]) for name in ("valid", "accuracy", "loss", "relation_only")
    )
    uneven = loss - math.log(task.D)
    return {"valid": valid, "correct": correct, "preferred": uneven - relation, "uneven": uneven}
