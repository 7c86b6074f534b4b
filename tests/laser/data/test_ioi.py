"""IOI prompts and their counterparts with three unrelated names, under tokenizers made for the test."""

import re
from collections import Counter
from collections.abc import Callable

import pytest
import torch

from mechbook.laser.data import ioi
from mechbook.laser.data.ioi import NAMES, PLACES, TEMPLATES, THINGS, one_token_names, sample_ioi


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def by_words(split: tuple[str, ...] = ()) -> tuple[Callable[[str], list[int]], dict[int, str]]:
    """A tokenizer of whole words with what stands before them, except that words in `split` are two tokens."""
    numbers: dict[str, int] = {}

    def encode(text: str) -> list[int]:
        found = []
        for piece in re.findall(r" ?\w+|[^\w\s]", text):
            parts = [piece[:2], piece[2:]] if piece.strip() in split else [piece]
            found += [numbers.setdefault(part, len(numbers) + 5) for part in parts]
        return found

    return encode, names_of(numbers)


class names_of(dict):  # type: ignore[type-arg]
    """A number's text, looked up late."""

    def __init__(self, numbers: dict[str, int]) -> None:
        self.numbers = numbers

    def __getitem__(self, number: int) -> str:
        return next(text for text, n in self.numbers.items() if n == number)


def test_every_template_is_balanced_and_its_positions_are_right() -> None:
    """Oracle: the prompt's text, parsed with a regular expression made from its template."""
    encode, text_of = by_words()
    groups = sample_ioi(encode, 6, generator(1))
    assert [group.template for group in groups] == list(TEMPLATES) and len(TEMPLATES) >= 10
    for group in groups:
        pattern = group.template.replace(".", r"\.")
        for slot, first in (("A", "A"), ("B", "B"), ("S", "S"), ("P", "P"), ("O", "O")):
            pattern = pattern.replace("{" + slot + "}", rf"(?P<{first}>\w+)")
        assert int(group.is_ABBA.sum()) == 3
        for i, text in enumerate(group.texts):
            assert (found := re.fullmatch(pattern, text)) is not None
            A, B, S = found["A"], found["B"], found["S"]
            assert A != B and found["P"] in PLACES and found["O"] in THINGS
            assert group.tokens[i].tolist() == encode(text)
            assert bool(group.is_ABBA[i]) == (S == B)
            IO = A if S == B else B
            assert (text_of[int(group.IO[i])], text_of[int(group.S[i])]) == (f" {IO}", f" {S}")
            row = [text_of[int(token)].strip() for token in group.tokens[i]]
            assert row[int(group.IO_at[i])] == IO and row.count(IO) == 1
            places = [place for place, word in enumerate(row) if word == S]
            assert [int(group.S1_at[i]), int(group.S2_at[i])] == places
            assert row[-1] == "to"


def test_the_counterpart_differs_in_its_three_names_alone() -> None:
    """Oracle: the prompt with the tokens at its three name positions covered."""
    encode, text_of = by_words()
    for group in sample_ioi(encode, 4, generator(2)):
        for i in range(4):
            at = [int(group.IO_at[i]), int(group.S1_at[i]), int(group.S2_at[i])]
            names = [text_of[int(group.abc[i, place])].strip() for place in at]
            assert len(set(names)) == 3 and set(names) <= set(NAMES)
            covered = [group.tokens[i].clone(), group.abc[i].clone()]
            for row in covered:
                row[at] = -1
            assert torch.equal(*covered)


def test_names_that_are_split_are_not_used() -> None:
    """Oracle: the names left over; an error that says why where none are."""
    encode, _ = by_words(split=("Mary", "John", "Tom"))
    assert set(one_token_names(encode)) == set(NAMES) - {"Mary", "John", "Tom"}
    used = {name for group in sample_ioi(encode, 20, generator(3)) for text in group.texts for name in text.split()}
    assert not used & {"Mary", "John", "Tom"} and len(used & set(NAMES)) > 40
    with pytest.raises(ValueError, match="of the 70 names 0 are one token"):
        sample_ioi(lambda text: [1, *encode(text)], 2, generator(4))
    with pytest.raises(ValueError, match="of the 10 places 0 are one token"):
        sample_ioi(by_words(split=PLACES)[0], 2, generator(4))


def test_names_are_drawn_uniformly() -> None:
    """Oracle: the binomial distribution, to 4.5 standard errors, for the giving and the receiving name."""
    encode, text_of = by_words()
    group = sample_ioi(encode, 3000, generator(5), templates=TEMPLATES[:1])[0]
    p = 1 / len(NAMES)
    for which in (group.IO, group.S):
        counts = Counter(text_of[token].strip() for token in which.tolist())
        assert all(abs(counts[name] - 3000 * p) < 4.5 * (3000 * p * (1 - p)) ** 0.5 for name in NAMES)


def test_bad_requests_are_refused() -> None:
    """Oracle: the sentences."""
    encode, _ = by_words()
    for number in (0, 3, -2):
        with pytest.raises(ValueError, match="must be even, 2 or more"):
            sample_ioi(encode, number, generator(6))

    def uneven(text: str) -> list[int]:
        return encode(text) + [1] * (len(text.split()) > 3 and "store" in text)

    with pytest.raises(ValueError, match="where one length is wanted"):
        sample_ioi(uneven, 30, generator(7))

    def joined(text: str) -> list[int]:
        return encode(text if len(text.split()) == 1 else text.replace(" and ", "and"))

    with pytest.raises(ValueError, match="does not keep each name"):
        sample_ioi(joined, 2, generator(8), templates=TEMPLATES[:1])


def test_words_within_a_sentence_may_have_tokens_of_their_own() -> None:
    """A tokenizer that puts a space in front of every text. Oracle: the same draws with one that does not."""
    encode, _ = by_words()

    def spaced(text: str) -> list[int]:
        return [10**6, *encode(text)] if text.startswith(" ") else encode(text)

    with pytest.raises(ValueError, match="0 are one token"):
        sample_ioi(spaced, 4, generator(9))
    found = sample_ioi(spaced, 4, generator(9), encode_next=encode)
    for group, expected in zip(found, sample_ioi(encode, 4, generator(9)), strict=True):
        assert torch.equal(group.tokens, expected.tokens) and torch.equal(group.IO, expected.IO)


def test_the_names_are_distinct() -> None:
    """Oracle: a set."""
    assert len(set(NAMES)) == len(NAMES) == 70 and ioi.TEMPLATES == TEMPLATES
