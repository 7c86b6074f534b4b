"""Generated English: sentences are those of its grammar, in the shares asked for."""

import math
import re
from collections import Counter

import pytest
import torch

from mechbook.laser.data import english
from mechbook.laser.data.cities import load_facts
from mechbook.laser.data.english import INDEX, NAMES, NOUNS, WORDS, EnglishTask, decode, name_prompts, sample
from mechbook.laser.data.prepositions import PREPOSITIONS


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


NAME, NOUN = "|".join(NAMES), "|".join(NOUNS)
THING, PLACE = "|".join(english.THINGS), "|".join(english.PLACES)
PHRASE = f"(?:{'|'.join(PREPOSITIONS)}) (?P<article%d>the|a) (?:{NOUN}|{PLACE})"
IOI = re.compile(
    rf"w(?:hen|hile) (?P<X>{NAME}) and (?P<Y>{NAME}) (?:went to|were at) a (?:{PLACE}) , (?P<S>{NAME}) "
    rf"(?:{'|'.join(english.GIVE)}) a (?:{THING}) to (?:(?P<name>{NAME})|the (?:{NOUN})) \."
)
FACT = re.compile(
    rf"(?P<city>\w+) is located in (?:(?P<direct>\w+)|the (?:{'|'.join(english.DIRECTIONS)}) of (?P<later>\w+)) \."
)
FILLER = re.compile(rf"the (?:{NOUN}) (?:{'|'.join(english.VERBS)}) {PHRASE % 1}(?: {PHRASE % 2})? \.")


def whole_sentences(task: EnglishTask, B: int, seed: int) -> list[str]:
    """All sentences of B documents but each document's first and last; the first is more often a short one."""
    batch = sample(task, B, generator(seed))
    sentences = []
    for row, following in zip(batch.inputs, batch.targets, strict=True):
        text = decode(torch.cat([row, following[-1:]]))
        assert text.startswith("<bos> ") and "<bos>" not in text[6:]
        pieces = re.findall(r"[^.]+\.", text[6:])
        sentences += [piece.strip() for piece in pieces]
    return sentences


def test_every_sentence_is_of_one_of_three_kinds_with_true_facts() -> None:
    """Oracle: a regular expression for each kind, and the list of facts."""
    countries = {fact.city.lower(): fact.country.lower() for fact in load_facts()}
    kinds: Counter[str] = Counter()
    for sentence in whole_sentences(EnglishTask(T=61), 60, 1):
        found = [
            (kind, m) for kind, p in (("ioi", IOI), ("fact", FACT), ("filler", FILLER)) if (m := p.fullmatch(sentence))
        ]
        assert len(found) == 1, sentence
        ((kind, m),) = found
        kinds[kind] += 1
        if kind == "fact":
            assert (m["direct"] or m["later"]) == countries[m["city"]]
        if kind == "ioi":
            assert m["X"] != m["Y"] and m["S"] in (m["X"], m["Y"])
            assert m["name"] in (None, ({m["X"], m["Y"]} - {m["S"]}).pop())
    assert min(kinds.values()) > 20


def test_probabilities_are_those_of_the_task() -> None:
    """Oracle: the binomial distribution, to 4.5 standard errors, in documents of one kind of sentences each."""
    for share, pattern, group in (
        ({"ioi": 1.0, "facts": 0.0}, IOI, "name"),
        ({"ioi": 0.0, "facts": 1.0}, FACT, "direct"),
    ):
        # documents of many sentences: those cut off at the end are few
        found = [
            m for s in whole_sentences(EnglishTask(T=397, alpha=0.3, **share), 40, 2) if (m := pattern.fullmatch(s))
        ]
        n = len(found)
        direct = sum(m[group] is not None for m in found)
        # a sentence with "the" is longer by 1 or 3 words: among those that end within T it is missed a little more
        assert abs(direct / n - 0.7) < 4.5 * math.sqrt(0.21 / n) + 1 / 20
    fillers = whole_sentences(EnglishTask(T=397, ioi=0.0, facts=0.0, the=0.75), 40, 3)
    articles = [m["article1"] for s in fillers if (m := FILLER.fullmatch(s))]
    assert abs(articles.count("the") / len(articles) - 0.75) < 4.5 * math.sqrt(0.1875 / len(articles))


def test_shares_of_the_kinds() -> None:
    """Oracle: the kinds of all sentences of long documents, the binomial distribution to 4.5 standard errors."""
    sentences = whole_sentences(EnglishTask(T=997, ioi=0.5, facts=0.2), 20, 4)
    n = len(sentences)
    for pattern, share in ((IOI, 0.5), (FACT, 0.2), (FILLER, 0.3)):
        count = sum(pattern.fullmatch(s) is not None for s in sentences)
        assert abs(count / n - share) < 4.5 * math.sqrt(share * (1 - share) / n) + 1 / 40


def test_targets_follow_inputs_and_in_context_ones_are_the_names_after_to() -> None:
    """Oracle: a loop over words."""
    batch = sample(EnglishTask(T=43), 30, generator(5))
    assert batch.inputs.shape == batch.targets.shape == (30, 43)
    assert torch.equal(batch.inputs[:, 1:], batch.targets[:, :-1])
    for read, told, here in zip(batch.inputs.tolist(), batch.targets.tolist(), batch.in_context.tolist(), strict=True):
        assert here == [WORDS[a] == "to" and WORDS[b] in NAMES for a, b in zip(read, told, strict=True)]
    assert torch.equal(batch.global_tokens, ~batch.in_context) and bool(batch.in_context.any())


def test_prompts_stop_where_the_answer_should_come() -> None:
    """Oracle: the beginnings of the regular expressions' sentences; the facts; the prepositions."""
    prompts = name_prompts(97, generator(6))
    S_first = 0
    for row, IO, S in zip(prompts.tokens, prompts.IO, prompts.S, strict=True):
        m = IOI.fullmatch(f"{decode(row[1:])} {WORDS[IO]} .")
        assert m is not None and m["S"] == WORDS[S] and {m["X"], m["Y"]} == {WORDS[IO], WORDS[S]}
        S_first += m["X"] == m["S"]
    assert abs(S_first - 48.5) < 4.5 * math.sqrt(97 / 4)
    part = prompts[:7]
    assert part.tokens.shape[0] == len(part.IO) == len(part.S) == 7
    tokens, countries = english.fact_prompts()
    assert [decode(row) for row in tokens] == [f"<bos> {f.city.lower()} is located in" for f in load_facts()]
    assert [WORDS[token] for token in countries] == [f.country.lower() for f in load_facts()]
    assert [decode(row) for row in english.preposition_prompts()] == [f"<bos> {word}" for word in PREPOSITIONS]
    sentences = [decode(row) for row in english.preposition_sentences(generator(7))]
    assert [s.split()[-1] for s in sentences] == list(PREPOSITIONS)
    assert all(FILLER.fullmatch(f"{s.removeprefix('<bos> ')} the dog .") for s in sentences)


def test_the_vocabulary_is_a_list_of_different_words() -> None:
    """Oracle: a set; names stand together, as `in_context` takes them to."""
    assert len(set(WORDS)) == len(WORDS) == english.N and 200 <= english.N <= 500
    assert [INDEX[name] - INDEX[NAMES[0]] for name in NAMES] == list(range(len(NAMES)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"T": 1}, "2 inputs or more"),
        ({"alpha": 1.1}, "alpha is 1.1; it must be a probability"),
        ({"the": -0.1}, "the is -0.1"),
        ({"ioi": 0.9, "facts": 0.2}, "over 1 in sum"),
    ],
)
def test_impossible_settings_are_refused(change: dict[str, float], words: str) -> None:
    """Oracle: the sentence."""
    with pytest.raises(ValueError, match=words):
        EnglishTask(**change)  # type: ignore[arg-type]
