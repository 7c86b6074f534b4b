"""The closer look on a tiny model: every part against transformers' own forward pass with the change made by hand."""

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from mechbook.laser import association, fact_site, quantisation
from mechbook.laser.association import ASKED, AT_START, CONTEXTS
from mechbook.laser.closer import Closer, CloserSettings, closer_settings
from mechbook.laser.data.cities import one_token_facts
from mechbook.laser.data.function_words import FUNCTION_WORDS
from mechbook.laser.data.ioi import one_token_names
from mechbook.laser.directions import constancy, singled_out, smallest_inputs
from mechbook.laser.edits import Edit, Prompt, Terms, laser
from mechbook.laser.held_out import half_B, held_out, some
from mechbook.laser.plain import measure_plainly
from mechbook.laser.presets import LAPTOP, CloserLook
from mechbook.laser.prompts import fact_prompts
from mechbook.laser.streams import STREAMS
from mechbook.laser.words import without_the
from mechbook.pretrained.load import LanguageModel, load

LOOK = CloserLook(
    draws=5, prompts=8, noise_draws=2, noise_everywhere=1, late_blocks=2, curve_rhos=(0.1, 0.5), site_pairs=5,
    new_countries=3,
)  # fmt: skip


def tenth_of_size(W: Tensor) -> Tensor:
    """In the place of `steps`: the tiny model's rows are no blocks of 32."""
    return 0.1 * W.abs()


@pytest.fixture(scope="module")
def model(tiny_model: Callable[..., Path], chapter_5_words: str) -> LanguageModel:
    return load(str(tiny_model("llama", dtype="float32", corpus=chapter_5_words)))


@pytest.fixture(scope="module")
def how(model: LanguageModel) -> CloserSettings:
    chosen = {"facts": laser(model, 1, "mlp_in", rho=0.2), "ioi": laser(model, 1, "mlp_in", rho=0.4)}
    return CloserSettings(per_template=2, look=LOOK, chosen=chosen)


@pytest.fixture(scope="module")
def found(model: LanguageModel, how: CloserSettings, tmp_path_factory: pytest.TempPathFactory) -> Closer:
    weights = copy.deepcopy(model.adapter.model.state_dict())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MECHBOOK_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(quantisation, "steps", tenth_of_size)
        made = how.run(model)
    after = model.adapter.model.state_dict()
    assert all(torch.equal(weights[name], after[name]) for name in weights)
    return made


def few(model: LanguageModel, task: str) -> list[Prompt]:
    return some([p for p in half_B(model, 2) if p.group == task], LOOK.prompts)


def ratio(p: Tensor) -> float:
    return float(p[:, 0].double().mean() / p[:, 1].double().mean())


def test_the_settings_are_the_preset_s_and_each_part_has_its_key(model: LanguageModel, how: CloserSettings) -> None:
    chosen = {"facts": how.chosen["facts"], "ioi": how.chosen["ioi"]}
    own = closer_settings(LAPTOP, chosen)
    assert own.look == LAPTOP.closer and own.per_template == LAPTOP.per_template and own.chosen == chosen
    keys = [repr(own.key(model, part)) for part in ("noise", "site")]
    keys += [repr(replace(own, chosen={**chosen, "ioi": chosen["facts"]}).key(model, "noise"))]
    assert len(set(keys)) == 3


def test_few_prompts_are_spread_over_half_B(model: LanguageModel) -> None:
    ten = [Prompt(tokens=(i,), watch=(0, 1)) for i in range(10)]
    assert some(ten, 4) == [ten[i] for i in (0, 2, 5, 7)] and some(ten[:2], 5) == ten[:2]
    assert association.spread_over(list("abcdefghij"), 4) == list("acfh") == association.spread_over(list("acfh"), 9)
    held = held_out(model, 2, count=3)
    assert [p.group for p in held.prompts] == ["facts"] * 3 + ["ioi"] * 3 and held.of("ioi") == [3, 4, 5]
    p = torch.tensor([[0.1, 0.2], [0.2, 0.2], [0.3, 0.2], [0.4, 0.1], [0.4, 0.2], [0.4, 0.1]])
    assert held.ratios(p) == pytest.approx({"facts": 1.0, "ioi": 3.0})


def test_random_tenths_and_single_directions(model: LanguageModel, found: Closer) -> None:
    """Oracle: `measure_plainly` with the same directions dropped."""
    result = found.directions
    assert result.full == 18 and result.few == 1 and result.singles == list(range(18))
    for task in ("facts", "ioi"):
        own = few(model, task)
        edits = [Edit(layer=1, matrix="mlp_in", dropped=tuple(d), kind="") for d in ([17], [0], *result.draws[task])]
        plain = measure_plainly(model, own, edits)
        factors = [ratio(p) / ratio(plain.before) for p in plain.after]
        assert [result.single[task][17], result.single[task][0]] == pytest.approx(factors[:2], rel=1e-4)
        assert result.random[task] == pytest.approx(factors[2:], rel=1e-4)
        assert {len(drawn) for drawn in result.draws[task]} == {2}
        torch.testing.assert_close(result.alone[task][[17, 0]], plain.after[:2, :, :2], rtol=0, atol=1e-5)
        torch.testing.assert_close(result.whole[task], plain.before[:, :2], rtol=0, atol=1e-5)
    made = replace(result, draws={"ioi": [[3, 17], [4, 5], [1, 2]]}, random={"ioi": [4.0, 0.5, 1.25]})
    assert made.sizes("ioi") == [4.0, 2.0, 1.25] and made.sizes("ioi", spared=True) == [2.0, 1.25]


def test_single_directions_are_of_both_ends_and_between() -> None:
    assert singled_out(5) == [0, 1, 2, 3, 4]
    chosen = singled_out(576)
    assert chosen[:16] == list(range(16)) and chosen[-16:] == list(range(560, 576))
    assert len(set(chosen)) == 48 and chosen == sorted(chosen)


def test_what_the_smallest_directions_read(model: LanguageModel, how: CloserSettings) -> None:
    """Oracle: the norm's output caught in transformers' forward pass; constant and mean-free rows."""
    held = held_out(model, 2, count=4)
    along = smallest_inputs(held, how.chosen["facts"], 18)
    caught: list[Tensor] = []
    block = model.adapter.model.model.layers[1]
    handle = block.post_attention_layernorm.register_forward_hook(lambda *a: caught.append(a[2][0, -1].detach()))
    with torch.no_grad():
        for p in held.prompts:
            model.adapter.model(torch.tensor([p.tokens]))
    handle.remove()
    h = torch.stack(caught).double()
    _, _, Vh = torch.linalg.svd(block.mlp.up_proj.weight.double().detach(), full_matrices=False)
    torch.testing.assert_close(along.abs(), (h / h.norm(dim=1, keepdim=True) @ Vh.T).abs(), rtol=0, atol=1e-5)
    row = torch.tensor([[3.0, 4.0]], dtype=torch.float64)
    assert constancy(row.expand(5, 2)) == pytest.approx(1) and constancy(torch.cat([row, -row])) == 0


def test_curves_are_means_at_every_rate(model: LanguageModel, found: Closer) -> None:
    """Oracle: `measure_plainly` on all sentences of half B at the chosen matrix, on few in the last blocks."""
    curves = found.curves
    names = [p for p in half_B(model, 2) if p.group == "ioi"]
    plain = measure_plainly(model, names, [laser(model, 1, "mlp_in", rho=rho) for rho in LOOK.curve_rhos])
    torch.testing.assert_close(curves.chosen, plain.after, rtol=0, atol=1e-5)
    torch.testing.assert_close(curves.whole, plain.before, rtol=0, atol=1e-5)
    last = measure_plainly(model, few(model, "ioi"), [laser(model, 2, "mlp_in", rho=0.5)])
    torch.testing.assert_close(torch.tensor(curves.blocks[2][1]), last.after[0].mean(0), rtol=0, atol=1e-5)
    assert list(curves.blocks) == [1, 2] and curves.place == (1, "mlp_in")


def test_noise_on_the_matrix_and_on_all(model: LanguageModel, how: CloserSettings, found: Closer) -> None:
    """Oracle: a copy of the model with the noise added by hand, edited and asked plainly."""
    noised = found.noise
    for kind, number in (("one", 1), ("everywhere", 0)):
        copied = replace(model, adapter=type(model.adapter)(copy.deepcopy(model.adapter.model)))
        generator = STREAMS.generator("noise of quantisation", int(kind == "everywhere"), number)
        for layer in range(3):
            for name in model.adapter.matrix_names:
                if kind == "everywhere" or (layer, name) == (1, "mlp_in"):
                    matrix = copied.adapter.matrix(layer, name)
                    W = matrix.read()
                    matrix.write(W + tenth_of_size(W) * (torch.rand(W.shape, generator=generator) - 0.5))
        for task in ("facts", "ioi"):
            plain = measure_plainly(copied, few(model, task), [how.chosen[task]])
            expected = (ratio(plain.before), ratio(plain.after[0]))
            assert getattr(noised, kind)[task][number] == pytest.approx(expected, rel=1e-4)
    assert len(noised.one["ioi"]) == 2 and len(noised.everywhere["ioi"]) == 1
    made = replace(noised, whole={"facts": (1.0, math.e**2)}, one={"facts": [(2.0, 2 * math.e**3), (1.0, math.e)]})
    assert made.changes("one") == pytest.approx([0.5, 0.5])


def test_steps_are_read_off_blocks_of_32() -> None:
    """Oracle: a matrix rounded to Q4_1 by hand; an obvious loop; noise's variance within 4 standard errors."""
    random = torch.Generator().manual_seed(0)
    W = torch.rand(3, 64, generator=random)
    step = quantisation.steps(W)
    for i in range(3):
        for j in range(64):
            block = W[i, 32 * (j // 32) : 32 * (j // 32) + 32]
            assert float(step[i, j]) == pytest.approx(float(block.max() - block.min()) / 15)
    low = W.unflatten(1, (2, 32)).amin(-1).repeat_interleave(32, 1)
    rounded = low + step * ((W - low) / step).round()
    torch.testing.assert_close(quantisation.steps(rounded), step)
    E = torch.stack([quantisation.noise(W, random) for _ in range(500)]) / step
    assert float(E.abs().max()) <= 0.5 and abs(float(E.mean())) < 4 * math.sqrt(1 / 12 / E.numel())
    # the square of a uniform number on (-1/2, 1/2) has variance 1/180
    assert abs(float(E.square().mean()) - 1 / 12) < 4 * math.sqrt(1 / 180 / E.numel())
    with pytest.raises(ValueError, match="rows of 33 entries are not made of blocks of 32"):
        quantisation.steps(torch.zeros(2, 33))


def test_the_noise_along_the_smallest_directions() -> None:
    """Oracle: the mean of |E v|^2 over drawn noise, within 5 standard errors."""
    random = torch.Generator().manual_seed(1)
    W = torch.randn(37, 32, generator=random)
    _, S, Vh = torch.linalg.svd(W)
    sizes = torch.stack([(quantisation.noise(W, random) @ Vh[-2]).square().sum() for _ in range(3000)])
    expected = (quantisation.tail(W, 3)[1] * float(S[-2])) ** 2
    assert abs(float(sizes.mean()) - expected) < 5 * float(sizes.std()) / math.sqrt(3000)
    assert len(quantisation.tail(W, 3)) == 3


def test_classes_of_words(model: LanguageModel, how: CloserSettings, found: Closer) -> None:
    """Oracle: transformers' distributions, token by token."""
    names, countries = one_token_names(model.encode_next), {token for _, token in one_token_facts(model.encode_next)}
    generator = STREAMS.generator("intervals of the closer look", 5)
    for task, candidates in (("facts", countries), ("ioi", set(names.values()))):
        matrix = model.adapter.matrix(1, "mlp_in")
        W = matrix.read()
        each = []
        for weight in (W, Terms(W).without(how.chosen[task].dropped)):
            matrix.write(weight)
            with torch.no_grad():
                rows = [
                    model.adapter.model(torch.tensor([p.tokens])).logits[0, -1].softmax(-1) for p in few(model, task)
                ]
            each.append(torch.stack(rows).double())
        means = [p.mean(0) for p in each]
        matrix.write(W)
        words = [i for i in range(len(means[0])) if model.text(i).strip().lower() in FUNCTION_WORDS]
        result = found.classes[task]
        by_hand = [float(sum(m[i] for i in candidates)) for m in means]
        assert result.means("answers")[:2] == pytest.approx(by_hand, abs=1e-6)
        for p, own in zip(each, result.words, strict=False):
            torch.testing.assert_close(own, p[:, words].sum(1).float(), rtol=0, atol=1e-6)
        lost = [max(0.0, float(a - b)) for a, b in zip(*means, strict=True)]
        assert result.share[0] == pytest.approx(sum(lost[i] for i in words) / sum(lost), abs=1e-5)
        assert result.fall("words") == pytest.approx(1 - float(means[1][words].sum() / means[0][words].sum()), abs=1e-6)
        shares = []
        for drawn in torch.randint(len(each[0]), (500, len(each[0])), generator=generator):
            lost = [max(0.0, float(a - b)) for a, b in zip(each[0][drawn].mean(0), each[1][drawn].mean(0), strict=True)]
            shares.append(sum(lost[i] for i in words) / sum(lost))
        ends = torch.tensor(shares).double().quantile(torch.tensor([0.025, 0.975]).double()).tolist()
        assert result.share_interval == pytest.approx(ends, abs=1e-5)


def test_the_right_country_among_countries(model: LanguageModel, how: CloserSettings, found: Closer) -> None:
    """Oracle: the log-softmax over the countries' logits alone, city by city."""
    countries = sorted({token for _, token in one_token_facts(model.encode_next)})
    before, after = found.among
    cities = fact_prompts(model)
    asked = [Prompt(tokens=p.tokens, watch=tuple(countries)) for p in cities]
    plain = measure_plainly(model, asked, [how.chosen["facts"]])
    for i, p in enumerate(cities):
        place = countries.index(p.watch[0])
        assert float(before[i]) == pytest.approx(math.log(plain.before[i, place] / plain.before[i].sum()), abs=1e-4)
        assert float(after[i]) == pytest.approx(math.log(plain.after[0, i, place] / plain.after[0, i].sum()), abs=1e-4)


def test_other_articles_and_other_ways(model: LanguageModel, how: CloserSettings, found: Closer) -> None:
    """Oracle: the sentences' texts; `measure_plainly`."""
    own = few(model, "ioi")
    changed = without_the(model, own)
    for p, q in zip(own, changed, strict=True):
        text, other = (model.tokenizer.decode(list(x.tokens)) for x in (p, q))
        places = [word for word in ("office", "store", "park", "school", "garden") if f"the {word}" in text]
        assert all(f"the {place}" not in other for place in places) and len(p.tokens) == len(q.tokens)
        assert other.replace(" an ", " a ").count(" a ") == text.count(" a ") + 1
    plain = measure_plainly(model, changed, [how.chosen["ioi"]])
    assert found.article["a"] == pytest.approx((ratio(plain.before), ratio(plain.after[0])), rel=1e-4)
    facts = {p.tokens for p in few(model, "facts")}
    in_the_north = fact_prompts(model, "{city} is located in the north of")
    north = [q for p, q in zip(fact_prompts(model), in_the_north, strict=True) if p.tokens in facts]
    said = measure_plainly(model, north, [how.chosen["facts"]])
    torch.testing.assert_close(
        torch.tensor(found.said["in the north of"][1]), said.after[0, :, :2].mean(0), rtol=0, atol=1e-5
    )


def test_attention_at_other_rates(model: LanguageModel, found: Closer) -> None:
    """Oracle: `measure_plainly` on every other prompt."""
    own = few(model, "facts")[::2]
    points = found.attention["facts"]
    assert {(layer, name) for layer, name, *_ in points} == {(2, name) for name in "qkvo"} and len(points) == 8
    layer, name, rho, factor = next(point for point in points if point[1:3] == ("o", 0.3))
    plain = measure_plainly(model, own, [laser(model, layer, name, rho=rho)])
    assert factor == pytest.approx(ratio(plain.after[0]) / ratio(plain.before), rel=1e-4)


def test_a_patched_stream_is_what_a_hook_would_put_in(model: LanguageModel, found: Closer) -> None:
    """Oracle: transformers with a hook that replaces what enters a block at one position, pair by pair."""
    site = found.site
    cities = [p for p in half_B(model, 2) if p.group == "facts"]
    ((A, B, answers),) = fact_site.drawn_pairs(cities, LOOK.site_pairs, STREAMS.generator("pairs of cities"))
    assert site.words == ["subject", "is", "located", "in"] and site.blocks == [0, 2] and len(A) == 5
    inside = model.adapter.model
    for number, (a, b) in enumerate(zip(A, B, strict=True)):
        assert a.watch[0] != b.watch[0] and int(answers[number]) == a.watch[0]
        with torch.no_grad():
            own = inside(torch.tensor([a.tokens]), output_hidden_states=True)
            assert float(site.own[number]) == pytest.approx(
                float(own.logits[0, -1].log_softmax(-1)[a.watch[0]]), abs=1e-4
            )
            for row, column, position in ((0, 0, -4), (1, 0, -4), (1, 3, -1)):
                hidden = own.hidden_states[site.blocks[row]][0, position]

                def put(_: Any, args: Any, kwargs: Any, *, at: int = position, h: Tensor = hidden) -> Any:
                    x = args[0].clone()
                    x[0, at] = h
                    return (x, *args[1:]), kwargs

                handle = inside.model.layers[site.blocks[row]].register_forward_pre_hook(put, with_kwargs=True)
                p = inside(torch.tensor([b.tokens])).logits[0, -1].log_softmax(-1)
                handle.remove()
                assert float(site.patched[row, column, number]) == pytest.approx(float(p[a.watch[0]]), abs=1e-4)
    # all that END has when it leaves the last block is what is said
    assert float(site.lens[-1, 0]) == pytest.approx(float(site.own.exp().mean()), abs=1e-5)
    share = (site.patched.mean(-1) - site.base.mean()) / (site.own.mean() - site.base.mean())
    torch.testing.assert_close(site.share, share)


def test_an_association_gives_one_for_its_keys_and_is_the_smallest() -> None:
    """Oracle: u^T k = 1 for each key, and u C-orthogonal to all that the keys leave free (Lagrange), in float64."""
    random = torch.Generator().manual_seed(3)
    K, keys, v = (torch.randn(*shape, generator=random, dtype=torch.float64) for shape in ((11, 7), (3, 7), (5,)))
    C = association.second_moment(K)
    added = association.association(keys, C, v)
    torch.testing.assert_close(added @ keys.T, v[:, None].expand(5, 3), rtol=0, atol=1e-10)
    assert torch.linalg.matrix_rank(added) == 1
    u = v @ added / (v @ v)
    free = torch.linalg.svd(keys).Vh[3:]
    torch.testing.assert_close(free @ C @ u, torch.zeros(4, dtype=torch.float64), rtol=0, atol=1e-10)
    expected = sum(torch.outer(k, k) for k in K) / 11
    torch.testing.assert_close(C - expected, torch.eye(7, dtype=torch.float64) * 0.1 * expected.diagonal().mean())


def test_a_city_is_given_another_country(model: LanguageModel, found: Closer) -> None:
    """Oracle: the weight written by hand from hooks' values, and transformers asked text by text."""
    one = found.rewritten[1]
    facts = {fact.city: (fact.country, token) for fact, token in one_token_facts(model.encode_next)}
    countries = sorted({token for _, token in facts.values()})
    cities = association.half_B_cities(model, 2)
    assert [r.city for r in found.rewritten] == association.spread_over(cities, 3) and facts[one.city][
        0
    ] == one.old != one.new
    assert len(cities) == len([p for p in half_B(model, 2) if p.group == "facts"])
    inside = copy.deepcopy(model.adapter.model)
    block, read = inside.model.layers[1], []
    handle = block.mlp.down_proj.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0][0]))

    @torch.no_grad()
    def at_end(text: str) -> tuple[Tensor, Tensor]:
        read.clear()
        states = inside(model.tokens(text), output_hidden_states=True).hidden_states[2][0, -1]
        return read[0][-1].double(), states.double()

    goals = [city for city, (country, _) in facts.items() if country == one.new]
    ends = [at_end(text.format(city=one.city)) for text in CONTEXTS]
    with torch.no_grad():
        read.clear()
        inside(model.tokens(association.control_text()))
        text = read[0].double()
    rest = [city for city in facts if city not in cities]
    apart = torch.stack([at_end(words.format(city=city))[0] for city in rest for words in CONTEXTS])
    handle.remove()
    W = block.mlp.down_proj.weight.detach().clone()
    outcomes = []
    for goal in goals:
        with torch.no_grad():
            states = [model.adapter.run(model.adapter.embed(model.tokens(t.format(city=goal))), stop=2)[0, -1].double()
                      for t in CONTEXTS]  # fmt: skip
            v = torch.stack([b - a for b, (_, a) in zip(states, ends, strict=True)]).mean(0)
            keys = torch.stack([k for k, _ in ends])
            changed = []
            for rows in (text, torch.cat([text, apart])):
                other = copy.deepcopy(inside)
                added = association.association(keys, association.second_moment(rows), v)
                other.model.layers[1].mlp.down_proj.weight.copy_(W + added)
                changed.append(other)

            def above(words: str, asked: Any) -> bool:
                logits = asked(model.tokens(words.format(city=one.city))).logits[0, -1]
                return bool(logits[facts[goals[0]][1]] > logits[facts[one.city][1]])

            def likeliest(asked: Any, city: str) -> int:
                return int(asked(model.tokens(ASKED.format(city=city))).logits[0, -1, countries].argmax())

            tried = association.spread_over([city for city in cities if city != one.city], association.OTHERS)
            kept = [
                sum(likeliest(inside, city) == likeliest(new, city) for city in tried) / len(tried) for new in changed
            ]
            new = countries.index(facts[goals[0]][1])
            first = [
                int(changed[0](model.tokens(words.format(city=one.city))).logits[0, -1, countries].argmax()) == new
                for words in (ASKED, AT_START)
            ]
            above_old = above(ASKED, changed[0]), above(AT_START, changed[0]), above(ASKED, changed[1])
            outcomes.append((*above_old, *kept, *first))
            before = likeliest(inside, one.city) == countries.index(facts[one.city][1])
    found_here = one.asked, one.at_start, one.asked_apart, one.kept, one.kept_apart
    assert (*found_here, one.likeliest, one.likeliest_at_start) in outcomes and one.likeliest_before == before
