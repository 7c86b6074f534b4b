"""The drawn constructions. Oracle: `attention_only` and the votes it counts, on the facts of the drawing."""

import torch

from mechbook.facts.construction import attention_only
from mechbook.facts.drawing import TWO_CONSTRUCTIONS
from mechbook.facts.model import count_logits
from mechbook.facts.task import FactTask, count_tokens
from mechbook.reader.circuits.layout import faults

IDS = [box.id for box in TWO_CONSTRUCTIONS.boxes]
ANSWERS = (1, 5, 6)  # of the subject, one of each relation; the second relation is asked


def test_nothing_lies_over_anything() -> None:
    assert faults(TWO_CONSTRUCTIONS) == []


def test_the_votes_are_those_that_the_construction_counts() -> None:
    answers = torch.tensor([[1, 5, 6], [0, 3, 8], [2, 4, 7]])
    task = FactTask(S=3, R=3, D=3, T=8, n_noise=5, answers=answers)
    model = attention_only(task, d=512, d_h=256, H=2, generator=torch.Generator().manual_seed(0))
    question = count_tokens(torch.tensor([[0, task.S + 1, task.eos]]), task.V).double()
    counted = count_logits(model, question)[0].round().int().tolist()
    drawn = [sum(f"{voter} for {answer}" in IDS for voter in "sr") for answer in range(9)]
    assert drawn == counted and drawn.index(max(drawn)) == 5


def test_the_subjects_head_votes_for_its_answers_and_the_relations_for_its_group() -> None:
    ends = {start: {a.end for a in TWO_CONSTRUCTIONS.arrows if a.start == start} for start in ("finds s", "finds r")}
    assert ends == {"finds s": {f"answer {a}" for a in ANSWERS}, "finds r": {"A_r"}}
    (group,) = TWO_CONSTRUCTIONS.groups
    assert (group.id, group.boxes) == ("A_r", ("answer 3", "answer 4", "answer 5"))


def test_only_the_answer_has_the_colour_of_what_is_right() -> None:
    right = {box.id for box in TWO_CONSTRUCTIONS.boxes if box.role == "correct"}
    assert right == {"answer 5", "s for 5", "r for 5"}


def test_the_second_construction_adds_two_embeddings_and_asks_the_mlp() -> None:
    found = {(a.start, a.end) for a in TWO_CONSTRUCTIONS.arrows if a.end in ("x", "MLP", "u")}
    assert found == {("copies s", "x"), ("copies r", "x"), ("x", "MLP"), ("MLP", "u")}
    assert {box.id for box in TWO_CONSTRUCTIONS.boxes if box.role == "W_F"} == {"MLP"}
