"""Several models as one program. Oracle: each model alone, torch's cross-entropy and autograd; float64."""

import pytest
import torch

from mechbook.hops.fast_model import losses_and_gradient, stack_models, stacked_logits, unstack
from tests.hops.test_model import built, generator


@pytest.mark.parametrize("changes", [{}, {"causal": True}, {"layer_norm": False}])
def test_stacked_models_are_each_model(changes) -> None:
    """Oracle: each model alone, logits and gradients, float64, 1e-10; three models, batches of two."""
    models = [built(seed, **changes) for seed in (10, 20, 30)]
    z = torch.randint(3, (3, 2, 7), generator=generator(7))
    stack = stack_models(models)
    logits = stacked_logits(stack, models[0].config, z)
    weights = torch.randn(logits.shape, generator=generator(8), dtype=torch.float64)
    (logits * weights).sum().backward()
    for s, model in enumerate(models):
        alone = model(z[s])
        torch.testing.assert_close(logits[s], alone, rtol=0, atol=1e-10)
        (alone * weights[s]).sum().backward()
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(stack[name].grad[s], parameter.grad, rtol=0, atol=1e-10)
        for name, values in model.state_dict().items():
            assert torch.equal(unstack(stack, s)[name], values)


def test_loss_accuracy_and_gradient_of_a_hop() -> None:
    """Oracle: torch's cross-entropy of one model and one hop at a time, its autograd, and argmax; float64, 1e-10."""
    logits = torch.randn(2, 3, 7, 4, 5, generator=generator(11), dtype=torch.float64)
    targets = torch.randint(5, (2, 3, 7, 4), generator=generator(12))
    losses, accuracy, gradient = losses_and_gradient(logits, targets)
    assert gradient.shape == logits.shape
    for s in range(2):
        for hop in range(4):
            given = logits[s, :, :, hop].clone().requires_grad_()
            loss = torch.nn.functional.cross_entropy(given.flatten(0, 1), targets[s, :, :, hop].flatten())
            (slope,) = torch.autograd.grad(loss, given)
            torch.testing.assert_close(losses[s, hop], loss.detach(), rtol=0, atol=1e-10)
            torch.testing.assert_close(gradient[s, :, :, hop], slope, rtol=0, atol=1e-10)
            right = (given.argmax(-1) == targets[s, :, :, hop]).double().mean()
            torch.testing.assert_close(accuracy[s, hop], right, rtol=0, atol=1e-10)


def test_what_cannot_be_stacked_is_refused() -> None:
    with pytest.raises(ValueError, match="There is no model to stack."):
        stack_models([])
    with pytest.raises(ValueError, match="different sizes"):
        stack_models([built(1), built(2, d=15)])
