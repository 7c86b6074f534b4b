"""The factual-recall task, as sequences and as counts."""

import math

import pytest
import torch

from mechbook.facts.task import (
    FactTask,
    count_tokens,
    every_fact,
    random_answers,
    random_task,
    sample,
    sample_counts,
    structured_answers,
)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def task(S: int = 7, R: int = 5, D: int = 3, T: int = 11, n_noise: int = 13) -> FactTask:
    return FactTask(S=S, R=R, D=D, T=T, n_noise=n_noise, answers=random_answers(S, R, D, generator(1)))


def test_every_sequence_has_one_subject_one_relation_noise_and_eos() -> None:
    """Oracle: reading each sequence with a loop."""
    t = task()
    batch = sample(t, 300, generator(2))
    rows = (batch.z, batch.s, batch.r, batch.targets)
    for z, s, r, answer in zip(*(row.tolist() for row in rows), strict=True):
        assert z[-1] == t.V - 1 == 25 and t.V - 1 not in z[:-1]
        assert [token for token in z if token < 7] == [s]
        assert [token - 7 for token in z if 7 <= token < 12] == [r]
        assert sum(12 <= token < 25 for token in z) == 11 - 3
        assert answer == int(t.answers[s, r]) and r * 3 <= answer < r * 3 + 3


def test_subjects_relations_slots_and_noise_are_uniform() -> None:
    """Oracle: the uniform distribution, to 4.5 standard errors, over pairs, ordered pairs of slots, and noise."""
    t, n = task(S=3, R=2, D=2, T=5, n_noise=4), 40_000
    batch = sample(t, n, generator(3))
    slots = torch.stack(
        [(batch.z == batch.s[:, None]).long().argmax(1), (batch.z == 3 + batch.r[:, None]).long().argmax(1)]
    )
    noise = batch.z[(batch.z >= 5) & (batch.z < 9)] - 5
    assert len(noise) == 2 * n
    for what, cells in ((batch.s * 2 + batch.r, 6), (slots[0] * 4 + slots[1], 16), (noise, 4)):
        seen = torch.bincount(what, minlength=cells)
        seen = seen[seen > 0]
        # 12 ordered pairs of different slots out of 16
        assert len(seen) == (12 if cells == 16 else cells)
        p = 1 / len(seen)
        assert float((seen / len(what) - p).abs().max()) < 4.5 * math.sqrt(p * (1 - p) / len(what))


def test_noise_is_independent_of_where_subject_and_relation_stand() -> None:
    """Oracle: given the slots, the noise in order is the generator's own noise, no token lost or repeated."""
    t = task(T=6)
    batch, drawn = sample(t, 50, generator(4)), sample_counts(t, 50, generator(4))
    left = [[token for token in z if 12 <= token < 25] for z in batch.z.tolist()]
    assert torch.equal(count_tokens(torch.tensor(left), t.V)[:, 12:25], drawn.counts[:, 12:25])


def test_counts_are_those_of_the_sequences_of_the_same_generator() -> None:
    """Oracle: counting with a loop."""
    t = task()
    batch, counted = sample(t, 37, generator(5)), sample_counts(t, 37, generator(5))
    for row, z in zip(counted.counts.tolist(), batch.z.tolist(), strict=True):
        assert row == [z.count(token) for token in range(t.V)]
    assert torch.equal(batch.s, counted.s) and torch.equal(batch.r, counted.r)
    assert torch.equal(batch.targets, counted.targets)


def test_every_fact_is_asked_as_often_as_told() -> None:
    """Oracle: a loop over subjects, relations and contexts."""
    t = task()
    batch = every_fact(t, 2, generator(6))
    expected = [(s, r) for s in range(7) for r in range(5) for _ in range(2)]
    assert list(zip(batch.s.tolist(), batch.r.tolist(), strict=True)) == expected
    assert batch.targets.tolist() == [int(t.answers[s, r]) for s, r in expected]
    for row, (s, r) in zip(batch.counts, expected, strict=True):
        assert row[:7].nonzero().flatten().tolist() == [s] and row[7:12].nonzero().flatten().tolist() == [r]
        assert float(row.sum()) == 11 and float(row[-1]) == 1


def test_the_structured_map_is_balanced() -> None:
    """Oracle: r D + s D // S with a loop; each answer of a relation belongs to S / D subjects."""
    answers = structured_answers(15, 4, 5)
    assert answers.tolist() == [[r * 5 + s * 5 // 15 for r in range(4)] for s in range(15)]
    assert torch.bincount(answers.flatten()).tolist() == [3] * 20


def test_random_answers_are_uniform_within_their_relation() -> None:
    """Oracle: the uniform distribution over D answers, to 4.5 standard errors."""
    answers = random_answers(4000, 3, 5, generator(7))
    assert torch.equal(answers // 5, torch.arange(3).expand(4000, 3))
    share = torch.bincount(answers.flatten(), minlength=15) / 4000
    assert float((share - 1 / 5).abs().max()) < 4.5 * math.sqrt(0.16 / 4000)


def test_a_random_task_is_square_with_twice_the_noise() -> None:
    """Oracle: the docstring, and `random_answers` from the same generator."""
    t = random_task(7, generator(3), D=5, T=9)
    assert (t.S, t.R, t.D, t.T, t.n_noise) == (7, 7, 5, 9, 14)
    assert torch.equal(t.answers, random_answers(7, 7, 5, generator(3)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"S": 0}, "S is 0; it must be at least 1."),
        ({"R": 0}, "R is 0; it must be at least 1."),
        ({"D": 0}, "D is 0; it must be at least 1."),
        ({"T": 2}, "T is 2; a sequence needs at least 3 slots"),
        ({"n_noise": 0}, "n_noise is 0, and 8 slots are to be filled with noise"),
        ({"answers": torch.zeros(5, 7, dtype=torch.int64)}, r"answers has shape \(5, 7\); it must be \(7, 5\)."),
        ({"answers": torch.zeros(7, 5, dtype=torch.int64)}, "the answer of subject 0 and relation 1 is 0; .* 3 to 5."),
    ],
)
def test_what_is_no_task_is_refused(change: dict[str, object], words: str) -> None:
    """Oracle: the sentences of the docstring's rules."""
    good = {"S": 7, "R": 5, "D": 3, "T": 11, "n_noise": 13, "answers": random_answers(7, 5, 3, generator(1))}
    with pytest.raises(ValueError, match=words):
        FactTask(**{**good, **change})  # type: ignore[arg-type]


def test_answer_maps_and_draws_refuse_what_they_cannot_make() -> None:
    """Oracle: the sentences; and a shortest task, without noise, that is allowed."""
    with pytest.raises(ValueError, match="D is 3 and S is 7; for the structured map D must divide S"):
        structured_answers(7, 5, 3)
    for make in (structured_answers, lambda *sizes: random_answers(*sizes, generator(0))):
        for sizes, name in (((0, 1, 1), "S"), ((1, 0, 1), "R"), ((1, 1, 0), "D")):
            with pytest.raises(ValueError, match=f"{name} is 0"):
                make(*sizes)
    for draw in (sample, sample_counts, every_fact):
        with pytest.raises(ValueError, match="is 0; it must be at least 1"):
            draw(task(), 0, generator(0))
    shortest = task(T=3, n_noise=0)
    assert sample(shortest, 20, generator(8)).z[:, -1].unique().tolist() == [12]
    assert sample_counts(shortest, 20, generator(8)).counts.sum(1).unique().tolist() == [3.0]
