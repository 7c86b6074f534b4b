"""The counts: they fit together, a published entropy comes out, and each kind of corruption is named."""

import json
import random

import pytest
import torch

from mechbook.shared.shakespeare import COUNTS_PATH, decode, encode, load_counts


def test_sums_of_the_counts():
    # Oracle: the recorded length of the text; every character but the last has one successor.
    counts = load_counts()
    characters = json.loads(COUNTS_PATH.read_text())["characters"]
    assert counts.N == 65 and characters == 1_115_394
    assert int(counts.unigram.sum()) == characters
    assert int(counts.bigram.sum()) == characters - 1
    without_successor = counts.unigram - counts.bigram.sum(1)
    without_predecessor = counts.unigram - counts.bigram.sum(0)
    assert sorted(without_successor.tolist()) == [0] * 64 + [1]
    assert sorted(without_predecessor.tolist()) == [0] * 64 + [1]


def test_distributions_are_normalised_rows():
    # Oracle: sums of probabilities, and the counts of one row divided by hand.
    counts = load_counts()
    torch.testing.assert_close(counts.pi_u.sum(), torch.tensor(1.0).double(), atol=1e-12, rtol=0)
    torch.testing.assert_close(counts.pi_b.sum(1), torch.ones(65).double(), atol=1e-12, rtol=0)
    h, e = counts.vocabulary.index("h"), counts.vocabulary.index("e")
    row = counts.bigram[h].tolist()
    assert counts.pi_b[h, e].item() == pytest.approx(row[e] / sum(row), abs=1e-15)


def test_conditional_entropy():
    # Oracle: 2.4526 nats, measured elsewhere: rows of pi_b weighted by how often their character has a successor
    # (weights pi_u give the same four digits; an unweighted mean gives 1.909).
    counts = load_counts()
    of_row = torch.special.entr(counts.pi_b).sum(1)
    weights = counts.bigram.sum(1).double() / counts.bigram.sum()
    assert (weights * of_row).sum().item() == pytest.approx(2.4526, abs=5e-5)


def test_encode_and_decode_are_inverse():
    # Oracle: random texts over the vocabulary, and one text spelled out.
    counts = load_counts()
    text = "".join(random.Random(3).choices(counts.vocabulary, k=97))
    assert decode(counts, encode(counts, text)) == text
    assert encode(counts, "\n !").tolist() == [0, 1, 2]
    assert decode(counts, encode(counts, "")) == ""


def test_what_is_outside_the_vocabulary_is_refused():
    # Oracle: the sentences.
    counts = load_counts()
    with pytest.raises(ValueError, match="the character '#' is not among the 65"):
        encode(counts, "a#b")
    for token in (-1, 65):
        with pytest.raises(ValueError, match=f"the token {token} is outside the vocabulary 0..64"):
            decode(counts, torch.tensor([3, token]))


def _swap(content):
    # Sums stay right, rows and columns do not.
    content["bigram"][0][0] -= 4
    content["bigram"][6][8] += 4


@pytest.mark.parametrize(
    ("corrupt", "message"),
    [
        (lambda c: c["unigram"].__setitem__(4, 5), "unigram counts sum to 1115396"),
        (lambda c: c["bigram"][0].__setitem__(0, 0), "bigram counts sum to 1108170"),
        (lambda c: c["bigram"].pop(), r"bigram counts have shape \(64, 65\)"),
        (lambda c: c["bigram"][3].append(0), r"bigram rows have lengths \[65, 66\]"),
        (lambda c: c["unigram"].append(0), r"unigram counts have shape \(66,\)"),
        (_swap, "row [06] of the bigram counts sums to"),
        (lambda c: c["bigram"][2].__setitem__(4, -2), "a count is -2"),
        (lambda c: c.__setitem__("vocabulary", "\n" + c["vocabulary"][:-1]), "repeats a character"),
        (lambda c: c.__setitem__("sha256_of_text", "86c4e6"), "sha256_of_text is '86c4e6'"),
    ],
)
def test_corrupted_counts_are_refused(tmp_path, corrupt, message):
    # Oracle: one planted corruption each, named in one sentence.
    content = json.loads(COUNTS_PATH.read_text())
    corrupt(content)
    path = tmp_path / "counts.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message) as caught:
        load_counts(path)
    assert "\n" not in str(caught.value).replace("\\n", "") and str(caught.value).endswith(".")


def test_columns_are_checked_too(tmp_path):
    # Oracle: two entries of one row exchanged, which no row sum shows.
    content = json.loads(COUNTS_PATH.read_text())
    row = content["bigram"][1]
    row[5], row[40] = row[40], row[5]
    path = tmp_path / "counts.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="column (5|40) of the bigram counts"):
        load_counts(path)
