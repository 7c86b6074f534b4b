"""What noisy recall asks of a model: does it predict the noise or the answer, where does it look, what does F_2 say?"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F


def prediction(logits: Float[Tensor, "n V"], answers: Int[Tensor, "n"], noise: int) -> dict[str, float]:
    """Return means over n predictions of what is to be the answer and may be the noise.

    "noise", "correct": the probability of the noise token and of the answer; "clean_loss": -log of the latter, in nats;
    "noise_first": the share of predictions whose most likely token is the noise.
    """
    log_p = F.log_softmax(logits, -1)
    right = log_p.gather(1, answers.unsqueeze(1)).squeeze(1)
    return {
        "noise": float(log_p[:, noise].exp().mean()),
        "correct": float(right.exp().mean()),
        "clean_loss": float(-right.mean()),
        "noise_first": float((logits.argmax(-1) == noise).to(logits.dtype).mean()),
    }


def pair_positions(
    inputs: Int[Tensor, "n T"], first: Int[Tensor, "n"], second: Int[Tensor, "n"]
) -> Bool[Tensor, "n T"]:
    """Mark the positions that hold sequence n's token second[n] just after its token first[n]."""
    marked = torch.zeros_like(inputs, dtype=torch.bool)
    marked[:, 1:] = (inputs[:, :-1] == first.unsqueeze(1)) & (inputs[:, 1:] == second.unsqueeze(1))
    return marked


def attention_after_trigger(
    attention: Float[Tensor, "n T"], inputs: Int[Tensor, "n T"], token: Int[Tensor, "n"]
) -> Float[Tensor, "n"]:
    """Return the attention mass on sequence n's token[n] where it follows an occurrence of the last input."""
    marked = pair_positions(inputs, inputs[:, -1], token)
    return (attention * marked).sum(1)


def noise_margin(added: Float[Tensor, "n d"], W_U: Float[Tensor, "V d"], noise: int) -> Float[Tensor, "n"]:
    """Return by how much the noise's logit exceeds every other's when a block adds `added` to the stream.

    [W_U F(x)]_noise - max over k of the others of [W_U F(x)]_k (the summary's Figure 3, right, with x = w_E(q)).
    """
    logits = added @ W_U.T
    others = logits.clone()
    others[:, noise] = float("-inf")
    return logits[:, noise] - others.amax(1)


def diagonal_margins(matrix: Float[Tensor, "n n"], diagonal: Int[Tensor, "k"]) -> Float[Tensor, "k"]:
    """Return by how much each entry (q, q), q in `diagonal`, exceeds every entry that is not one of them."""
    rest = matrix.clone()
    rest[diagonal, diagonal] = float("-inf")
    return matrix[diagonal, diagonal] - rest.max()
