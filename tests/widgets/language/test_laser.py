"""LASER in the page. Oracle: torch's singular value decomposition, and the package's truncations and forward."""

from pathlib import Path
from typing import Any

import pytest
import torch

from mechbook.pretrained.architectures import adapt
from mechbook.pretrained.gguf import read_model
from mechbook.pretrained.load import LanguageModel
from mechbook.pretrained.packages import packaged
from mechbook.shared.truncation import LowRank
from tests.widgets.language.engine import asked
from tests.widgets.language.files import write

# The bar for singular values, relative to each, and for logits.
VALUES, LOGITS = 1e-4, 2e-2
NAMES = ("q", "k", "v", "o", "mlp_in", "mlp_gate", "mlp_out")
PROMPT = "Madrid is located in"


def test_singular_values_and_logits_of_the_books_model_are_torchs(smollm: LanguageModel) -> None:
    """One matrix of each shape, at ranks down to 0, with what entered the block kept or not."""
    adapter, ids = smollm.adapter, smollm.prompt_tokens(PROMPT)
    orders: list[dict[str, Any]] = []
    expected: list[torch.Tensor] = []
    for layer, name in ((28, "mlp_in"), (27, "mlp_out"), (3, "k"), (11, "o")):
        matrix = adapter.matrix(layer, name)
        whole = matrix.read()
        low = LowRank(whole.double())
        orders.append({"type": "decompose", "layer": layer, "name": name})
        expected.append(low.singular_values)
        for rho in (0.0, 0.01, 0.3, 0.995, 1.0):
            matrix.write(low.fraction(rho).float())
            expected.append(adapter.logits(adapter.run(adapter.embed(torch.tensor([ids]))))[0, -1])
            cut = {"layer": layer, "name": name, "rho": rho}
            orders.append({"type": "next", "text": PROMPT, "cut": cut, "all": True})
        matrix.write(whole)
    _, *answers = asked([{"type": "open", "path": str(packaged("smollm2-135m"))}, *orders])
    for order, answer, right in zip(orders, answers, expected, strict=True):
        if order["type"] == "decompose":
            assert float(((answer["value"] - right) / right).abs().max()) < VALUES, order
        else:
            assert float((answer["value"]["logits"] - right).abs().max()) < LOGITS, order


@pytest.mark.parametrize("name", NAMES)
def test_every_matrix_at_any_rank(tmp_path: Path, name: str) -> None:
    path, ids = write(tmp_path / "tiny.gguf"), [7, 3, 200, 41, 7]
    adapter = adapt(read_model(path))
    orders: list[dict[str, Any]] = []
    expected = []
    for layer in (2, 0):
        matrix = adapter.matrix(layer, name)
        low, whole = LowRank(matrix.read().double()), matrix.read()
        for rank in (0, 1, 6, 19, low.full_rank - 1, low.full_rank):
            matrix.write(low.rank(rank).float())
            expected.append(adapter.logits(adapter.run(adapter.embed(torch.tensor([ids]))))[0])
            cut = {"layer": layer, "name": name, "rank": rank}
            orders.append({"type": "next", "ids": ids, "cut": cut, "all": True})
            orders.append({"type": "along", "ids": ids, "cut": cut, "watch": [5]})
        matrix.write(whole)
    _, *answers = asked([{"type": "open", "path": str(path)}, *orders])
    for i, right in enumerate(expected):
        found, along = answers[2 * i]["value"], answers[2 * i + 1]["value"]
        assert float((found["logits"] - right[-1]).abs().max() / right.abs().max()) < 1e-4
        assert [one["watched"][0] for one in along] == pytest.approx(
            right.softmax(-1)[:, 5].tolist(), rel=2e-3, abs=1e-7
        )


def test_decompositions_are_kept_and_given_up(tmp_path: Path) -> None:
    """More matrices than are kept, in turns; the numbers are the same each time, and the model is what it was."""
    path, ids = write(tmp_path / "tiny.gguf"), [9, 8, 7]
    plain = {"type": "next", "ids": ids, "all": True}
    cuts: list[dict[str, Any]] = [
        {**plain, "cut": {"layer": i % 3, "name": name, "rank": 9}} for i, name in enumerate(NAMES)
    ]
    _, before, *answers = asked([{"type": "open", "path": str(path)}, plain, *cuts, *cuts, *reversed(cuts), plain])
    found = [answer["value"]["logits"] for answer in answers]
    first, second, third = found[:7], found[7:14], found[14:21][::-1]
    adapter = adapt(read_model(path))
    for plan, one, two, three in zip(cuts, first, second, third, strict=True):
        assert torch.equal(one, two) and torch.equal(one, three)
        matrix = adapter.matrix(plan["cut"]["layer"], plan["cut"]["name"])
        whole = matrix.read()
        matrix.write(LowRank(whole.double()).rank(9).float())
        right = adapter.logits(adapter.run(adapter.embed(torch.tensor([ids]))))[0, -1]
        matrix.write(whole)
        assert float((one - right).abs().max() / right.abs().max()) < 1e-4
    assert torch.equal(found[-1], before["value"]["logits"])


def test_what_cannot_be_cut_is_refused_in_a_sentence(tmp_path: Path) -> None:
    wrong: dict[str, dict[str, Any]] = {
        'There is no matrix "up": a block has q, k, v, o, mlp_in, mlp_gate, mlp_out.': {"layer": 0, "name": "up"},
        "There is no block -1: the model has blocks 0 to 2.": {"layer": -1, "name": "q"},
        "rho is 1.5; the fraction of the rank that is kept lies between 0 and 1.": {
            "layer": 0,
            "name": "q",
            "rho": 1.5,
        },
        "The rank is 97; of this matrix it is between 0 and 96.": {"layer": 0, "name": "q", "rank": 97},
        "The rank is 2.5; of this matrix it is between 0 and 96.": {"layer": 0, "name": "q", "rank": 2.5},
    }
    orders = [{"type": "next", "ids": [1], "cut": cut} for cut in wrong.values()]
    _, *answers = asked([{"type": "open", "path": str(write(tmp_path / "tiny.gguf"))}, *orders])
    assert [answer["refused"] for answer in answers] == list(wrong)
