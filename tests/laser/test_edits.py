"""LASER's engine against one copied model, one decomposition and one prompt at a time, on tiny models of each kind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import scipy.linalg
import torch

from mechbook.laser.edits import (
    Edit,
    Prompt,
    Terms,
    laser,
    mean_distributions,
    measure,
    prompt,
    text_losses,
    without_largest,
    without_mlp,
    without_random,
    without_smallest,
)
from mechbook.laser.plain import measure_plainly
from mechbook.pretrained.load import LanguageModel, load

FACTS = (
    ("Madrid is located in", " Spain"),
    ("Then, Rome is located in", " Italy"),
    ("Paris is located in", " France"),
    (" Mary gave a drink to", " John"),
)


@pytest.fixture(params=["llama", "gpt_neox", "gpt2"])
def model(request: pytest.FixtureRequest, tiny_model: Callable[..., Path]) -> LanguageModel:
    return load(str(tiny_model(request.param)))


def prompts(model: LanguageModel) -> list[Prompt]:
    return [prompt(model, text, answer) for text, answer in FACTS]


def some_edits(model: LanguageModel) -> list[Edit]:
    edits = [
        laser(model, layer, name, rho=rho)
        for layer in (0, 2)
        for name in model.adapter.matrix_names
        for rho in (0.0, 0.3, 1.0)
    ]
    generator = torch.Generator().manual_seed(4)
    edits += [without_smallest(model, 1, "mlp_in", 2), without_largest(model, 1, "mlp_in", 3), without_mlp(model, 1)]
    return [*edits, without_random(model, 1, "mlp_in", 5, generator)]


def test_the_sweep_is_the_plain_way_of_doing_it(model: LanguageModel) -> None:
    """Oracle: `measure_plainly` (transformers' forward pass of a copy, per edit and prompt), to 1e-5."""
    edits = some_edits(model)
    fast, plain = (way(model, prompts(model), edits, top=3) for way in (measure, measure_plainly))
    torch.testing.assert_close(fast.before, plain.before, rtol=0, atol=1e-5)
    torch.testing.assert_close(fast.after, plain.after, rtol=0, atol=1e-5)
    for now in ("before", "after"):
        tokens, p = getattr(fast, f"top_{now}"), getattr(fast, f"p_top_{now}")
        assert torch.equal(tokens, getattr(plain, f"top_{now}")) and tokens.shape[-1] == 3
        torch.testing.assert_close(p, getattr(plain, f"p_top_{now}"), rtol=0, atol=1e-5)
    for before, after in ((fast.before, fast.after), (fast.p_top_before, fast.p_top_after)):
        changed = (after - before).abs().amax((1, 2))
        for edit, change in zip(edits, changed.tolist(), strict=True):
            assert change > 1e-5 if edit.dropped else change < 1e-6, edit


def test_weights_come_back_bit_for_bit_whatever_happens(model: LanguageModel) -> None:
    """Oracle: every parameter before, compared exactly; after a sweep and after one that is interrupted."""
    from mechbook.laser.edits import visit_ends

    before = {name: p.detach().clone() for name, p in model.adapter.model.named_parameters()}

    def same() -> bool:
        return all(torch.equal(before[name], p) for name, p in model.adapter.model.named_parameters())

    measure(model, prompts(model), some_edits(model))
    assert same()
    during = []

    def interrupt(_: Any) -> None:
        during.append(same())
        # the whole model, then the second matrix's second edit
        if len(during) == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        visit_ends(model.adapter, [model.tokens("Rome is located in")], some_edits(model), interrupt, last_only=True)
    # the exception is still held here, and with it every frame it went through
    assert caught.value is not None and during[0] and not during[-1] and same()


def test_each_edit_drops_what_it_says(model: LanguageModel) -> None:
    """Oracle: scipy's singular value decomposition, terms added one by one."""
    W = model.adapter.matrix(1, "mlp_in").read().double()
    U, S, Vh = scipy.linalg.svd(W.numpy(), full_matrices=False)
    full = len(S)
    generator = torch.Generator().manual_seed(4)
    edits = {
        laser(model, 1, "mlp_in", rho=0.3): range(int(0.3 * full)),
        without_smallest(model, 1, "mlp_in", 3): range(full - 3),
        without_largest(model, 1, "mlp_in", 3): range(3, full),
    }
    drawn = without_random(model, 1, "mlp_in", 7, generator)
    assert len(drawn.dropped) == 7 and drawn.dropped != tuple(range(7))
    edits[drawn] = [i for i in range(full) if i not in drawn.dropped]  # type: ignore[assignment]
    terms = Terms(W)
    for edit, kept in edits.items():
        expected = sum((S[i] * torch.from_numpy(U[:, [i]] @ Vh[[i]]) for i in kept), start=torch.zeros_like(W))
        torch.testing.assert_close(terms.without(edit.dropped), expected, rtol=0, atol=1e-10)


def test_one_decomposition_serves_all_edits_of_a_matrix(
    tiny_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracle: how often torch is asked for one; and that blocks below an edit run once."""
    model = load(str(tiny_model("llama")))
    decompositions, blocks = [], []
    svd, qkv = torch.linalg.svd, type(model.adapter)._qkv
    monkeypatch.setattr(torch.linalg, "svd", lambda *a, **k: decompositions.append(1) or svd(*a, **k))
    monkeypatch.setattr(type(model.adapter), "_qkv", lambda self, layer, h: blocks.append(layer) or qkv(self, layer, h))
    edits = [laser(model, 2, name, rho=rho) for name in ("mlp_in", "mlp_out") for rho in (0.1, 0.2, 0.5)]
    measure(model, prompts(model), edits)
    assert len(decompositions) == 2
    assert [blocks.count(layer) for layer in range(3)] == [1, 1, 1 + len(edits)]


def test_mean_distributions_and_losses_are_those_of_the_edited_model(model: LanguageModel) -> None:
    """Oracle: transformers' loss and probabilities with the edited matrix written into the model by hand."""
    edit = laser(model, 1, "mlp_out", rho=0.3)
    text = model.tokens("When Mary and John went to the store, John gave a drink to Mary")
    some = prompts(model)
    before, after = mean_distributions(model, some, [edit])
    loss_before, loss_after = text_losses(model, text, [edit])
    inside = model.adapter.model
    for distribution, losses in ((before, loss_before), (after[0], loss_after[0])):
        p = torch.stack([inside(torch.tensor([q.tokens])).logits[0, -1].softmax(-1) for q in some]).mean(0)
        torch.testing.assert_close(distribution, p.detach(), rtol=0, atol=1e-6)
        torch.testing.assert_close(losses.mean(), inside(text, labels=text).loss.detach(), rtol=0, atol=1e-5)
        matrix = model.adapter.matrix(1, "mlp_out")
        matrix.write(Terms(matrix.read()).without(edit.dropped))


def test_what_does_not_exist_is_refused_in_one_sentence(tiny_model: Callable[..., Path]) -> None:
    model = load(str(tiny_model("gpt2")))
    with pytest.raises(ValueError, match="the layer is 3; this model's are 0 to 2"):
        laser(model, 3, "mlp_in", rho=0.1)
    with pytest.raises(ValueError, match="the matrix is 'mlp_gate'"):
        laser(model, 0, "mlp_gate", rho=0.1)
    with pytest.raises(ValueError, match="top is 0; it must be between 1 and"):
        measure(model, prompts(model), [], top=0)
    for rho in (-0.1, 1.01):
        with pytest.raises(ValueError, match="rho is .*; the fraction of the rank to keep must be in"):
            laser(model, 0, "mlp_in", rho=rho)
    with pytest.raises(ValueError, match="22 directions are to be dropped; block 0's 'mlp_in' has 21"):
        without_smallest(model, 0, "mlp_in", 22)
    with pytest.raises(ValueError, match="' Mary Spain' is 2 tokens"):
        prompt(model, "Madrid is located in", " Mary Spain")
    with pytest.raises(ValueError, match="the text of a prompt is empty"):
        prompt(model, "", " Spain")
    with pytest.raises(ValueError, match="there are no prompts"):
        measure(model, [], [])
    one = prompt(model, "Madrid is located in", " Spain")
    with pytest.raises(ValueError, match=r"prompts watch \[1, 2\] tokens"):
        measure(model, [one, Prompt(tokens=one.tokens, watch=one.watch[:1])], [])
    with pytest.raises(ValueError, match="dropped names terms outside"):
        measure(model, [one], [Edit(layer=0, matrix="q", dropped=(21,), kind="")])
