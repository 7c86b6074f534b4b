"""Theorem 3 of Birth as a procedure: one gradient step on W_O2, then one on W_K2, then one on W_K1, all from zero.

Each function here is a definition, the streams of a batch formed in full; `counts` computes the same in less time. The
architecture is the one that appendix B.3 restricts step by step, with Phi_1 = W_O1 W_V1:

    step on   values                  keys                                queries        attention of layer 1, 2
    W_O2      all of x_t + layer 1    -                                   -              uniform, uniform
    W_K2      w_E(z_t) + p_t          mean over s <= t of                 w_E(q) + p_T   uniform, at W_K2 = 0
                                      Phi_1 (w_E(z_s) + p_s)
    W_K1      w_E(z_t)                sum over s <= t of a_ts             w_E(q)         softmax_s(p_t . W_K1 p_s) at 0,
                                      Phi_1 w_E(z_s)                                     linearised (eq. 14)

and after the third step the model predicts with that last row, both softmaxes exact.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from mechbook.gradients.attention_lemmas import first_layer_gradient, second_layer_gradient
from mechbook.gradients.lemmas import noisy_input_gradient
from mechbook.gradients.task import SingleTriggerBatch
from mechbook.gradients.three_steps.model import ThreeStepModel
from mechbook.gradients.three_steps.probes import diagonal_gap, previous_gap


def predict(model: ThreeStepModel, batch: SingleTriggerBatch) -> tuple[Float[Tensor, "B N"], Float[Tensor, "B T"]]:
    """Return the logits at the last position and layer 2's attention there, both softmaxes exact (B.3.3)."""
    x = model.W_E[batch.z]
    future = torch.ones_like(model.position_scores, dtype=torch.bool).triu(1)
    first = (model.P @ model.W_K1 @ model.P.T).masked_fill(future, float("-inf")).softmax(1)
    keys = first @ x @ model.Phi_1.T
    scores = (keys @ (x[:, -1] @ model.W_K2)[:, :, None])[:, :, 0]
    attention = scores.softmax(1)
    mixed = (attention[:, None] @ x)[:, 0]
    return mixed @ model.Phi_2.T @ model.W_U.T, attention


def running_mean(x: Float[Tensor, "B T d"]) -> Float[Tensor, "B T d"]:
    """Return (1/t) sum_{s <= t} x_s for every t: what uniform attention makes of x."""
    return x.cumsum(1) / torch.arange(1, x.shape[1] + 1, dtype=x.dtype, device=x.device)[:, None]


def W_O2_step(model: ThreeStepModel, batch: SingleTriggerBatch) -> Float[Tensor, "d d"]:
    """Return minus the gradient on W_O2 at zero, by Lemma 2: the input is the mean of all in the context (B.3.1)."""
    stream = model.W_E[batch.z] + model.P
    x = (stream + running_mean(stream) @ model.Phi_1.T).mean(1) @ model.W_V2.T
    return -noisy_input_gradient(model.W_O2, x, batch.y, model.W_U)


def W_K2_step(model: ThreeStepModel, batch: SingleTriggerBatch) -> Float[Tensor, "d d"]:
    """Return minus the gradient on W_K2 at zero, by Lemma 4: keys hold layer 1's output alone (B.3.2)."""
    stream = model.W_E[batch.z] + model.P
    keys = running_mean(stream) @ model.Phi_1.T
    return -second_layer_gradient(stream, keys, stream[:, -1], batch.y, model.W_U, model.Phi_2)


def W_K1_step(model: ThreeStepModel, batch: SingleTriggerBatch) -> Float[Tensor, "d d"]:
    """Return minus the gradient on W_K1 at zero, by Lemma 5: the first layer moves tokens alone (B.3.3)."""
    x = model.W_E[batch.z]
    return -first_layer_gradient(x, model.P, batch.y, model.W_U, model.Phi_1, model.Phi_2, model.W_K2)


def three_steps(
    model: ThreeStepModel, draw: Callable[[], SingleTriggerBatch], logit: float, gap_W_K2: float, gap_W_K1: float
) -> list[ThreeStepModel]:
    """Return the model before the first step and after each of the three, every step on fresh sequences.

    A step size is the one that gives what is stored its target size.
    """
    models = [model]
    for name, step, size, target in (
        ("W_O2", W_O2_step, lambda model: model.value_table.diagonal().mean(), logit),
        ("W_K2", W_K2_step, lambda model: diagonal_gap(model.score_table), gap_W_K2),
        ("W_K1", W_K1_step, lambda model: previous_gap(model.position_scores).median(), gap_W_K1),
    ):
        direction = step(models[-1], draw())
        eta = target / float(size(replace(models[-1], **{name: direction})))
        models.append(replace(models[-1], **{name: eta * direction}))
    return models
