"""Chapter 5's small model along training: checkpoints, truncations and ranks, on a run of seconds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import rankdata

from mechbook.core.training.settings import TrainingSettings
from mechbook.laser import dynamics
from mechbook.laser.data import english
from mechbook.laser.data.english import EnglishTask
from mechbook.laser.dynamics import Choice, DynamicsResult, Means, Prompts
from mechbook.laser.english_runs import EnglishSettings, english_settings, pythia_steps
from mechbook.laser.plain import train_english_plainly
from mechbook.laser.presets import LAPTOP
from mechbook.laser.streams import STREAMS
from mechbook.pretrained.small_neox import SmallNeoXConfig

TINY = EnglishSettings(
    task=EnglishTask(T=17),
    model=SmallNeoXConfig(N=english.N, T=17, d=12, n_layers=2, n_heads=3),
    training=TrainingSettings(
        steps=5, batch_size=7, optimizer="adamw", lr=0.03, warmup=3, clip_norm=0.5, loss_on="all"
    ),
    seed_key=(*STREAMS["english"], 0),
)
RHOS = LAPTOP.english_rhos


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MECHBOOK_CACHE", str(tmp_path))


def test_checkpoints_are_pythia_s() -> None:
    """Oracle: the list of Pythia's 154 checkpoints, as its authors word it."""
    assert pythia_steps(2500) == (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 2000)
    assert len(pythia_steps(143000)) == 154 and len(pythia_steps(10**6)) == 154
    assert TINY.checkpoint_steps() == (0, 1, 2, 4, 5)
    assert set(pythia_steps(LAPTOP.steps)) <= set(english_settings(LAPTOP, 0).checkpoint_steps())


def test_a_run_is_kept_and_its_checkpoints_are_its_weights() -> None:
    """Oracle: the model as built for step 0; `train_english_plainly` for the last step."""
    run = TINY.run()
    assert sorted(run.checkpoints) == [0, 1, 2, 4, 5]
    built, checkpoints = TINY.build(), TINY.checkpoints()
    for name, value in checkpoints.at(0).state_dict().items():
        assert torch.equal(value.cpu(), built.state_dict()[name])
    model = train_english_plainly(TINY)
    for name, value in checkpoints.at(5).state_dict().items():
        torch.testing.assert_close(value.cpu(), model.state_dict()[name], atol=1e-5, rtol=1e-4)
    assert TINY.run().seconds == run.seconds


def test_a_model_of_other_sizes_than_the_language_is_refused() -> None:
    """Oracle: the sentence."""
    with pytest.raises(ValueError, match=f"it must have the language's {english.N} words and the task's 17 inputs"):
        replace(TINY, model=replace(TINY.model, T=16))


def test_means_are_those_of_single_prompts() -> None:
    """Oracle: a loop over prompts, one at a time."""
    model, prompts = TINY.checkpoints().at(5), dynamics.tasks(22, 0)["ioi"]
    found = dynamics.means(model, prompts)
    assert prompts.S is not None
    sums = np.zeros(3)
    for row, answer, S in zip(prompts.tokens, prompts.answer, prompts.S, strict=True):
        with torch.no_grad():
            p = model(row[None]).logits[0, -1].softmax(-1)
        sums += [float(p[english.INDEX["the"]]), float(p[answer]), float(p[S])]
    assert (found.the, found.answer, found.S) == pytest.approx(tuple(sums / len(prompts.answer)), rel=1e-5)
    assert found.ratio == pytest.approx(sums[1] / sums[0], rel=1e-5)


def test_the_sweep_is_numpy_s_decomposition_for_every_matrix_layer_and_rho() -> None:
    """Oracle: numpy's SVD of each weight, put into a fresh model; the weights afterwards, bit for bit."""
    model, prompts = TINY.checkpoints().at(5), dynamics.tasks(22, 0)["facts"].half("A")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = dynamics.sweep(model, prompts, 2, RHOS)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert len(found) == 3 * 2 * len(RHOS)
    for choice, means in found.items():
        fresh = TINY.checkpoints().at(5)
        U, S, Vh = np.linalg.svd(before[choice.name].double().numpy(), full_matrices=False)
        rank = int(np.floor(choice.rho * 12 + 1e-9))
        weight = torch.tensor((U[:, :rank] * S[:rank]) @ Vh[:rank], dtype=torch.float32)
        fresh.load_state_dict({**before, choice.name: weight})
        expected = dynamics.means(fresh, prompts)
        assert (means.the, means.answer) == pytest.approx((expected.the, expected.answer), rel=1e-4), choice
    best = dynamics.best(found)
    assert found[best].ratio == max(m.ratio for m in found.values())


def test_other_rates_at_the_end_are_measured_on_half_B() -> None:
    """Oracle: the sweep's means on half B, over the whole model's."""
    prompts, choice = dynamics.tasks(22, 0)["ioi"], Choice(matrix="mlp.dense_4h_to_h", layer=1, rho=0.1)
    B = prompts.half("B")
    swept = dynamics.sweep(TINY.checkpoints().at(5), B, 2, RHOS)
    whole = dynamics.means(TINY.checkpoints().at(5), B).ratio
    expected = [swept[replace(choice, rho=rho)].ratio / whole for rho in (0.5, 0.0)]
    assert dynamics.at_the_end(TINY, prompts, choice, (0.5, 0.0)) == pytest.approx(expected, rel=1e-5)


def test_the_choice_is_made_on_half_A_and_reported_on_half_B() -> None:
    """Oracle: the sweep on half A, the means on half B under its best truncation, by hand."""
    prompts = dynamics.tasks(22, 0)["ioi"]
    A, B = prompts.half("A"), prompts.half("B")
    assert torch.equal(A.tokens, prompts.tokens[::2]) and torch.equal(B.answer, prompts.answer[1::2])
    found = dynamics.dynamics(TINY, prompts, RHOS)
    model = TINY.checkpoints().at(5)
    assert found.choice == dynamics.best(dynamics.sweep(model, A, 2, RHOS))
    assert found.steps == (0, 1, 2, 4, 5) and found.full[-1] == dynamics.means(model, B)
    spoiled = replace(prompts, answer=torch.where(torch.arange(22) % 2 == 1, prompts.answer.roll(4), prompts.answer))
    assert dynamics.dynamics(TINY, spoiled, RHOS).choice == found.choice
    for place, step in enumerate(found.steps):
        model = TINY.checkpoints().at(step)
        with dynamics.truncated(model, found.choice.name, rho=found.choice.rho):
            assert found.truncated[place] == dynamics.means(model, B)
    assert found.gain(-2) == pytest.approx(found.truncated[3].ratio / found.full[3].ratio)


def test_cities_are_each_in_one_half_and_countries_in_both() -> None:
    """Oracle: sets; a country's cities stand together in the list, and are shuffled over the halves."""
    facts = dynamics.tasks(22, 0)["facts"]
    A, B = (set(facts.half(which).tokens[:, 1].tolist()) for which in "AB")
    assert not A & B and len(A | B) == len(english.CITIES)
    assert torch.equal(dynamics.tasks(22, 0)["facts"].tokens, facts.tokens)
    assert not torch.equal(dynamics.tasks(22, 1)["facts"].tokens, facts.tokens)
    country = dict(zip(english.fact_prompts()[0][:, 1].tolist(), english.fact_prompts()[1].tolist(), strict=True))
    assert all(country[int(row[1])] == answer for row, answer in zip(facts.tokens, facts.answer, strict=True))


def at(the: float, answer: float, S: float) -> Means:
    return Means(the=the, answer=answer, S=S)


def test_the_early_checkpoint_is_one_where_the_name_is_not_yet_known() -> None:
    """Oracle: a table by hand."""
    full = [at(0.01, 0.0, 0.0), at(0.4, 0.02, 0.03), at(0.5, 0.05, 0.16), at(0.6, 0.11, 0.1), at(0.5, 0.4, 0.1)]
    cut = [replace(m, the=m.the / 2) for m in full]
    ioi = DynamicsResult(steps=(0, 1, 2, 4, 8), choice=Choice(matrix="m", layer=0, rho=0.1), full=full, truncated=cut)
    assert dynamics.the_before_the_answer(ioi) == 1
    assert dynamics.dynamics_values(ioi) == pytest.approx(
        {"the": 0.4, "IO": 0.02, "gap": 0.01, "gain_previous": 2.0, "gain_last": 2.0}
    )
    never = replace(ioi, full=full[3:], truncated=cut[3:])
    assert dynamics.the_before_the_answer(never) == 0


def test_ranks_are_scipy_s() -> None:
    """Oracle: scipy.stats.rankdata with the average of ties."""
    p = torch.randint(5, (31, 13), generator=torch.Generator().manual_seed(1)).float()
    expected = np.mean([rankdata(-row, method="average")[4] for row in p.numpy()])
    assert dynamics.average_rank(p, 4) == pytest.approx(expected, abs=1e-12)


def test_ranks_along_the_run_are_those_of_its_checkpoints() -> None:
    """Oracle: a loop over the prepositions, each by itself; the table of first steps by hand."""
    ranks = dynamics.preposition_ranks(TINY, 0)
    model = TINY.checkpoints().at(1)
    expected = []
    for word in english.PREPOSITIONS:
        with torch.no_grad():
            logits = model(torch.tensor([[english.INDEX["<bos>"], english.INDEX[word]]])).logits[0, -1]
        expected.append(1 + int((logits > logits[english.INDEX["the"]]).sum()))
    assert ranks["words"][1] == pytest.approx(np.mean(expected), abs=1e-9)
    assert len(ranks["words"]) == len(ranks["sentences"]) == 5
    table = {"words": [9.0, 3.0, 2.9, 4.0], "sentences": [9.0, 8.0, 3.0, 3.1]}
    assert dynamics.preposition_values((0, 1, 2, 4), table) == {"words": 2, "sentences": 5, "steps": 4}


def test_halves_have_names() -> None:
    """Oracle: a KeyError."""
    with pytest.raises(KeyError):
        Prompts(tokens=torch.zeros(2, 3, dtype=torch.long), answer=torch.zeros(2, dtype=torch.long)).half("C")
