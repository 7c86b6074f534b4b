"""What every test starts from: no settings of the reader's own; one Chromium, tiny language models."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """The small site and what shows widgets, for tests of any folder; they import the package."""
    # Last and not above: nothing of the package may be imported before its shapes are set to be checked.
    config.pluginmanager.import_plugin("tests.browser.fixtures")
    if "PYTEST_XDIST_WORKER" in os.environ:
        import torch

        # One of several that run beside each other: a core each.
        torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def plain_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run at laptop scale, seed 0, whatever the environment says; the device stays what it is."""
    for name in [name for name in os.environ if name.startswith("MECHBOOK_") and name != "MECHBOOK_DEVICE"]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The browser; without one the tests are skipped, and fail where CI=true."""
    from tests.browser.browser import launched

    try:
        with launched() as running:
            yield running
    except LookupError as error:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(str(error))


_CORPUS = (
    "When Mary and John went to the store, John gave a drink to Mary. Then, Tom and Anna had a long argument, and "
    "Tom gave the ring to her. Madrid is located in Spain. Rome is located in the north of Italy. "
    "Paris is located in France."
)


def write_tiny_model(kind: str, folder: Path, *, seed: int = 0, dtype: str = "float64", corpus: str = _CORPUS) -> None:
    """A random model of three blocks with a tokenizer of the corpus's words, as transformers writes it."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import (
        AutoModelForCausalLM,
        Gemma3TextConfig,
        GPT2Config,
        GPTNeoXConfig,
        LlamaConfig,
        PreTrainedTokenizerFast,
    )
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    # every word is a token, with a leading space and without
    trainer = trainers.BpeTrainer(vocab_size=600 + len(corpus), special_tokens=["<|endoftext|>"], show_progress=False)
    tokenizer.train_from_iterator([corpus + " " + corpus] * 2 + corpus.split(), trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>")
    shared: dict[str, Any] = {"vocab_size": len(fast), "initializer_range": 0.3, "bos_token_id": 0, "eos_token_id": 0}
    # sizes that tell every axis from every other
    configs = {
        "llama": lambda: LlamaConfig(
            hidden_size=18,
            num_attention_heads=6,
            num_key_value_heads=2,
            head_dim=4,
            intermediate_size=29,
            num_hidden_layers=3,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            **shared,
        ),
        # the window is shorter than the tests' prompts, and one block of three sees everything
        "gemma3_text": lambda: Gemma3TextConfig(
            hidden_size=18,
            num_attention_heads=6,
            num_key_value_heads=2,
            head_dim=4,
            query_pre_attn_scalar=7,
            intermediate_size=29,
            num_hidden_layers=3,
            layer_types=["sliding_attention", "full_attention", "sliding_attention"],
            sliding_window=4,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            **shared,
        ),
        "gpt_neox": lambda: GPTNeoXConfig(
            hidden_size=20,
            num_attention_heads=5,
            intermediate_size=29,
            num_hidden_layers=3,
            max_position_embeddings=512,
            rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5},
            **shared,
        ),
        "gpt2": lambda: GPT2Config(n_embd=21, n_head=3, n_inner=29, n_layer=3, n_positions=512, **shared),
    }
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(configs[kind](), dtype=getattr(torch, dtype))
    with torch.no_grad():
        for parameter in model.parameters():
            # biases start at 0 and norms at 1: a part that leaves them out must show
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    fast.save_pretrained(folder)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`tiny_model("llama")`, "gemma3_text", "gpt_neox" or "gpt2": the folder of such a random model.

    Options as `write_tiny_model`.
    """
    made: dict[Any, Path] = {}

    def folder(kind: str, **options: Any) -> Path:
        key = (kind, *sorted(options.items()))
        if key not in made:
            made[key] = tmp_path_factory.mktemp(kind)
            write_tiny_model(kind, made[key], **options)
        return made[key]

    return folder


@pytest.fixture(scope="session")
def chapter_5_words() -> str:
    """A corpus with all that chapter 5 asks a tokenizer for, so that each of its words is one token."""
    from mechbook.laser.data import ioi
    from mechbook.laser.data.cities import load_facts
    from mechbook.laser.data.control import control_text

    other = ["the", "a", "southern", "northern", "them", "her", "country", "of", "an", "north"]
    words = [*ioi.NAMES, *ioi.PLACES, *ioi.THINGS, *other]
    sentences = [text.format(A="Mary", B="John", S="John", P="store", O="drink") for text in ioi.TEMPLATES]
    facts = [f"{fact.city} is located in {fact.country}." for fact in load_facts()]
    return " ".join([*words, *sentences, *facts, control_text()])
