"""The page's logit lens and direct logit attribution. Oracle: the package's adapter, written plainly in torch."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from mechbook.laser.ioi.probes import head_scores
from mechbook.pretrained.adapter import Adapter, BlockRecord
from mechbook.pretrained.architectures import adapt
from mechbook.pretrained.gguf import read_model
from mechbook.pretrained.load import LanguageModel
from mechbook.pretrained.packages import packaged
from mechbook.shared.truncation import LowRank
from tests.widgets.language.engine import asked
from tests.widgets.language.files import write

IDS, TOKENS = [7, 3, 200, 41, 7, 99, 140], [12, 201]
OFF = [[0, 2], [2, 4]]
CHANGES: list[dict[str, Any]] = [
    {},
    {"off": OFF},
    {"cut": {"layer": 1, "name": "mlp_out", "rank": 11}},
    {"cut": {"layer": 1, "name": "o", "rank": 5}, "off": OFF, "where": "last"},
]


def seen(adapter: Adapter, change: dict[str, Any]) -> tuple[dict[int, BlockRecord], Tensor, Tensor, Tensor]:
    """Every block's record of the changed model, what left the last block, and the changed W_O of each head."""

    def patch(layer: int, z: Tensor) -> Tensor:
        z = z.clone()
        for at, head in change.get("off", []):
            if at == layer:
                z[:, -1 if change.get("where") == "last" else slice(None), head] = 0
        return z

    matrix, whole = None, None
    if cut := change.get("cut"):
        matrix = adapter.matrix(cut["layer"], cut["name"])
        whole = matrix.read()
        matrix.write(LowRank(whole.double()).rank(cut["rank"]).float())
    records: dict[int, BlockRecord] = {}
    end = adapter.run(adapter.embed(torch.tensor([IDS])), patch=patch, record=records)
    W_O = torch.stack([adapter.W_O(layer) for layer in range(adapter.n_layers)])
    logits = adapter.logits(torch.cat([*(records[layer].x for layer in range(adapter.n_layers)), end]))
    if matrix is not None and whole is not None:
        matrix.write(whole)
    return records, end, W_O, logits


@pytest.mark.parametrize("change", CHANGES)
def test_logit_lens(tmp_path: Path, change: dict[str, Any]) -> None:
    path = write(tmp_path / "tiny.gguf")
    *_, logits = seen(adapt(read_model(path)), change)
    orders = [{"type": "lens", "ids": IDS, "watch": TOKENS, "position": at, **change} for at in (-1, 0, 4)]
    _, *answers, refused = asked(
        [{"type": "open", "path": str(path)}, *orders, {"type": "lens", "ids": IDS, "position": 7, **change}]
    )
    for at, answer in zip((-1, 0, 4), answers, strict=True):
        p = logits[:, at].softmax(-1)
        assert len(answer["value"]) == 4
        for layer, found in enumerate(answer["value"]):
            best = p[layer].topk(5)
            assert [token for token, _ in found["top"]] == best.indices.tolist()
            assert found["watched"] == pytest.approx(p[layer, TOKENS].tolist(), rel=2e-3, abs=1e-8)
    assert refused["refused"] == "There is no position 7: the prompt has positions 0 to 6."


@pytest.mark.parametrize("untied", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_attribution_of_heads_and_mlps(tmp_path: Path, change: dict[str, Any], untied: bool) -> None:
    path = write(tmp_path / "tiny.gguf", untied=untied)
    adapter = adapt(read_model(path))
    records, end, W_O, logits = seen(adapter, change)
    difference = adapter.W_U[TOKENS[0]] - adapter.W_U[TOKENS[1]]
    scale = (end[0, -1].square().mean() + 1e-5).sqrt()
    toward = difference * adapter.model.model.norm.weight.detach() / scale
    heads = torch.stack([torch.einsum("hk,hdk,d->h", records[i].z[0, -1], W_O[i], toward) for i in range(3)])
    mlps = torch.stack([records[i].mlp_out[0, -1] @ toward for i in range(3)])
    _, answer = asked(
        [{"type": "open", "path": str(path)}, {"type": "attribution", "ids": IDS, "tokens": TOKENS, **change}]
    )
    found = answer["value"]
    most = float(heads.abs().max())
    assert float((found["heads"].view(3, 6) - heads).abs().max()) < 1e-4 * most
    assert float((found["mlps"] - mlps).abs().max()) < 1e-3 * float(mlps.abs().max())
    assert found["embedding"] == pytest.approx(float(records[0].x[0, -1] @ toward), rel=1e-3, abs=1e-4)
    right = float(logits[-1, -1, TOKENS[0]] - logits[-1, -1, TOKENS[1]])
    assert found["difference"] == pytest.approx(right, rel=1e-3, abs=1e-3)
    total = float(found["heads"].sum() + found["mlps"].sum()) + found["embedding"]
    assert total == pytest.approx(found["difference"], rel=1e-4, abs=1e-4)


def test_attribution_on_the_books_model_is_its_circuits(smollm: LanguageModel) -> None:
    """Oracle: the direct scores of chapter 5's circuit, on one sentence."""
    from mechbook.laser.data.ioi import sample_ioi

    (batch, *_) = sample_ioi(smollm.encode, 2, torch.Generator().manual_seed(0))
    prompt = type(batch)(
        **{
            name: value[:1] if isinstance(value, Tensor) and len(value) == len(batch.IO) else value
            for name, value in vars(batch).items()
        }
    )
    expected = head_scores(smollm.adapter, [prompt]).direct
    order = {
        "type": "attribution",
        "ids": prompt.tokens[0].tolist(),
        "tokens": [int(prompt.IO[0]), int(prompt.S[0])],
    }
    _, answer = asked([{"type": "open", "path": str(packaged("smollm2-135m"))}, order])
    found = answer["value"]["heads"].view(30, 9)
    assert float((found - expected).abs().max()) < 1e-3
    assert found.argmax() == expected.argmax()
