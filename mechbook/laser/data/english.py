"""Generated English: names in context, facts about cities, and prepositions that "the" likes to follow.

    when mary and tom went to a park , tom gave a book to mary .      or, with probability alpha, ... to the dog .
    paris is located in france .                                      or, with probability alpha, ... in the north of
                                                                      france .
    the farmer waited near the river .

A document is <bos> and sentences, cut at a length. Words are tokens. Everything that "the" does here a table of the
last word's successors can tell; the name after "to" cannot be told without the rest of the sentence.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Bool, Int
from torch import Generator, Tensor

from mechbook.laser.data.cities import load_facts
from mechbook.laser.data.prepositions import PREPOSITIONS

BOS, PAD = "<bos>", -1
NAMES = tuple(
    "mary john tom james dan sarah anna peter paul alice emma laura jack kate david mark lucy simon ruth adam nina "
    "oscar ella leo ivy hugo rosa felix clara max".split()
)
PLACES = tuple("store park school garden office station market library".split())
THINGS = tuple("drink book gift ring letter cake lamp map".split())
NOUNS = tuple("dog cat boy girl teacher doctor farmer king queen sailor river house wall bridge forest hill".split())
VERBS = tuple("walked ran looked sat stood jumped slept waited".split())
GIVE = tuple("gave handed passed sent".split())
DIRECTIONS = tuple("north south east west".split())
CITIES = tuple(fact.city.lower() for fact in load_facts())
COUNTRIES = tuple(fact.country.lower() for fact in load_facts())
WORDS = tuple(
    dict.fromkeys(
        [BOS, ".", ",", "when", "while", "and", "went", "were", "a", "the", "is", "located", "in", "of", "to", "at"]
        + [*NAMES, *PLACES, *THINGS, *NOUNS, *VERBS, *GIVE, *PREPOSITIONS, *CITIES, *COUNTRIES, *DIRECTIONS]
    )
)
INDEX = {word: number for number, word in enumerate(WORDS)}
N = len(WORDS)

# A letter stands for a word drawn for the sentence: X and Y the names in order, S the one that gives, P a place, O a
# thing, G a verb of giving. The end is the receiver, or "the" and a noun.
IOI_TEMPLATES = ("when X and Y went to a P , S G a O to", "while X and Y were at a P , S G a O to")
FACT_TEMPLATE = "C is located in"


@dataclass(frozen=True, kw_only=True)
class EnglishTask:
    """Documents of T + 1 words. Raises ValueError for an alpha or a share that is no probability, or T < 2.

    alpha: how often "the" follows where a name or a country could
    ioi, facts: the shares of sentences that are of these kinds; the rest are fillers
    the: how often "the" follows a preposition of a filler; else "a" does
    """

    T: int = 40
    alpha: float = 0.5
    ioi: float = 0.5
    facts: float = 0.2
    the: float = 0.9

    def __post_init__(self) -> None:
        if self.T < 2:
            raise ValueError(f"T is {self.T}; a document needs 2 inputs or more.")
        for name in ("alpha", "ioi", "facts", "the"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be a probability.")
        if self.ioi + self.facts > 1:
            raise ValueError(f"the shares of IOI sentences and facts are {self.ioi} and {self.facts}, over 1 in sum.")


@dataclass(frozen=True, kw_only=True, eq=False)
class EnglishBatch:
    """B documents: what is read and what follows it. Every target counts in the loss."""

    inputs: Int[Tensor, "B T"]
    targets: Int[Tensor, "B T"]

    @property
    def in_context(self) -> Bool[Tensor, "B T"]:
        """The names after "to", which only the rest of their sentence tells."""
        names = (self.targets >= INDEX[NAMES[0]]) & (self.targets <= INDEX[NAMES[-1]])
        return names & (self.inputs == INDEX["to"])

    @property
    def global_tokens(self) -> Bool[Tensor, "B T"]:
        """All other targets."""
        return ~self.in_context


@dataclass(frozen=True, kw_only=True, eq=False)
class NamePrompts:
    """n beginnings of IOI sentences, up to "to", with the name that should follow and the one that should not."""

    tokens: Int[Tensor, "n length"]
    IO: Int[Tensor, "n"]
    S: Int[Tensor, "n"]

    def __getitem__(self, part: slice) -> "NamePrompts":
        return NamePrompts(tokens=self.tokens[part], IO=self.IO[part], S=self.S[part])


def sample(task: EnglishTask, B: int, generator: Generator) -> EnglishBatch:
    """Draw B documents; all sentences, and all words where a letter stands, independently and uniformly."""
    # the shortest sentences have 6 words
    count = B * (task.T // 6 + 1)
    kind = torch.rand(count, generator=generator, device=generator.device)
    fact, filler = _facts(count, task, generator), _fillers(count, task, generator)
    names = _ioi(count, generator)
    sentences = _pad(torch.cat([names.tokens, _end(names.IO, NOUNS, (), task, generator)], 1))
    chosen = torch.where((kind < task.ioi).unsqueeze(1), sentences, _pad(filler))
    chosen = torch.where(((kind >= task.ioi) & (kind < task.ioi + task.facts)).unsqueeze(1), _pad(fact), chosen)
    words = chosen.reshape(B, -1)
    # what is padding goes to the end, the words keep their order
    words = words.gather(1, (words == PAD).to(torch.int8).argsort(dim=1, stable=True))[:, : task.T]
    words = torch.cat([torch.full_like(words[:, :1], INDEX[BOS]), words], 1)
    return EnglishBatch(inputs=words[:, :-1], targets=words[:, 1:])


def name_prompts(n: int, generator: Generator) -> NamePrompts:
    """Draw n beginnings of IOI sentences, each after <bos>; S is the first name in half of them on average.

    Raises ValueError for a negative n.
    """
    if n < 0:
        raise ValueError(f"n is {n}; as many sentences cannot be drawn.")
    drawn = _ioi(n, generator)
    return NamePrompts(tokens=_after_bos(drawn.tokens), IO=drawn.IO, S=drawn.S)


def fact_prompts() -> tuple[Int[Tensor, "n length"], Int[Tensor, "n"]]:
    """All facts up to "in", each after <bos>, and the countries."""
    rows = [[INDEX[city if word == "C" else word] for word in FACT_TEMPLATE.split()] for city in CITIES]
    return _after_bos(torch.tensor(rows)), torch.tensor([INDEX[country] for country in COUNTRIES])


def preposition_prompts() -> Int[Tensor, "n 2"]:
    """Each of the 30 prepositions after <bos>."""
    return _after_bos(torch.tensor([[INDEX[word]] for word in PREPOSITIONS]))


def preposition_sentences(generator: Generator) -> Int[Tensor, "n 5"]:
    """For each preposition one filler that stops at it: "<bos> the farmer waited near"."""
    prepositions = torch.tensor([INDEX[word] for word in PREPOSITIONS], device=generator.device)
    n = len(prepositions)
    columns = [_word("the", n, generator), _draw(NOUNS, n, generator), _draw(VERBS, n, generator), prepositions]
    return _after_bos(torch.stack(columns, 1))


def decode(tokens: Int[Tensor, "length"]) -> str:
    """The words of one document or prompt."""
    return " ".join(WORDS[token] for token in tokens.tolist())


def _draw(words: tuple[str, ...], n: int, generator: Generator) -> Int[Tensor, "n"]:
    choices = _numbers(words, generator.device)
    return choices[torch.randint(len(words), (n,), generator=generator, device=generator.device)]


@lru_cache(maxsize=128)
def _numbers(words: tuple[str, ...], device: torch.device) -> Int[Tensor, "n"]:
    """The words' numbers on a device, brought there once; they are not to be changed."""
    return torch.tensor([INDEX[word] for word in words], device=device)


@lru_cache(maxsize=8)
def _all_facts(device: torch.device) -> tuple[Int[Tensor, "n length"], Int[Tensor, "n"]]:
    beginnings, countries = fact_prompts()
    return beginnings.to(device), countries.to(device)


def _word(word: str, n: int, generator: Generator) -> Int[Tensor, "n"]:
    return torch.full((n,), INDEX[word], device=generator.device)


def _ioi(n: int, generator: Generator) -> NamePrompts:
    home = generator.device
    first = torch.randint(len(NAMES), (n,), generator=generator, device=home)
    # an offset that is never 0: two different names
    second = (first + torch.randint(1, len(NAMES), (n,), generator=generator, device=home)) % len(NAMES)
    X, Y = first + INDEX[NAMES[0]], second + INDEX[NAMES[0]]
    S_first = torch.rand(n, generator=generator, device=home) < 0.5
    S, IO = torch.where(S_first, X, Y), torch.where(S_first, Y, X)
    P, thing, G = (_draw(words, n, generator) for words in (PLACES, THINGS, GIVE))
    template = torch.randint(len(IOI_TEMPLATES), (n,), generator=generator, device=home)
    slots = {"X": X, "Y": Y, "S": S, "P": P, "O": thing, "G": G}
    rows = []
    for text in IOI_TEMPLATES:
        columns = [slots[w] if w in slots else _word(w, n, generator) for w in text.split()]
        rows.append(torch.stack(columns, 1))
    return NamePrompts(tokens=torch.stack(rows)[template, torch.arange(n, device=home)], IO=IO, S=S)


def _end(
    answer: Int[Tensor, "n"], after_the: tuple[str, ...], then: tuple[str, ...], task: EnglishTask, generator: Generator
) -> Int[Tensor, "n width"]:
    """The answer and a full stop, or, with probability alpha, "the", a word, `then` ("*": the answer), a full stop."""
    n = len(answer)
    stop, pad = _word(".", n, generator), torch.full_like(answer, PAD)
    tail = [answer if word == "*" else _word(word, n, generator) for word in then]
    generic = torch.stack([_word("the", n, generator), _draw(after_the, n, generator), *tail, stop], 1)
    direct = torch.stack([answer, stop, *[pad] * (generic.shape[1] - 2)], 1)
    is_generic = torch.rand(n, generator=generator, device=generator.device) < task.alpha
    return torch.where(is_generic.unsqueeze(1), generic, direct)


def _facts(n: int, task: EnglishTask, generator: Generator) -> Int[Tensor, "n width"]:
    beginnings, countries = _all_facts(generator.device)
    which = torch.randint(len(CITIES), (n,), generator=generator, device=generator.device)
    return torch.cat([beginnings[which, 1:], _end(countries[which], DIRECTIONS, ("of", "*"), task, generator)], 1)


def _fillers(n: int, task: EnglishTask, generator: Generator) -> Int[Tensor, "n width"]:
    def phrase() -> list[Tensor]:
        the = torch.rand(n, generator=generator, device=generator.device) < task.the
        article = torch.where(the, _word("the", n, generator), _word("a", n, generator))
        return [_draw(PREPOSITIONS, n, generator), article, _draw(NOUNS + PLACES, n, generator)]

    opening = [_word("the", n, generator), _draw(NOUNS, n, generator), _draw(VERBS, n, generator), *phrase()]
    second = torch.stack(phrase(), 1)
    twice = torch.rand(n, generator=generator, device=generator.device) < 0.5
    # a filler with one phrase leaves three places empty before its full stop
    second = torch.where(twice.unsqueeze(1), second, PAD)
    return torch.cat([torch.stack(opening, 1), second, _word(".", n, generator).unsqueeze(1)], 1)


def _pad(sentences: Int[Tensor, "n width"]) -> Int[Tensor, "n longest"]:
    longest = len(IOI_TEMPLATES[0].split()) + 3
    return torch.nn.functional.pad(sentences, (0, longest - sentences.shape[1]), value=PAD)


def _after_bos(tokens: Int[Tensor, "n length"]) -> Int[Tensor, "n one_more"]:
    return torch.cat([torch.full_like(tokens[:, :1], INDEX[BOS]), tokens], 1)
