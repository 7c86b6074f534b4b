"""The drawn doubling. Oracle: `follow`, hop by hop, on a task of its own, and `hop_construction`'s layers."""

import re

import torch

from mechbook.hops.construction import hop_construction
from mechbook.hops.drawing import DOUBLING
from mechbook.hops.plain import follow
from mechbook.hops.task import draw_composition, sample_sigma
from mechbook.reader.circuits.layout import faults

TEXT = {box.id: box.text for box in DOUBLING.boxes}


def number(text: str) -> int:
    """r of a text that says y_r."""
    found = re.search(r"y_(\d)", text)
    assert found is not None
    return int(found.group(1))


def test_nothing_lies_over_anything() -> None:
    assert faults(DOUBLING) == []


def test_after_layer_l_a_token_holds_what_2_to_the_l_minus_1_hops_reach() -> None:
    held = {id: [int(part) for part in id.split(", ")] for id in TEXT if re.fullmatch(r"\d, \d", id)}
    assert len(held) == 4 + 3 + 1
    for id, (layer, token) in held.items():
        assert number(TEXT[id]) == token + 2 ** (layer - 1)


def test_each_arrow_copies_from_the_token_pointed_at() -> None:
    copies = [arrow for arrow in DOUBLING.arrows if arrow.kind == "copy" and not arrow.start.startswith("table")]
    assert len(copies) == 3 + 1
    for arrow in copies:
        (layer, token), (_, asked) = ([int(part) for part in id.split(", ")] for id in (arrow.end, arrow.start))
        assert TEXT[arrow.start] == TEXT[arrow.end]
        assert asked == number(TEXT[f"{layer - 1}, {token}"]), "it asks the token that it points to"


def test_layers_and_positions_are_those_of_the_construction() -> None:
    generator = torch.Generator().manual_seed(0)
    task = draw_composition(n=5, k=4, generator=generator)
    layers = {int(id[0]) for id in TEXT if re.fullmatch(r"\d, \d", id)}
    assert layers == set(range(1, hop_construction(task).config.n_layers + 1))
    sigma = sample_sigma(task, 1, generator)[0]
    # the path, as drawn: layer 1 reads what the token (i, pi_i(y)) carries, and the next position follows
    y = [3]
    for r in range(4):
        i, pi = r % task.k, task.pi[r % task.k]
        assert TEXT[f"table {r}"] == f"$π_{i + 1}y_{r}$"
        y.append(int(sigma[i, pi[y[r]]]))
        assert y[r + 1] == follow(task.pi.tolist(), sigma.tolist(), 0, 3, r + 1)
