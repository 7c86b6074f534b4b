"""Ranks of "the" after prepositions, on a tiny model."""

import statistics
from collections.abc import Callable
from pathlib import Path

import torch

from mechbook.laser.data.prepositions import PREPOSITIONS, SENTENCES
from mechbook.laser.preposition_ranks import median, preposition_ranks, sentence_ranks
from mechbook.pretrained.load import load


def test_ranks_are_counted_in_the_logits_of_the_whole_prompt(tiny_model: Callable[..., Path]) -> None:
    """Oracle: transformers' own tokenizer and logits, sorted, for every input."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tiny_model("llama")
    model = load(str(folder))
    whole, tokenizer = AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    the = tokenizer(" the").input_ids[0]
    inputs = {
        "prefixed": (
            preposition_ranks(model, prefix="<|endoftext|>"),
            [f"<|endoftext|> {w}" for w in PREPOSITIONS],
        ),
        "lone": (preposition_ranks(model), list(PREPOSITIONS)),
        "sentences": (sentence_ranks(model), list(SENTENCES)),
    }
    for found, texts in inputs.values():
        for text, rank in zip(texts, found, strict=True):
            with torch.no_grad():
                logits = whole(torch.tensor([tokenizer(text).input_ids])).logits[0, -1]
            assert logits.argsort(descending=True).tolist().index(the) + 1 == rank


def test_the_median_is_python_s() -> None:
    """Oracle: statistics.median."""
    for values in ([3, 1, 2], [4.0, 1.0, 2.0, 8.0], [5]):
        assert median(values) == statistics.median(values)
