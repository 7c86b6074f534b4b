"""The papers' own models: what `make pythia` runs, on tiny models placed where the real ones would be."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mechbook.claims.report import measurement
from mechbook.laser import pretrained_run as lp
from mechbook.laser.edits import Terms
from mechbook.laser.prompts import fact_prompts
from mechbook.laser.values import PYTHIA_TABLE1
from mechbook.pretrained.load import LanguageModel, load


@pytest.fixture
def placed(
    tiny_model: Callable[..., Path], chapter_5_words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Tiny models in the place of the real ones; the layers that are cut are those of a model with three."""
    monkeypatch.setenv("MECHBOOK_MODELS", str(tmp_path))
    monkeypatch.setattr(lp, "FACTS_PLACE", (2, 0.1))
    monkeypatch.setattr(lp, "IOI_PLACE", (1, 0.1))
    monkeypatch.setattr(lp, "FIGURE_1_LAYERS", (0, 1, 2))
    monkeypatch.setattr(lp, "DRAWN_LAYERS", (0, 1, 2))
    for name, kind, revisions in (("pythia-1b", "gpt_neox", ("main", "step14000")), ("gpt2", "gpt2", ("main",))):
        for seed, revision in enumerate(revisions):
            shutil.copytree(tiny_model(kind, seed=seed, corpus=chapter_5_words), tmp_path / name / revision)
    return tmp_path


def edited(model: LanguageModel, layer: int, rank: int, text: str, *words: str) -> list[float]:
    """Probabilities after `text` by transformers' own forward pass, the matrix cut by hand; rank -1 for the whole."""
    matrix = model.adapter.matrix(layer, "mlp_in")
    original = matrix.read()
    matrix.write(original if rank < 0 else Terms(original).rank(rank))
    try:
        with torch.no_grad():
            p = model.adapter.model(model.tokens(text)).logits[0, -1].softmax(-1)
    finally:
        matrix.write(original)
    return [float(p[model.token(word)]) for word in words]


def test_pythia_s_part_is_run_and_reported(placed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Oracle: transformers' forward pass with the matrix cut by hand; `report` accepts what is kept."""
    path = tmp_path / "results.json"
    assert "make pythia MODEL=pythia-1b" in lp.reported(PYTHIA_TABLE1, path)["reason"]
    assert lp.main(["pythia-1b", "--offline"], path) == 0
    kept = json.loads(path.read_text())["pythia-1b"]
    model, early = load("pythia-1b"), load("pythia-1b", revision="step14000")
    the, answer = edited(early, 2, -1, lp.MADRID, " the", " Spain")
    the_cut, answer_cut = edited(early, 2, 2, lp.MADRID, " the", " Spain")
    expected = {"the_before": the, "answer_before": answer, "the_after": the_cut, "answer_after": answer_cut}
    assert kept["values"]["laser.pythia_table1"] == pytest.approx(expected, abs=1e-6)
    the, answer = edited(early, 2, 2, lp.MADRID, " the", " Spain")
    assert kept["values"]["laser.pythia_fig2"]["facts_after"] == pytest.approx(answer / the, rel=1e-4)
    assert kept["sha256"] == {"main": model.fingerprint, "step14000": early.fingerprint}
    assert kept["device"] == "cpu" and len(kept["date"]) == 10
    for claim in lp.CLAIMS["pythia-1b"]:
        row = measurement(claim, **lp.reported(claim, path))
        assert row["reason"] is None and row["values"] == [kept["values"][claim.claim]]
    assert lp.main(["gpt2", "--offline"], path) == 0
    assert set(lp.stored(path)) == {"pythia-1b", "gpt2"}
    capsys.readouterr()


def test_pythia_s_figures_follow_its_checkpoints(placed: Path) -> None:
    """Oracle: transformers' forward pass of each city's prompt, averaged; the ranks by sorting."""
    kept = lp.run("pythia-1b", network=False, steps=lp._steps(["14000"]))
    own = kept["along"]["14000"]
    early = load("pythia-1b", revision="step14000")
    cities = [p for p in fact_prompts(early)]
    assert list(kept["along"]) == ["14000"] and set(own) == {"facts", "ioi", "words", "sentences"}
    for rank, ending in ((-1, ""), (2, "_cut")):
        rows = [edited(early, 2, rank, early.tokenizer.decode(list(p.tokens)), " the") for p in cities]
        assert own["facts"][f"the{ending}"] == pytest.approx(sum(p for (p,) in rows) / len(rows), abs=1e-6)
    with pytest.raises(ValueError, match="Pythia has no checkpoint '3'"):
        lp._steps(["3"])
    assert lp._steps(["all"])[:4] == (0, 1, 2, 4) and lp._steps(["all"])[-1] == 14000


def test_gpt2_s_curves_have_the_whole_model_last(placed: Path) -> None:
    """Oracle: transformers' forward pass, the matrix cut by hand."""
    curves = lp.run("gpt2", network=False)["figure_1"]
    model = load("gpt2")
    words = (" Mary", " them", " the", " John")
    assert len(curves) == 3 and [len(rows) for rows in curves] == [9, 9, 9]
    assert curves[1][2] == pytest.approx(edited(model, 1, int(0.3 * 21 + 1e-9), lp.STORE, *words), abs=1e-6)
    assert curves[1][-1] == pytest.approx(edited(model, 1, -1, lp.STORE, *words), abs=1e-6)


def test_gpt2_s_figure_is_the_largest_probability_over_the_rates(placed: Path) -> None:
    """Oracle: a loop over rates, transformers' forward pass."""
    values: dict[str, Any] = lp.run("gpt2", network=False)["values"]["laser.gpt2_fig1"]
    model = load("gpt2")
    whole = edited(model, 1, -1, lp.STORE, " the", " them")
    cut = [edited(model, 1, int(0.1 * i * 21 + 1e-9), lp.STORE, " the", " them") for i in range(1, 9)]
    for word, column in (("the", 0), ("them", 1)):
        most = max(row[column] for row in cut) - whole[column]
        assert values[f"{word}_2"] == pytest.approx(most, abs=1e-6)
    assert list(values) == ["the_1", "the_2", "the_3", "them_1", "them_2", "them_3"]


def test_the_paper_s_places_are_those_of_its_appendix() -> None:
    """Oracle: appendix B.2 counts layers from 1: the 16th at 0.0125 for facts, the 11th at 0.008 for IOI."""
    assert lp.FACTS_PLACE == (16 - 1, 0.0125) and lp.IOI_PLACE == (11 - 1, 0.008)
    assert [layer + 1 for layer in lp.FIGURE_1_LAYERS] == [9, 10, 11]
    assert lp.FIGURE_1_RHOS == (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


def test_the_same_weights_at_two_revisions_are_refused(placed: Path, tmp_path: Path, capsys: Any) -> None:
    shutil.rmtree(placed / "pythia-1b" / "step14000")
    shutil.copytree(placed / "pythia-1b" / "main", placed / "pythia-1b" / "step14000")
    assert lp.main(["pythia-1b", "--offline"], tmp_path / "results.json") == 1
    assert "pythia-1b at step14000 has the same weights as at main" in capsys.readouterr().err
    assert not (tmp_path / "results.json").exists()


def test_weights_that_are_not_here_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MECHBOOK_MODELS", str(tmp_path))
    assert lp.main(["gpt2", "--offline"], tmp_path / "results.json") == 1
    assert "the weights of gpt2 at main are not here: tried" in capsys.readouterr().err
    with pytest.raises(ValueError, match="MODEL is 'pythia-14m'; the chapter's claims need pythia-1b or gpt2"):
        lp.run("pythia-14m", network=False)
