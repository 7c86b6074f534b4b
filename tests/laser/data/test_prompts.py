"""Facts about cities, prepositions, and the control text."""

import csv
import re
from pathlib import Path

import pytest

from mechbook.laser.data import cities, control, prepositions
from mechbook.laser.data.cities import Fact, load_facts, one_token_facts
from mechbook.laser.data.prepositions import PREPOSITIONS, SENTENCES


def test_there_are_sixty_cities_each_once_in_a_country_of_one_word() -> None:
    """Oracle: the file, read by itself; sets and counts."""
    with open(Path(cities.__file__).with_name("cities.csv"), encoding="utf-8") as file:
        rows = [(row["city"], row["country"]) for row in csv.DictReader(file)]
    facts = load_facts()
    assert [(fact.city, fact.country) for fact in facts] == rows
    assert len(rows) >= 60 and len({city for city, _ in rows}) == len(rows)
    assert all(re.fullmatch(r"[A-Z][a-z]+", word) for row in rows for word in row)
    assert not {city for city, _ in rows} & {country for _, country in rows}


def test_prompts_are_the_paper_s() -> None:
    """Oracle: Chen et al. Table 1 and section 3."""
    fact = Fact("Madrid", "Spain")
    assert fact in load_facts()
    assert fact.prompt() == "Madrid is located in"
    assert fact.prompt(cities.LONGER_PROMPT) == "Madrid is located in the country of"


def test_only_countries_of_one_token_are_kept_with_their_token() -> None:
    """Oracle: a tokenizer whose only whole words are Spain (7) and Peru (11), all else letter by letter."""
    whole = {" Spain": 7, " Peru": 11}
    kept = one_token_facts(lambda text: [whole[text]] if text in whole else [ord(c) for c in text])
    assert [(fact.city, token) for fact, token in kept] == [
        ("Madrid", 7), ("Barcelona", 7), ("Seville", 7), ("Bilbao", 7), ("Lima", 11)
    ]  # fmt: skip
    with pytest.raises(ValueError, match="no special tokens"):
        one_token_facts(lambda text: [1, 2])


def test_the_prepositions_are_those_of_the_appendix_and_end_forty_sentences() -> None:
    """Oracle: appendix F.1 as printed, typed again; each sentence's last word looked up there."""
    printed = """about above across after against along around at before behind below beneath beside between by during
    for from in inside into near of on over through to under with without"""
    assert list(PREPOSITIONS) == printed.split() and len(PREPOSITIONS) == 30
    assert len(set(SENTENCES)) == 40
    assert all(sentence.split()[-1] in PREPOSITIONS for sentence in SENTENCES)
    # spread over many of them, so that no single word decides the average
    assert len({sentence.split()[-1] for sentence in SENTENCES}) >= 25
    assert prepositions.__doc__ is not None


def test_the_control_text_is_of_the_wanted_length() -> None:
    """Oracle: a count of words; about 300 tokens or more of any tokenizer."""
    text = control.control_text()
    assert 280 <= len(text.split()) <= 400 and text.count("\n\n") == 3
    assert text.isascii()
