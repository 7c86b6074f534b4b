"""Character counts of the tiny Shakespeare text: vocabulary, unigrams and bigrams (Birth section 3)."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

COUNTS_PATH = Path(__file__).with_name("tinyshakespeare_counts.json")


@dataclass(frozen=True, kw_only=True, eq=False)
class CharacterCounts:
    """How often each character, and each pair of neighbours, occurs in a text of `unigram.sum()` characters.

    `bigram[i, j]` counts character `i` directly followed by `j`; the vocabulary's order gives the token numbers.
    """

    vocabulary: str
    # axes of their own: sizes that do not fit are refused below, with a sentence
    unigram: Int[Tensor, "N"]
    bigram: Int[Tensor, "N_from N_to"]
    sha256_of_text: str

    def __post_init__(self) -> None:
        _check(self)

    @property
    def N(self) -> int:
        """Number of characters of the vocabulary."""
        return len(self.vocabulary)

    @property
    def pi_u(self) -> Float[Tensor, "N"]:
        """Unigram distribution, float64."""
        return self.unigram.double() / self.unigram.sum()

    @property
    def pi_b(self) -> Float[Tensor, "N N"]:
        """Bigram conditionals, float64: row `i` is the distribution of what follows `i`, and sums to 1."""
        return self.bigram.double() / self.bigram.sum(1, keepdim=True)


def load_counts(path: str | Path | None = None) -> CharacterCounts:
    """Read the counts from a JSON file (by default the package's own) and check that they fit together.

    Raises ValueError, naming the value, when unigrams do not sum to the recorded number of characters, bigrams not to
    one less, a row or column of the bigrams contradicts the unigrams, a shape is wrong or the text's SHA-256 is no
    SHA-256.
    """
    content = json.loads(Path(COUNTS_PATH if path is None else path).read_text(encoding="utf-8"))
    vocabulary = content["vocabulary"]
    unigram = torch.tensor(content["unigram"], dtype=torch.int64)
    rows = content["bigram"]
    if {len(row) for row in rows} != {len(vocabulary)}:
        lengths = sorted({len(row) for row in rows})
        raise ValueError(f"bigram rows have lengths {lengths}; each must have the vocabulary's {len(vocabulary)}.")
    if (total := int(unigram.sum())) != content["characters"]:
        raise ValueError(f"unigram counts sum to {total}; they must sum to the {content['characters']} characters.")
    bigram = torch.tensor(rows, dtype=torch.int64)
    return CharacterCounts(
        vocabulary=vocabulary, unigram=unigram, bigram=bigram, sha256_of_text=content["sha256_of_text"]
    )


def encode(counts: CharacterCounts, text: str) -> Int[Tensor, "length"]:
    """Turn a text into token numbers, `"ab"` into two of them.

    Raises ValueError when a character is not in the vocabulary.
    """
    number = {character: token for token, character in enumerate(counts.vocabulary)}
    for character in text:
        if character not in number:
            raise ValueError(f"the character {character!r} is not among the {counts.N} of the vocabulary.")
    return torch.tensor([number[character] for character in text], dtype=torch.int64)


def decode(counts: CharacterCounts, tokens: Int[Tensor, "length"]) -> str:
    """Turn token numbers back into a text; the inverse of `encode`.

    Raises ValueError when a token is outside 0..N-1.
    """
    for token in tokens.tolist():
        if not 0 <= token < counts.N:
            raise ValueError(f"the token {token} is outside the vocabulary 0..{counts.N - 1}.")
    return "".join(counts.vocabulary[token] for token in tokens.tolist())


def _check(counts: CharacterCounts) -> None:
    N, unigram, bigram = counts.N, counts.unigram, counts.bigram
    if len(set(counts.vocabulary)) != N:
        raise ValueError(f"the vocabulary {counts.vocabulary!r} repeats a character; each must occur once.")
    if tuple(unigram.shape) != (N,):
        raise ValueError(f"unigram counts have shape {tuple(unigram.shape)}; it must be ({N},).")
    if tuple(bigram.shape) != (N, N):
        raise ValueError(f"bigram counts have shape {tuple(bigram.shape)}; it must be ({N}, {N}).")
    if (smallest := min(int(unigram.min()), int(bigram.min()))) < 0:
        raise ValueError(f"a count is {smallest}; counts must be >= 0.")
    if (total := int(bigram.sum())) != int(unigram.sum()) - 1:
        raise ValueError(f"bigram counts sum to {total}; they must sum to {int(unigram.sum()) - 1}, characters - 1.")
    # Every character but the last has a successor, and every one but the first a predecessor.
    for axis, name in ((1, "row"), (0, "column")):
        missing = unigram - bigram.sum(axis)
        if int(missing.min()) < 0 or int(missing.max()) > 1:
            worst = int((missing * 2 - 1).abs().argmax())
            raise ValueError(
                f"{name} {worst} of the bigram counts sums to {int(bigram.sum(axis)[worst])}; it must be the unigram "
                f"count {int(unigram[worst])}, less at most one."
            )
    if int(bigram.sum(1).min()) == 0:
        raise ValueError(f"bigram row {int(bigram.sum(1).argmin())} sums to 0; every row must have a successor.")
    if re.fullmatch(r"[0-9a-f]{64}", counts.sha256_of_text) is None:
        raise ValueError(f"sha256_of_text is {counts.sha256_of_text!r}; it must be 64 hexadecimal digits.")
