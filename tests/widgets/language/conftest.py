"""The book's model, loaded once for all tests of the page's engine."""

import pytest

from mechbook.pretrained.load import LanguageModel, load


@pytest.fixture(scope="session")
def smollm() -> LanguageModel:
    """SmolLM2-135M-Instruct in float32, as chapter 5 loads it."""
    return load("smollm2-135m")
