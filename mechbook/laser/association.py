"""One association v u^T added to one matrix of a pretrained model: a city is given another country (after ROME).

Block l's `mlp_out` W reads k at the city's last token. W + v u^T writes W k + (u^T k) v, with

    v = the stream that leaves block l at the last token of a city of the new country, less that of the city itself,
        averaged over contexts,
    u = C^-1 K^T (K C^-1 K^T)^-1 1, the smallest vector in the metric of C with u^T k = 1 in every context k of K,

where C is the second moment of what W reads in ordinary text (Meng et al. 2022, who have one context's mean for K and
an optimised v). No gradient is taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from mechbook.core.progress import Line
from mechbook.laser.data.cities import Fact, one_token_facts
from mechbook.laser.data.control import control_text
from mechbook.laser.edits import Prompt, batches_of, restored, streams_entering
from mechbook.laser.held_out import half_B
from mechbook.laser.reads import reading
from mechbook.pretrained.load import LanguageModel

CONTEXTS = ("Yesterday we flew to {city}", "The mayor of {city}", "She was born in {city}")
ASKED = "The city of {city} is in the country of"
AT_START = "{city} is located in"
OTHERS = 12
"""On so many other cities an edit is tried."""
RIDGE = 0.1
"""So much of its mean diagonal is added to C: the text has fewer tokens than the matrix has inputs."""


@dataclass(frozen=True, kw_only=True)
class Rewritten:
    """One city given another country: whether the new one is above the old one, before and after.

    asked: in other words than those of the edit; at_start: where the city is the first word; after the edit
    before: as asked, in the whole model
    kept: of the other cities, as asked, the part whose likeliest country stays; neighbours: of those of the old country
    asked_apart, kept_apart: as asked and kept, where C also has the keys of the cities of the other half, so that u
        keeps apart from what cities have in common
    likeliest, likeliest_at_start: as asked and at_start, whether the new country is the likeliest of all countries;
        likeliest_before: as asked, whether the old one was, in the whole model
    """

    city: str
    old: str
    new: str
    before: bool
    asked: bool
    at_start: bool
    kept: float
    neighbours: list[bool]
    asked_apart: bool
    kept_apart: float
    likeliest: bool
    likeliest_at_start: bool
    likeliest_before: bool


def association(
    keys: Float[Tensor, "c d_in"], C: Float[Tensor, "d_in d_in"], v: Float[Tensor, "d_out"]
) -> Float[Tensor, "d_out d_in"]:
    """v u^T with u^T k = 1 for each of the keys, u the smallest such vector in the metric of C."""
    solved = torch.linalg.solve(C, keys.T)
    u = solved @ torch.linalg.solve(keys @ solved, torch.ones(len(keys), dtype=C.dtype))
    return torch.outer(v, u)


def second_moment(K: Float[Tensor, "n d_in"], ridge: float = RIDGE) -> Float[Tensor, "d_in d_in"]:
    """The mean of k k^T over the rows, and `ridge` times the mean of its diagonal on the diagonal."""
    C = K.T @ K / len(K)
    return C + ridge * C.diagonal().mean() * torch.eye(len(C), dtype=C.dtype)


def rewrite(
    model: LanguageModel, cities: Sequence[str], layer: int, generator: Generator, others: Sequence[str]
) -> list[Rewritten]:
    """Give each of `cities` a country drawn at random, one edit at a time, and try the edit on `others`, too."""
    facts = {fact.city: (fact, token) for fact, token in one_token_facts(model.encode_next)}
    countries = sorted({token for _, token in facts.values()})
    goals = [_another(facts[city][0], [fact for fact, _ in facts.values()], generator) for city in cities]
    needed = list(dict.fromkeys([*cities, *(goal.city for goal in goals)]))
    keys, leaving = _at_the_end(model, [text.format(city=city) for city in needed for text in CONTEXTS], layer)
    place = {city: slice(i * len(CONTEXTS), (i + 1) * len(CONTEXTS)) for i, city in enumerate(needed)}
    text = _read_in(model, model.tokens(control_text()), layer)
    left_out = [city for city in facts if city not in {*cities, *others}]
    of_cities, _ = _at_the_end(model, [words.format(city=city) for city in left_out for words in CONTEXTS], layer)
    metrics = (second_moment(text), second_moment(torch.cat([text, of_cities])))
    found = []
    with Line("cities given another country", len(cities), "cities") as line:
        for city, goal in zip(cities, goals, strict=True):
            (fact, old), new = facts[city], facts[goal.city][1]
            tried = spread_over([other for other in others if other != city], OTHERS)
            texts = [text.format(city=city) for text in (ASKED, AT_START)]
            texts += [ASKED.format(city=other) for other in tried]
            asked = Asked.of(model, texts, layer, countries)
            before = asked.now()
            v = (leaving[place[goal.city]] - leaving[place[city]]).mean(0)
            with restored(matrix := model.adapter.matrix(layer, "mlp_out")) as W:
                outcomes = []
                for C in metrics:
                    matrix.write(W + association(keys[place[city]], C, v).to(W))
                    outcomes.append(asked.now())
            after, apart = outcomes
            i, j = countries.index(new), countries.index(old)
            kept, kept_apart = ((before[2:].argmax(1) == logits[2:].argmax(1)).tolist() for logits in outcomes)
            found.append(
                Rewritten(
                    city=city,
                    old=fact.country,
                    new=goal.country,
                    before=bool(before[0, i] > before[0, j]),
                    asked=bool(after[0, i] > after[0, j]),
                    at_start=bool(after[1, i] > after[1, j]),
                    kept=sum(kept) / len(kept),
                    neighbours=[k for k, other in zip(kept, tried, strict=True) if facts[other][1] == old],
                    asked_apart=bool(apart[0, i] > apart[0, j]),
                    kept_apart=sum(kept_apart) / len(kept_apart),
                    likeliest=int(after[0].argmax()) == i,
                    likeliest_at_start=int(after[1].argmax()) == i,
                    likeliest_before=int(before[0].argmax()) == j,
                )
            )
            line.advance()
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """Texts and what of the model below an edited block is needed to ask for their next token among `tokens`."""

    model: LanguageModel
    layer: int
    tokens: list[int]
    batches: list[tuple[Tensor, Tensor]]
    entering: Tensor
    shapes: tuple[tuple[int, int], ...]

    @staticmethod
    def of(model: LanguageModel, texts: Sequence[str], layer: int, tokens: list[int]) -> "Asked":
        """Run the blocks below `layer`."""
        batches = batches_of([Prompt(tokens=tuple(model.prompt_tokens(text)), watch=(0,)) for text in texts])
        streams = streams_entering(model.adapter, [rows for _, rows in batches], [layer])
        return Asked(
            model=model,
            layer=layer,
            tokens=tokens,
            batches=batches,
            entering=streams.entering[layer],
            shapes=streams.shapes,
        )

    def now(self) -> Float[Tensor, "n k"]:
        """Each text's logits of the tokens, with the blocks from `layer` on as they are."""
        adapter = self.model.adapter
        ends = adapter.run_many(self.entering, self.shapes, start=self.layer, last_only=True)
        order = torch.cat([which for which, _ in self.batches]).argsort()
        return adapter.logits(ends).float().cpu()[order][:, self.tokens]


def spread_over(cities: Sequence[str], count: int) -> list[str]:
    """At most `count` of the cities, evenly spread."""
    n = min(count, len(cities))
    return [cities[i * len(cities) // n] for i in range(n)]


def half_B_cities(model: LanguageModel, per_template: int) -> list[str]:
    """The cities of half B, in the order of the list."""
    asked = {p.tokens for p in half_B(model, per_template) if p.group == "facts"}
    facts = [fact for fact, _ in one_token_facts(model.encode_next)]
    return [fact.city for fact in facts if tuple(model.prompt_tokens(AT_START.format(city=fact.city))) in asked]


def _another(fact: Fact, facts: Sequence[Fact], generator: Generator) -> Fact:
    """A city of another country: the country drawn at random, then one of its cities."""
    countries = sorted({other.country for other in facts if other.country != fact.country})
    country = countries[int(torch.randint(len(countries), (1,), generator=generator))]
    own = [other for other in facts if other.country == country]
    return own[int(torch.randint(len(own), (1,), generator=generator))]


def _at_the_end(model: LanguageModel, texts: Sequence[str], layer: int) -> tuple[Tensor, Tensor]:
    """At each text's last token, in float64: what block `layer`'s `mlp_out` reads, and the stream that leaves."""
    batches = batches_of([Prompt(tokens=tuple(model.prompt_tokens(text)), watch=(0,)) for text in texts])
    streams = streams_entering(model.adapter, [rows for _, rows in batches], [layer])
    with reading(model.adapter, layer, "mlp_out") as inputs:
        ends = model.adapter.run_many(
            streams.entering[layer], streams.shapes, start=layer, stop=layer + 1, last_only=True
        )
    order = torch.cat([which for which, _ in batches]).argsort()
    return inputs[0].flatten(0, -2).cpu().double()[order], ends.cpu().double()[order]


def _read_in(model: LanguageModel, tokens: Tensor, layer: int) -> Float[Tensor, "T d_in"]:
    """What block `layer`'s `mlp_out` reads at every token of a text, in float64."""
    adapter = model.adapter
    with reading(adapter, layer, "mlp_out") as inputs:
        adapter.run(adapter.embed(tokens.to(adapter.W_U.device)), stop=layer + 1)
    return inputs[0].flatten(0, -2).cpu().double()
