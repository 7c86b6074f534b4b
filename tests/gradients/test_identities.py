"""The gradient formulas on random data."""

from mechbook.gradients.identities import identities
from mechbook.gradients.presets import LAPTOP


def test_every_closed_form_agrees_with_autograd():
    """Oracle: autograd, 1e-10; Lemma 4 in the printed orientation must not agree."""
    errors = identities(LAPTOP.identities, 0)
    assert set(errors) == {"lemma1", "lemma2", "layer_norm", "rms_norm", "lemma4", "lemma4_printed", "lemma5"}
    assert all(error < 1e-10 for name, error in errors.items() if name != "lemma4_printed")
    assert errors["lemma4_printed"] > 0.5
