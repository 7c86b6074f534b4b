"""What the landing page shows of one prompt. Oracle: `measure_plainly`, transformers' forward pass of a copy."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mechbook.laser.edits import laser, prompt
from mechbook.laser.headline import headline
from mechbook.laser.plain import measure_plainly
from mechbook.pretrained.load import load


def test_the_likeliest_words_and_the_answer_have_their_probabilities_before_and_after(
    tiny_model: Callable[..., Path],
) -> None:
    model = load(str(tiny_model("llama")))
    edit = laser(model, 0, "mlp_in", rho=0.2)
    told = json.loads(headline(model, "Madrid is located in", " Spain", edit))
    plain = measure_plainly(model, [prompt(model, "Madrid is located in", " Spain")], [edit], top=1)
    tops = (plain.top_before[0, 0], plain.top_after[0, 0, 0])
    assert [told["before"], told["after"]] == [model.text(int(token)).strip() for token in tops]
    assert (told["text"], told["answer"]) == ("Madrid is located in", "Spain")
    assert (told["block"], told["matrix"], told["rho"]) == (1, "mlp_in", 0.2)
    before, after = told["p"]["Spain"]
    assert before == pytest.approx(float(plain.before[0, 0]), abs=1e-5)
    assert after == pytest.approx(float(plain.after[0, 0, 0]), abs=1e-5)
    assert told["p"][told["before"]][0] == pytest.approx(float(plain.p_top_before[0, 0]), abs=1e-5)
    assert told["p"][told["after"]][1] == pytest.approx(float(plain.p_top_after[0, 0, 0]), abs=1e-5)
    # the cut changes what comes first
    assert told["before"] != told["after"] and abs(after - before) > 1e-6


def test_an_answer_of_several_tokens_is_refused(tiny_model: Callable[..., Path]) -> None:
    model = load(str(tiny_model("llama")))
    with pytest.raises(ValueError):
        headline(model, "Madrid is located in", " xylophonists", laser(model, 2, "mlp_in", rho=0.2))
