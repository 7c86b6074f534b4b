"""A study of chapter 5 made up by hand, from which claims' values can be worked out by eye."""

import torch

from mechbook.laser.edits import Edit
from mechbook.laser.prompts import Row
from mechbook.laser.shown import Shown
from mechbook.laser.study import StudyResult

SHOWN = Shown(
    texts=[], answers=[], tasks=[], places=[], words={}, top=torch.zeros(1, 0, 1, dtype=torch.long),
    p_top=torch.zeros(1, 0, 1), p_answer=torch.zeros(1, 0), p_the=torch.zeros(1, 0),
)  # fmt: skip


def made_up() -> StudyResult:
    """Two tasks, four map points, four controls each."""

    def row(group: str, kind: str, ratio: float, layer: int = 1, rho: float | None = None, second: float = 1.0) -> Row:
        return Row(
            group=group, kind=kind, matrix="mlp_in", layer=layer, layer_from_1=layer + 1, rho=rho, dropped=0, n=30,
            answer=0.1, generic=0.1 / ratio, ratio=ratio, top1=0.5, second=second,
        )  # fmt: skip

    kinds = {"rho 0.1": 8.0, "without the 6 smallest": 2.0, "without 58 random (0)": 1.25, "without 58 random (1)": 0.4}
    return StudyResult(
        sizes={"facts": 60, "ioi": 100},
        map_whole={task: row(task, "none", 0.5) for task in ("facts", "ioi")},
        shown=SHOWN,
        map_rows=[row(g, "rho", r, i, rho) for g, r, i, rho in (
            ("facts", 2.0, 28, 0.1), ("facts", 3.0, 27, 0.3), ("ioi", 5.0, 4, 0.01), ("ioi", 4.0, 29, 0.1)
        )],
        chosen={task: Edit(layer=1, matrix="mlp_in", dropped=(), kind="rho 0.1") for task in ("facts", "ioi")},
        whole={task: row(task, "none", 0.5, second=0.9) for task in ("facts", "ioi")},
        controls={task: [row(task, kind, r) for kind, r in kinds.items()] for task in ("facts", "ioi")},
        p={task: torch.rand(4, 30, 5) for task in ("facts", "ioi")},
        p_whole={task: torch.rand(30, 5) * torch.tensor([5.0, 1, 1, 1, 1]) for task in ("facts", "ioi")},
        losses={"facts": torch.full((4, 50), 2.0), "ioi": torch.full((4, 50), 1.5)},
        losses_whole=torch.full((50,), 1.0),
        falls={"facts": [(" the", 0.4, 0.1), (" Europe", 0.2, 0.1), (" in", 0.02, 0.015)],
               "ioi": [(" The", 0.3, 0.2), (" a", 0.2, 0.1)]},
        right=torch.tensor([1.0] * 10 + [0.0] * 20),
        right_whole=torch.tensor([1.0] * 16 + [0.0] * 14),
        table_1=[], longer=[], seconds=1.0,
    )  # fmt: skip
