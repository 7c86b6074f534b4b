"""k-hop data. Oracle: pointer chasing, one sequence and one pair at a time, and the properties of composition."""

import math

import pytest
import torch

from mechbook.hops.plain import follow, induction_answer
from mechbook.hops.task import (
    Composition,
    draw_composition,
    hop_head_targets,
    hop_targets,
    previous_hop,
    sample_letters,
    sample_sequences,
    sample_sigma,
)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("n", "k"), [(5, 3), (3, 7), (2, 1)])
def test_hops_are_pointer_chasing(n: int, k: int) -> None:
    """Oracle: the loop `follow`, from every pair and for every number of hops, positions cyclic."""
    task = draw_composition(n, k, generator(1))
    sigma = sample_sigma(task, 11, generator(2))
    found = hop_targets(task, sigma, range(k + 1))
    for b in range(11):
        pi, s = task.pi.tolist(), sigma[b].tolist()
        expected = [[[follow(pi, s, i, y, r) for r in range(k + 1)] for y in range(n)] for i in range(k)]
        assert found[b].tolist() == expected


def test_the_example_of_the_docstring() -> None:
    """Oracle: the table at the top of mechbook/hops/task.py, worked out by hand."""
    task = Composition(torch.tensor([[1, 2, 0], [0, 2, 1]]))
    sigma = torch.tensor([[[0, 2, 1], [1, 0, 2]]])
    assert hop_targets(task, sigma).reshape(6, 2).T.tolist() == [[2, 1, 0, 1, 2, 0], [0, 2, 1, 1, 0, 2]]
    letters = torch.tensor([[0, 1, 2, 0, 1, 0]])
    assert hop_head_targets(letters, 3, (1, 2))[0].T.tolist() == [[3, 3, 3, 1, 2, 1], [3, 3, 3, 3, 3, 2]]


def test_a_sequence_is_its_table_row_by_row_with_its_targets() -> None:
    """Oracle: token i n + y of sequence b carries sigma[b, i, y], drawn from the same stream."""
    n, k = 3, 5
    task = draw_composition(n, k, generator(13))
    z, targets = sample_sequences(task, 7, generator(14))
    sigma = sample_sigma(task, 7, generator(14))
    reached = hop_targets(task, sigma)
    assert z.shape == (7, 15) and targets.shape == (7, 15, k)
    for i in range(k):
        for y in range(n):
            assert torch.equal(z[:, i * n + y], sigma[:, i, y])
            assert torch.equal(targets[:, i * n + y], reached[:, i, y])


def test_no_hop_is_the_identity_and_hops_add_up() -> None:
    """Property: hop_{r+s}(i, y) = hop_s(i + r, hop_r(i, y)), and hop_0(i, y) = y."""
    n, k = 7, 5
    task = draw_composition(n, k, generator(3))
    sigma = sample_sigma(task, 13, generator(4))
    hop = hop_targets(task, sigma, range(k + 1)).unbind(-1)
    assert torch.equal(hop[0], torch.arange(n).expand(13, k, n))
    for r in range(k + 1):
        for s in range(k + 1 - r):
            assert torch.equal(hop[r + s], hop[s].roll(-r, dims=1).gather(2, hop[r]))


def test_each_hop_is_a_permutation_of_the_values() -> None:
    """Property: a composition of permutations is one."""
    task = draw_composition(5, 3, generator(5))
    found = hop_targets(task, sample_sigma(task, 17, generator(6)))
    assert torch.equal(found.sort(2).values, torch.arange(5)[:, None].expand(17, 3, 5, 3))


def test_permutations_are_uniform_and_hidden_ones_stay() -> None:
    """Oracle: each of the 6 permutations of 3 values has probability 1/6, within 4 standard errors."""
    task = draw_composition(3, 2, generator(7))
    B = 6000
    sigma = sample_sigma(task, B, generator(8))
    codes = (sigma * torch.tensor([9, 3, 1])).sum(-1)
    for i in range(2):
        _, counts = codes[:, i].unique(return_counts=True)
        assert len(counts) == 6
        assert float((counts / B - 1 / 6).abs().max()) < 4 * math.sqrt(1 / 6 * 5 / 6 / B)
    # the two positions are drawn independently
    same = (codes[:, 0] == codes[:, 1]).float().mean()
    assert abs(float(same) - 1 / 6) < 4 * math.sqrt(1 / 6 * 5 / 6 / B)
    assert torch.equal(task.pi, draw_composition(3, 2, generator(7)).pi)


@pytest.mark.parametrize(("n", "T"), [(4, 23), (2, 5), (3, 1)])
def test_induction_hops_are_pointer_chasing(n: int, T: int) -> None:
    """Oracle: the loops of `induction_answer`."""
    letters = sample_letters(13, T, n, generator(9))
    found = hop_head_targets(letters, n, (0, 1, 2, 3, 5))
    for b in range(13):
        for column, r in enumerate((0, 1, 2, 3, 5)):
            expected = [induction_answer(letters[b].tolist(), i, r, n) for i in range(T)]
            assert found[b, :, column].tolist() == expected


def test_previous_hop_looks_back_only() -> None:
    """Oracle: by hand, on one word."""
    #                      a  b  a  c  a  b
    letters = torch.tensor([[0, 1, 0, 2, 0, 1]])
    assert previous_hop(letters).tolist() == [[-1, -1, 1, -1, 3, 2]]


def test_letters_are_uniform_without_repeats() -> None:
    """Oracle: no letter follows itself; each of the n (n-1) pairs has the same share, within 4 standard errors."""
    n, B = 4, 4000
    letters = sample_letters(B, 9, n, generator(10))
    assert not bool((letters[:, 1:] == letters[:, :-1]).any())
    pairs, counts = (letters[:, 4] * n + letters[:, 5]).unique(return_counts=True)
    share = 1 / (n * (n - 1))
    assert len(pairs) == n * (n - 1)
    assert float((counts / B - share).abs().max()) < 4 * math.sqrt(share * (1 - share) / B)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: draw_composition(1, 4, generator(0)), "n is 1; a permutation to be found out needs 2 values or more."),
        (lambda: draw_composition(5, 0, generator(0)), "k is 0; there must be 1 position or more."),
        (lambda: sample_letters(2, 5, 1, generator(0)), "n is 1; letters that never repeat at once need 2 or more."),
        (lambda: sample_letters(2, 0, 4, generator(0)), "T is 0; a sequence has 1 letter or more."),
        (lambda: hop_head_targets(torch.tensor([[0, 1]]), 4, (1, -1)), "-1 hops are asked for"),
    ],
)
def test_what_makes_no_sense_is_refused(call, words: str) -> None:
    """Oracle: one sentence that says what to do."""
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("hop", [-1, 4])
def test_a_hop_beyond_the_positions_is_refused(hop: int) -> None:
    task = draw_composition(5, 3, generator(11))
    with pytest.raises(ValueError, match=f"{hop} hops are asked for; with k = 3 positions they are 0 to 3."):
        hop_targets(task, sample_sigma(task, 2, generator(12)), (1, hop))
