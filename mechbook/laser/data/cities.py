"""Cities and the countries they are in: the facts of "<city> is located in" (Chen et al. Table 1).

Checked by hand: each city is far better known than its namesakes elsewhere, and each country's name is one word that
takes no article, so that the sentence can go on with it.
"""

import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# a tokenizer as data sees it: text to token ids, nothing added in front
Encode = Callable[[str], list[int]]

PROMPT = "{city} is located in"
# the longer prompt that makes truncation unnecessary (Chen et al. section 3)
LONGER_PROMPT = "{city} is located in the country of"


@dataclass(frozen=True)
class Fact:
    """A city and its country, such as Fact("Madrid", "Spain")."""

    city: str
    country: str

    def prompt(self, template: str = PROMPT) -> str:
        """The sentence up to the country: "Madrid is located in"."""
        return template.format(city=self.city)


@cache
def load_facts() -> tuple[Fact, ...]:
    """All facts, by country."""
    with open(Path(__file__).parent / "cities.csv", encoding="utf-8", newline="") as file:
        return tuple(Fact(row["city"], row["country"]) for row in csv.DictReader(file))


def one_token_facts(encode: Encode, facts: Iterable[Fact] | None = None) -> tuple[tuple[Fact, int], ...]:
    """The facts whose country, after a space, is one token of the tokenizer, each with that token.

    `encode` turns text into token ids without special tokens. Raises ValueError where no country is one token.
    """
    found = []
    for fact in load_facts() if facts is None else facts:
        tokens = encode(f" {fact.country}")
        if len(tokens) == 1:
            found.append((fact, tokens[0]))
    if not found:
        raise ValueError("no country is one token of this tokenizer: check that it adds no special tokens.")
    return tuple(found)
