"""People with attributes, and the bits a model learned of them."""

import math

import pytest
import torch

from mechbook.facts.people import PeopleTask, draw_people, learned_bits, model_inputs


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_names_are_distinct_and_attributes_uniform() -> None:
    """Oracle: a set of names; the uniform distribution of every token, to 4.5 standard errors."""
    task = PeopleTask(N=300, Q=7, name_tokens=3, attribute_tokens=5)
    people = draw_people(task, generator(1))
    assert people.shape == (300, 8)
    assert len({tuple(row[:3]) for row in people.tolist()}) == 300
    for column in people[:, 3:].T:
        share = torch.bincount(column, minlength=7) / 300
        assert float((share - 1 / 7).abs().max()) < 4.5 * math.sqrt(6 / 49 / 300)


def test_all_names_are_used_when_there_are_as_many_people() -> None:
    """Oracle: every combination of tokens once."""
    people = draw_people(PeopleTask(N=125, Q=5, name_tokens=3, attribute_tokens=1), generator(2))
    assert sorted(map(tuple, people[:, :3].tolist())) == [
        (a, b, c) for a in range(5) for b in range(5) for c in range(5)
    ]


def test_inputs_are_the_people_one_step_late() -> None:
    """Oracle: a loop."""
    task = PeopleTask(N=11, Q=5, name_tokens=2, attribute_tokens=3)
    people = draw_people(task, generator(3))
    for row, read in zip(people.tolist(), model_inputs(task, people).tolist(), strict=True):
        assert read == [5, *row[:-1]]


def test_bits_learned_are_definition_4_3() -> None:
    """Oracle: N log2(N_0 / e^p1) + N log2(S_0 / e^p2) written out; nothing below zero; all bits at zero loss."""
    task = PeopleTask(N=11, Q=5, name_tokens=2, attribute_tokens=3)
    losses = torch.rand(4, 11, 5, generator=generator(4), dtype=torch.float64)
    for g, found in enumerate(learned_bits(task, losses).tolist()):
        p1 = sum(float(person[:2].sum()) for person in losses[g]) / 11
        p2 = sum(float(person[2:].sum()) for person in losses[g]) / 11
        assert found == pytest.approx(11 * math.log2(25 / math.exp(p1)) + 11 * math.log2(125 / math.exp(p2)), abs=1e-10)
    assert float(learned_bits(task, torch.full((11, 5), 9.0))) == 0.0
    assert float(learned_bits(task, torch.zeros(11, 5))) == pytest.approx(11 * 5 * math.log2(5), rel=1e-6)


def test_the_best_loss_gives_r_max() -> None:
    """Oracle: a perfect model's p1 is log N, for it cannot know whose turn it is, and its p2 is 0."""
    task = PeopleTask(N=11, Q=5, name_tokens=2, attribute_tokens=3)
    losses = torch.zeros(11, 5, dtype=torch.float64)
    losses[:, 0] = math.log(11)
    assert float(learned_bits(task, losses)) == pytest.approx(task.most_bits(), abs=1e-10)


def test_sizes_that_do_not_fit_are_refused() -> None:
    """Oracle: the sentences."""
    with pytest.raises(ValueError, match="N is 26; with 2 tokens there are 25 names."):
        PeopleTask(N=26, Q=5, name_tokens=2)
    for name in ("N", "Q", "name_tokens", "attribute_tokens"):
        with pytest.raises(ValueError, match=f"{name} is 0; it must be at least 1."):
            PeopleTask(**{"N": 1, name: 0})
