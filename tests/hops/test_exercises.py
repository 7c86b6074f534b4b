"""The exercises' checks: right answers found another way are accepted, likely mistakes are told."""

import math

import torch

from mechbook.hops.construction import hop_construction
from mechbook.hops.exercises import (
    accuracy_without_one,
    all_but_one,
    layers_for,
    layers_needed,
    right_key,
    share_of_right_key,
)
from mechbook.hops.task import Composition, draw_composition, hop_targets, sample_sigma


def verdict(exercise, answer, capsys):
    exercise.check(answer)
    return capsys.readouterr().out


def test_guessing_one_permutation_is_simulated(capsys):
    """Oracle: Monte Carlo over tasks with one permutation replaced by a random one, within 4 standard errors."""
    n, k, tasks = 3, 4, 3000
    g = torch.Generator().manual_seed(1)
    right = torch.zeros(tasks, k)
    for t in range(tasks):
        task = draw_composition(n, k, g)
        pi = task.pi.clone()
        pi[2] = torch.rand(n, generator=g).argsort()
        sigma = sample_sigma(task, 1, g)
        same = hop_targets(task, sigma) == hop_targets(Composition(pi), sigma)
        right[t] = same.float().mean((0, 1, 2))
    for r in (1, 2, 3, 4):
        column = right[:, r - 1]
        assert abs(float(column.mean()) - accuracy_without_one(n, k, r)) < 4 * float(column.std()) / math.sqrt(tasks)
    assert "right." in verdict(all_but_one, lambda n, k, r: 1 - r / k * (1 - 1 / n), capsys).replace("not right", "")
    assert "not right" in verdict(all_but_one, lambda n, k, r: 1 / n, capsys)
    assert "not answered" in verdict(all_but_one, None, capsys)


def test_the_share_of_the_right_key_is_the_hand_built_model_s():
    """Oracle: the attention of the second layer of `hop_construction`, its largest in every row."""
    n, k, beta = 5, 4, 2.5
    g = torch.Generator().manual_seed(2)
    task = draw_composition(n, k, g)
    # sharp in layer 1, so that the query of layer 2 holds one value
    model, sharp = hop_construction(task, beta=beta), hop_construction(task, beta=60.0)
    model.layers[0].load_state_dict(sharp.layers[0].state_dict())
    attention = model.trace(sample_sigma(task, 3, g).reshape(3, -1)).attention[1][:, 0]
    expected = torch.full((3, k * n), share_of_right_key(n, k, beta))
    torch.testing.assert_close(attention.amax(-1), expected, rtol=0, atol=1e-5)


def test_the_fewest_layers_are_found_by_search(capsys):
    """Oracle: breadth first over the sets of numbers of hops that a layer can add."""
    here, layers = {1}, {1: 1}
    for layer in range(2, 8):
        here = here | {a + b for a in here for b in here}
        for k in here:
            layers.setdefault(k, layer)
    assert all(layers_for(k) == layers[k] for k in range(1, 65))
    assert "right." in verdict(layers_needed, lambda k: math.ceil(math.log2(k)) + 1, capsys).replace("not right", "")
    assert "not right" in verdict(layers_needed, lambda k: math.floor(math.log2(k)) + 1, capsys)
    assert "not right" in verdict(right_key, lambda n, k, beta: 1 / (1 + (n * k - 1) * math.exp(-beta)), capsys)
