"""Indirect object identification (Wang et al. 2022): who is given something, when two names are there and one gives.

    When Mary and John went to the store, John gave a drink to ...    Mary (IO), not John (S)

In order ABBA the name that should follow comes first, as above; in BABA the other one does. The counterpart pABC has
the same sentence with three unrelated names: nothing in it tells which name should follow.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Generator, Tensor

# a tokenizer as data sees it: text to token ids, nothing added in front
Encode = Callable[[str], list[int]]

# {A} and {B} are the names in order, {S} the one that gives, {P} a place, {O} a thing; all stand after a space.
TEMPLATES = (
    "When {A} and {B} went to the {P}, {S} gave a {O} to",
    "After {A} and {B} left the {P}, {S} handed a {O} to",
    "While {A} and {B} were waiting at the {P}, {S} offered a {O} to",
    "Because {A} and {B} had met at the {P} before, {S} brought a {O} to",
    "Yesterday {A} and {B} had lunch near the {P}, and {S} showed a {O} to",
    "Once {A} and {B} were back from the {P}, {S} passed a {O} to",
    "As soon as {A} and {B} came home from the {P}, {S} gave a {O} to",
    "The day {A} and {B} first talked at the {P}, {S} lent a {O} to",
    "Last week {A} and {B} were at the {P}. Before they left, {S} sold a {O} to",
    "Our friends {A} and {B} found a {O} at the {P}. In the end {S} gave it to",
)
PLACES = ("store", "park", "school", "garden", "office", "hospital", "station", "beach", "library", "market")
THINGS = ("drink", "book", "gift", "ring", "ball", "key", "letter", "card", "map", "coat")
NAMES = tuple(
    "Adam Alex Alice Amy Andrew Anna Anthony Barbara Ben Bob Brian Charles Chris Daniel David Elizabeth Emily Emma "
    "Eric Frank George Helen Henry Jack James Jane Jason Jennifer Jessica Jim Joe John Julia Karen Kate Kelly Kevin "
    "Laura Linda Lisa Lucy Luke Maria Mark Martin Mary Matthew Max Michael Mike Nick Paul Peter Rachel Richard Robert "
    "Ruth Ryan Sam Sarah Scott Simon Sophie Steven Susan Thomas Tim Tom Victoria William".split()
)


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """A sentence up to "to", its counterpart pABC, the name that should follow and the one that gives."""

    text: str
    abc: str
    IO: str
    S: str


@dataclass(frozen=True, kw_only=True, eq=False)
class IOIPrompts:
    """n prompts of one template, all T tokens long, up to the "to" at the last position (END).

    tokens, abc: the prompts and their counterparts pABC, of the same place and thing
    IO, S: the tokens of the name that should follow and of the one that gives
    IO_at, S1_at, S2_at: the positions of IO and of both occurrences of S
    is_ABBA: where IO comes first
    """

    template: str
    texts: tuple[str, ...]
    tokens: Int[Tensor, "n T"]
    abc: Int[Tensor, "n T"]
    IO: Int[Tensor, "n"]
    S: Int[Tensor, "n"]
    IO_at: Int[Tensor, "n"]
    S1_at: Int[Tensor, "n"]
    S2_at: Int[Tensor, "n"]
    is_ABBA: Bool[Tensor, "n"]


def one_token_names(encode: Encode, names: Sequence[str] = NAMES) -> dict[str, int]:
    """The names that are one token of the tokenizer after a space, with that token.

    Raises ValueError where fewer than three are, as no prompt can then be made.
    """
    return _one_token(encode, names, "names", at_least=3)


def sample_ioi(
    encode: Encode,
    per_template: int,
    generator: Generator,
    *,
    templates: Sequence[str] = TEMPLATES,
    start: Sequence[int] = (),
    encode_next: Encode | None = None,
) -> list[IOIPrompts]:
    """Draw prompts, `per_template` of each template, half of them in each order; names differ within a prompt.

    `encode` turns text into token ids without special tokens; `start` stand in front. `encode_next` does it for a word
    with a space before it, within a sentence, where that differs. ValueError for an odd or
    non-positive `per_template`, a tokenizer that splits the names, places or things, and one that makes of a template
    prompts of different lengths.
    """
    if per_template < 2 or per_template % 2:
        raise ValueError(f"per_template is {per_template}; it must be even, 2 or more, for as many ABBA as BABA.")
    word = encode if encode_next is None else encode_next
    names = one_token_names(word)
    places = _one_token(word, PLACES, "places", at_least=1)
    things = _one_token(word, THINGS, "things", at_least=1)
    return [
        _of_template(encode, text, per_template, names, list(places), list(things), generator, start)
        for text in templates
    ]


def draw_sentence(
    template: str,
    is_ABBA: bool,
    names: Sequence[str],
    places: Sequence[str],
    things: Sequence[str],
    generator: Generator,
) -> Sentence:
    """One sentence of a template, with its counterpart pABC."""
    A, B = (names[i] for i in _distinct(len(names), 2, generator))
    first, second, third = (names[i] for i in _distinct(len(names), 3, generator))
    P, thing = places[_below(len(places), generator)], things[_below(len(things), generator)]
    IO, S = (A, B) if is_ABBA else (B, A)
    return Sentence(
        text=template.format(A=A, B=B, S=S, P=P, O=thing),
        abc=template.format(A=first, B=second, S=third, P=P, O=thing),
        IO=IO,
        S=S,
    )


def _of_template(
    encode: Encode,
    template: str,
    n: int,
    names: dict[str, int],
    places: list[str],
    things: list[str],
    generator: Generator,
    start: Sequence[int],
) -> IOIPrompts:
    spelled = list(names)
    drawn = [draw_sentence(template, number % 2 == 0, spelled, places, things, generator) for number in range(n)]
    texts, IO, S = [each.text for each in drawn], [names[each.IO] for each in drawn], [names[each.S] for each in drawn]
    tokens, abc = (_same_length(encode, template, rows, start) for rows in (texts, [each.abc for each in drawn]))
    to_IO, to_S = (tokens == torch.tensor(which).unsqueeze(1) for which in (IO, S))
    if not (bool((to_IO.sum(1) == 1).all()) and bool((to_S.sum(1) == 2).all()) and tokens.shape == abc.shape):
        raise ValueError(f"in {template!r} the tokenizer does not keep each name as one token of its own.")
    is_ABBA = torch.arange(n) % 2 == 0
    return IOIPrompts(
        template=template,
        texts=tuple(texts),
        tokens=tokens,
        abc=abc,
        IO=torch.tensor(IO),
        S=torch.tensor(S),
        IO_at=to_IO.int().argmax(1),
        S1_at=to_S.int().argmax(1),
        S2_at=tokens.shape[1] - 1 - to_S.flip(1).int().argmax(1),
        is_ABBA=is_ABBA,
    )


def _one_token(encode: Encode, words: Sequence[str], kind: str, *, at_least: int) -> dict[str, int]:
    found = {word: tokens[0] for word in words if len(tokens := encode(f" {word}")) == 1}
    if len(found) < at_least:
        raise ValueError(
            f"of the {len(words)} {kind} {len(found)} are one token of this tokenizer, where {at_least} are needed: "
            "check that it adds no special tokens."
        )
    return found


def _same_length(encode: Encode, template: str, texts: list[str], start: Sequence[int]) -> Int[Tensor, "n T"]:
    rows = [[*start, *encode(text)] for text in texts]
    if len(lengths := sorted({len(row) for row in rows})) > 1:
        raise ValueError(f"{template!r} gives prompts of {lengths} tokens, where one length is wanted.")
    return torch.tensor(rows)


def _distinct(size: int, count: int, generator: Generator) -> list[int]:
    chosen: list[int] = torch.randperm(size, generator=generator)[:count].tolist()
    return chosen


def _below(size: int, generator: Generator) -> int:
    return int(torch.randint(size, (1,), generator=generator))
