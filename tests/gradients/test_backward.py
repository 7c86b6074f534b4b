"""The gradient of a layer in the middle as a memory."""

import torch

from mechbook.gradients.backward import backward_identity, middle_gradient, network
from mechbook.gradients.presets import LAPTOP


def test_the_middle_layer_s_gradient_is_a_sum_of_outer_products():
    """Oracle: one-sided differences of the loss, an entry at a time; and autograd to 1e-10 on the preset's sizes."""
    random = torch.Generator().manual_seed(0)
    layers = tuple(torch.randn(*shape, generator=random, dtype=torch.float64) for shape in ((5, 3), (7, 5), (4, 7)))
    x, y = torch.randn(11, 3, generator=random, dtype=torch.float64), torch.arange(11) % 4
    found, small = middle_gradient(layers, x, y), 1e-6
    loss = torch.nn.functional.cross_entropy
    for i in range(7):
        for j in range(5):
            moved = layers[1].clone()
            moved[i, j] += small
            change = loss(network((layers[0], moved, layers[2]), x), y) - loss(network(layers, x), y)
            assert abs(float(change) / small - float(found[i, j])) < 1e-5
    assert all(backward_identity(LAPTOP.identities, seed) < 1e-10 for seed in range(3))
