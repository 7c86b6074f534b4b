"""Noisy recall as its definition, nothing done for speed: what the fast paths are tested against."""

from jaxtyping import Bool, Float, Int
from torch import Tensor

from mechbook.noisy.task import NoisyTask


def one_sequence(
    task: NoisyTask,
    uniform: Float[Tensor, "T"],
    noisy: Bool[Tensor, "T"],
    outputs: Int[Tensor, "K"],
    last: Int[Tensor, ""],
) -> tuple[list[int], list[int], list[bool]]:
    """Return z_1..z_{T+1}, the answer at each of the T inputs (-1: no trigger), and where the loss is taken."""
    answer = dict(zip(task.triggers, outputs.tolist(), strict=True))
    z = [first_above(task.bigrams.pi_u, uniform[0])]
    for t in range(1, task.T):
        before = z[-1]
        if before in answer:
            z.append(task.noise_token if noisy[t - 1] else answer[before])
        elif before == task.noise_token:
            z.append(first_above(task.bigrams.pi_u, uniform[t]))
        else:
            z.append(first_above(task.bigrams.pi_b[before], uniform[t]))
    z[-1] = task.triggers[int(last)]
    z.append(task.noise_token if noisy[-1] else answer[z[-1]])
    answers = [answer.get(token, -1) for token in z[:-1]]
    in_context = [token in answer and token in z[:t] for t, token in enumerate(z[:-1])]
    return z, answers, in_context


def first_above(p: Float[Tensor, "N"], u: Float[Tensor, ""]) -> int:
    """Return the first token whose cumulative probability exceeds u, a draw from p where u is uniform."""
    return int((p.double().cumsum(0) > u).nonzero()[0])
