"""The values of chapter 3's claims that need no training: weights written by hand, and attention before any step."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from mechbook.induction import values
from mechbook.induction.construction import induction_head
from mechbook.induction.experiments import hand_task
from mechbook.induction.presets import InductionPreset
from mechbook.induction.probes_attention import entropy
from mechbook.induction.streams import STREAMS
from mechbook.shared.bigrams import BigramBatch, sample
from mechbook.shared.shakespeare import load_counts
from mechbook.shared.simplified import FeedForwardPlace, SimplifiedConfig, SimplifiedTransformer


@torch.no_grad()
def constructed(setup: InductionPreset, seed: int) -> dict[str, float]:
    """Accuracy without W_F, and what W_F does to accuracy and to global predictions, where it reads and what it reads.

    Embeddings that do not interfere are orthonormal, in hand_d dimensions or as many more as they need.
    """
    counts, hand = load_counts(), hand_task(setup)
    assert hand.triggers is not None  # they are fixed
    batch = sample(hand, 512, STREAMS.generator("by hand", seed, 1))
    starts = torch.isin(batch.z[:, 0], torch.tensor(hand.triggers))
    right, kl = {}, torch.empty(0)
    places: list[tuple[str, FeedForwardPlace, Literal["random", "orthonormal"]]] = [
        ("none", "none", "random"),
        ("before_attention", "before_attention", "random"),
        ("after_layer_2", "after_layer_2", "random"),
        ("orthonormal", "after_layer_2", "orthonormal"),
    ]
    for name, reads, embeddings in places:
        model = induction_head(
            counts.N,
            setup.T,
            max(setup.hand_d, 2 * counts.N + setup.T) if embeddings == "orthonormal" else setup.hand_d,
            triggers=hand.triggers,
            feed_forward=reads,
            pi_b=None if reads == "none" else counts.pi_b,
            embeddings=embeddings,
            generator=STREAMS.generator("by hand", seed),
        )
        logits = model(batch.inputs)
        right[name] = (logits.argmax(-1) == batch.targets).double()
        if name == "before_attention":
            logp, rows = logits.log_softmax(-1).double(), counts.pi_b[batch.inputs]
            kl = (torch.special.xlogy(rows, rows) - rows * logp).sum(-1)
    counted = batch.in_context & ~starts[:, None]
    found = {
        "accuracy_after_layer_2": right["after_layer_2"][counted],
        "accuracy": right["none"][counted],
        "accuracy_all_sequences": right["none"][batch.in_context],
        "accuracy_before_attention": right["before_attention"][counted],
        "accuracy_orthonormal": right["orthonormal"][counted],
        "kl_global": kl[batch.global_tokens],
    }
    return values.CONSTRUCTED(**{name: float(rows.mean()) for name, rows in found.items()})


@torch.no_grad()
def uniform_init(setup: InductionPreset, seed: int) -> dict[str, float]:
    """Entropy of layer 1's attention before training, as a fraction of log T."""
    return values.UNIFORM_INIT(
        unit_norm=float(_first_entropy(setup, seed, None)), standard_normal=float(_first_entropy(setup, seed, 1.0))
    )


def _first_entropy(setup: InductionPreset, seed: int, embedding_std: float | None) -> Tensor:
    """Mean entropy of layer 1's attention at the last position, as a fraction of log T."""
    config = SimplifiedConfig(N=load_counts().N, T=setup.T, d=setup.d, embedding_std=embedding_std)
    model = SimplifiedTransformer(config, STREAMS.generator("initialisation", seed))
    attention = model.trace(hand_batch(setup).inputs).attention[0]
    return entropy(attention)[:, -1].mean() / np.log(setup.T)


def hand_batch(setup: InductionPreset) -> BigramBatch:
    """The 512 sequences on which the first model written by hand is tested."""
    return sample(hand_task(setup), 512, STREAMS.generator("by hand", 1))
