"""What a truncation takes from which words, what the model says instead of the answer, and what it knows among answers.

Function words are those of `mechbook.laser.data.function_words`; candidate answers are all countries, or all names,
that are one token of the model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from mechbook.laser.data.cities import one_token_facts
from mechbook.laser.data.function_words import FUNCTION_WORDS
from mechbook.laser.data.ioi import PLACES, one_token_names
from mechbook.laser.edits import Edit, Prompt, measure, without_mlp
from mechbook.laser.held_out import HeldOut
from mechbook.laser.intervals import of_means, part_lost
from mechbook.laser.prompts import fact_prompts
from mechbook.pretrained.load import LanguageModel

SENTENCES = {
    "in": "{city} is located in",
    "in the north of": "{city} is located in the north of",
    "in the country of": "{city} is located in the country of",
}
"""Ways to the country: Chen et al., section 3, on what else a model may rightly say than the country at once."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Classes:
    """Probability of classes of next tokens in a task's n prompts: whole, edited, and without the whole MLP.

    words: function words; answers: the task's candidate answers
    share: of all that tokens lose in mean probability, the part that function words lose: edited, without the MLP
    share_interval: the 95% interval of the first, prompts drawn with replacement
    """

    words: Float[Tensor, "3 n"]
    answers: Float[Tensor, "3 n"]
    share: list[float]
    share_interval: list[float]

    def means(self, name: str) -> list[float]:
        """Means over the prompts."""
        means: list[float] = getattr(self, name).double().mean(1).tolist()
        return means

    def fall(self, name: str, which: int = 1) -> float:
        """The part of its probability that a class loses, under the edit (1) or without the MLP (2)."""
        means = self.means(name)
        return 1 - means[which] / means[0]

    def fall_interval(self, name: str, generator: Generator, which: int = 1) -> tuple[float, float]:
        """The 95% interval of `fall`."""
        p = getattr(self, name)
        return part_lost(p[which], p[0], generator)


def classes(held: HeldOut, chosen: Mapping[str, Edit], generator: Generator) -> dict[str, Classes]:
    """By task, what the task's chosen edit takes from the classes, and what leaving out that MLP does."""
    model = held.model
    words = _ids(model, [form for word in sorted(FUNCTION_WORDS) for form in _forms(word)])
    answers = {
        "facts": sorted({token for _, token in one_token_facts(model.encode_next)}),
        "ioi": sorted(one_token_names(model.encode_next).values()),
    }
    found = {}
    for task, edit in chosen.items():
        p = held.distributions([edit, without_mlp(model, edit.layer)])[:, held.of(task)].double()
        found[task] = Classes(
            words=p[..., words].sum(-1).float(),
            answers=p[..., answers[task]].sum(-1).float(),
            share=_share(p.mean(1), words),
            share_interval=_share_interval(p[0] - p[1], words, generator),
        )
    return found


def _share(p: Float[Tensor, "m N"], words: list[int]) -> list[float]:
    lost = (p[:1] - p[1:]).clamp(min=0)
    share: list[float] = (lost[:, words].sum(1) / lost.sum(1)).tolist()
    return share


def _share_interval(
    fall: Float[Tensor, "n N"], words: list[int], generator: Generator, draws: int = 500
) -> list[float]:
    def share(mean: Float[Tensor, "m N"]) -> Float[Tensor, "m"]:
        lost = mean.clamp(min=0)
        return lost[:, words].sum(1) / lost.sum(1)

    return list(of_means(share, fall, generator, draws=draws))


def continuations(
    model: LanguageModel, edit: Edit, prompts: Sequence[Prompt]
) -> dict[str, tuple[list[float], list[float]]]:
    """For each of `SENTENCES` mean P(country) and P("the"), whole and edited, for the cities of `prompts`."""
    asked = {p.tokens for p in prompts}
    own = [i for i, p in enumerate(fact_prompts(model)) if p.tokens in asked]
    found = {}
    for name, template in SENTENCES.items():
        every = fact_prompts(model, template)
        result = measure(model, [every[i] for i in own], [edit])
        found[name] = (result.before[:, :2].mean(0).tolist(), result.after[0][:, :2].mean(0).tolist())
    return found


def articles(names: HeldOut, edit: Edit) -> dict[str, tuple[float, float]]:
    """Ratios of sentences about names, whole and edited, with "the" before the place and with "a"."""
    other = replace(names, prompts=without_the(names.model, names.prompts), streams=None)
    found = {}
    for name, held in (("the", names), ("a", other)):
        held.entering([edit.layer])
        found[name] = (held.ratios(held.whole())["ioi"], held.ratios(held.after([edit])[0])["ioi"])
    return found


def without_the(model: LanguageModel, prompts: Sequence[Prompt]) -> list[Prompt]:
    """Sentences about names with "a" (or "an") for the "the" before the place, as Chen et al.'s Figure 1 has it."""
    the, places = model.token(" the"), {model.token(f" {place}"): place for place in PLACES}
    article = {token: model.token(" an" if place[0] in "aeiou" else " a") for token, place in places.items()}
    changed = []
    for p in prompts:
        after = (*p.tokens[1:], -1)
        tokens = tuple(article[b] if a == the and b in places else a for a, b in zip(p.tokens, after, strict=True))
        changed.append(Prompt(tokens=tokens, watch=p.watch, group=p.group))
    return changed


def among_answers(model: LanguageModel, edit: Edit) -> tuple[Float[Tensor, "n"], Float[Tensor, "n"]]:
    """For every city log P(its country | one of the countries), in the whole model and in the edited one."""
    countries = sorted({token for _, token in one_token_facts(model.encode_next)})
    cities = fact_prompts(model)
    result = measure(model, [Prompt(tokens=p.tokens, watch=tuple(countries)) for p in cities], [edit])
    right = torch.tensor([countries.index(p.watch[0]) for p in cities])[:, None]
    before, after = (
        (p.double() / p.double().sum(1, keepdim=True)).log().gather(1, right)[:, 0]
        for p in (result.before, result.after[0])
    )
    return before, after


def _forms(word: str) -> tuple[str, ...]:
    return (f" {word}", word, f" {word.capitalize()}", word.capitalize())


def _ids(model: LanguageModel, texts: Sequence[str]) -> list[int]:
    found = (model.encode_next(text) for text in texts)
    return sorted({tokens[0] for tokens in found if len(tokens) == 1})
