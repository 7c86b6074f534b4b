"""The bigram task as its definition, one token after another: what `mechbook.shared.bigrams.sample` draws fast."""

import torch

from mechbook.shared.bigrams import BigramTask


def draw_sequence(task: BigramTask, generator: torch.Generator) -> tuple[list[int], dict[int, int]]:
    """One sequence of T + 1 tokens, and the output of each of its triggers (Birth section 3)."""

    def draw(weights: torch.Tensor) -> int:
        return int(torch.multinomial(weights, 1, generator=generator))

    triggers = list(task.triggers or ())
    weights = task.trigger_distribution.clone()
    while len(triggers) < task.K:
        triggers.append(draw(weights))
        weights[triggers[-1]] = 0.0  # no token is a trigger twice
    uniform = torch.ones(task.N)
    output = {q: draw(uniform if task.outputs == "uniform" else task.pi_b[q]) for q in triggers}
    z = [draw(task.pi_u)]
    while len(z) < task.T + 1:
        z.append(output[z[-1]] if z[-1] in output else draw(task.pi_b[z[-1]]))
    return z, output


def in_context(z: list[int], output: dict[int, int]) -> list[bool]:
    """For each input z_1, ..., z_T, whether it is a trigger that has occurred before."""
    return [token in output and token in z[:t] for t, token in enumerate(z[:-1])]
