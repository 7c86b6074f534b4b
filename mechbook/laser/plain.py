"""LASER as it is usually measured, which is the definition of what `mechbook.laser.edits.measure` does faster."""

import copy
from collections.abc import Sequence

import torch

from mechbook.laser.edits import Edit, Measured, Prompt, measured
from mechbook.pretrained.load import LanguageModel


def measure_plainly(
    model: LanguageModel, prompts: Sequence[Prompt], edits: Sequence[Edit], *, top: int = 1
) -> Measured:
    """`measure` as it is usually done, and its definition: for each edit a copy of the model and a decomposition, then
    one prompt at a time through the whole of it."""
    watched = torch.tensor([p.watch for p in prompts])
    found = []
    for edit in (None, *edits):
        edited = copy.deepcopy(model.adapter.model)
        if edit is not None:
            matrix = type(model.adapter)(edited).matrix(edit.layer, edit.matrix)
            U, S, Vh = torch.linalg.svd(matrix.read(), full_matrices=False)
            S[list(edit.dropped)] = 0
            matrix.write((U * S) @ Vh)
        with torch.no_grad():
            rows = [edited(torch.tensor([p.tokens])).logits[0, -1] for p in prompts]
        p = torch.stack(rows).float().softmax(-1)
        ranked = p.sort(descending=True)
        found.append((p.gather(1, watched), ranked.indices[:, :top], ranked.values[:, :top]))
    return measured(edits, found)
