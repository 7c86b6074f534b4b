"""What F_1 does for the answer: layer 2's attention and the logits at the last position, with F_1 and without it."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mechbook.noisy.after_training import noisy_contexts, trained_model
from mechbook.noisy.layer_2 import kinds_of_keys
from mechbook.noisy.model import NoisyTransformer
from mechbook.noisy.runs import NoisySettings

# Where F_1's output is left out: (of the keys and what is copied from them, of the last position).
LEFT_OUT = {"nowhere": (False, False), "at the keys": (True, False), "at the last position": (False, True),
            "everywhere": (True, True)}  # fmt: skip


def without_F1(
    model: NoisyTransformer, z: Int[Tensor, "B T"], *, at_keys: bool, at_last: bool
) -> tuple[Float[Tensor, "B V"], Float[Tensor, "B T"]]:
    """Return the logits of the last position and layer 2's attention from it, with F_1's output left out there.

    `at_keys` leaves it out of all other positions, which are looked at and copied, `at_last` of the last one. With
    neither these are the model's own; with both, those of a model whose F_1 is zero.
    """
    _, y, x1, *_ = model.trace(z).streams
    keys = torch.cat([(y if at_keys else x1)[:, :-1], (y if at_last else x1)[:, -1:]], 1)
    query = keys[:, -1]
    scores = (keys @ (query @ model.W_KQ2).unsqueeze(2)).squeeze(2) / math.sqrt(model.config.d)
    attention = scores.softmax(-1)
    read = query + (attention.unsqueeze(1) @ keys).squeeze(1) @ model.W_V2.T
    return (read + model.F2(read)) @ model.W_U.T, attention


def at_the_end(spec: NoisySettings, where: str, sequences: int = 512) -> dict[str, float]:
    """Means over clean sequences, F_1's output left out as LEFT_OUT[where] says: one run's trained model.

    "attention" of layer 2 on the answer; "answer", "noise": their logits above the mean of all tokens'. KeyError for
    another `where`.
    """
    at_keys, at_last = LEFT_OUT[where]
    model, batch = trained_model(spec), noisy_contexts(spec, sequences, alpha=0.0)
    noise = spec.task().noise_token
    with torch.no_grad():
        logits, attention = without_F1(model, batch.inputs, at_keys=at_keys, at_last=at_last)
    above = logits - logits.mean(1, keepdim=True)
    return {
        "attention": float((attention * kinds_of_keys(batch, noise)["answer"]).sum(1).mean()),
        "answer": float(above.gather(1, batch.answer[:, None]).mean()),
        "noise": float(above[:, noise].mean()),
    }
