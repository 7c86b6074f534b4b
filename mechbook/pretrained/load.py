"""Pretrained language models by name, revision or folder, ready for LASER and for a look at their heads.

model = load("smollm2-135m")                        # from the installed package; no network is asked
model = load("pythia-1b", revision="step14000")     # from this machine; network=True fetches what is missing
logits = model.adapter.logits(model.adapter.run(model.adapter.embed(model.tokens("Madrid is located in"))))
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from mechbook.core.cache import store
from mechbook.pretrained.adapter import Adapter
from mechbook.pretrained.architectures import adapt
from mechbook.pretrained.folders import UnavailableWeights, known_names, locate
from mechbook.pretrained.reading import check_agrees, check_finite, check_tokens, plain_tokenizer, read_folder

_WORD = "a"

__all__ = ["LanguageModel", "UnavailableWeights", "known_names", "load"]


@dataclass(frozen=True, kw_only=True, eq=False)
class LanguageModel:
    """A model, what looks into it, and its tokenizer.

    name, revision: as given to `load`
    tokenizer: of the package `tokenizers`; `encode` and `token` use it without adding special tokens, `start` has those
    fingerprint: SHA-256 of the files that it was read from, or of its weights; names the model in a cache's key
    """

    name: str
    revision: str | None
    adapter: Adapter
    tokenizer: Any = field(repr=False)
    fingerprint: str

    def encode(self, text: str) -> list[int]:
        """The tokens of `text`, nothing added."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def encode_next(self, text: str) -> list[int]:
        """The tokens that `text` is after another word: " Spain" in "located in Spain".

        A tokenizer that puts a space in front of every text, as Llama 2's, has others for " Spain" by itself.
        """
        if not text[:1].isspace():
            return self.encode(text)
        before, both = self.encode(_WORD), self.encode(_WORD + text)
        return both[len(before) :] if both[: len(before)] == before else self.encode(text)

    @property
    def start(self) -> list[int]:
        """The tokens that the tokenizer puts in front of a text: Gemma's beginning of a text; none for most models."""
        ids: list[int] = self.tokenizer.encode("", add_special_tokens=True).ids
        return ids

    def prompt_tokens(self, text: str) -> list[int]:
        """What the model reads when `text` is all there is: `start`, then the tokens of `text`."""
        return [*self.start, *self.encode(text)]

    def tokens(self, *texts: str) -> Int[Tensor, "B T"]:
        """What the model reads for texts of equal length, on its device. ValueError where the lengths differ."""
        rows = [self.prompt_tokens(text) for text in texts]
        if len(lengths := sorted({len(row) for row in rows})) != 1:
            raise ValueError(f"the texts have {lengths} tokens; a batch needs one length.")
        return torch.tensor(rows, device=self.adapter.W_U.device)

    def token(self, text: str) -> int:
        """The one token that `text` is after another word, such as " Spain". ValueError where it is several."""
        if len(ids := self.encode_next(text)) != 1:
            pieces = " + ".join(repr(self.text(i)) for i in ids)
            raise ValueError(f"{text!r} is {len(ids)} tokens of {self.name} ({pieces}); an answer must be one.")
        return ids[0]

    def text(self, token: int) -> str:
        """What a token stands for."""
        decoded: str = self.tokenizer.decode([token], skip_special_tokens=False)
        return decoded


def load(
    name: str,
    *,
    revision: str | None = None,
    network: bool = False,
    device: torch.device | None = None,
    hub_cache: Path | None = None,
) -> LanguageModel:
    """The model `name` in float32, on the CPU unless `device` says otherwise.

    name: one of `known_names()`, or the path of a folder with config.json, tokenizer.json and model.safetensors, or of
        a GGUF file of Llama or Gemma 3
    revision: of a hub's model, such as "step14000"; its newest by default
    network: ask the hub for what this machine does not have; otherwise nothing is fetched or looked up
    hub_cache: the hub's cache, at its usual place by default

    No code of a model's is run, and no pickle read. ValueError for a name or revision that does not exist, weights that
    are not whole, of an unsupported kind or architecture, or that make a model compute what mechbook does not;
    UnavailableWeights (a ValueError) where known weights cannot be had.
    """
    place = locate(name, revision, network=network, hub_cache=hub_cache)
    model, tokenizer = _quietly(lambda: _read_gguf(place) if place.is_file() else read_folder(place))
    if device is not None:
        model = model.to(device)
    adapter = adapt(model)
    check_agrees(name, adapter)
    return LanguageModel(
        name=name, revision=revision, adapter=adapter, tokenizer=tokenizer, fingerprint=_fingerprint(place)
    )


def from_parts(name: str, model: Any, encode_with: Any) -> LanguageModel:
    """A model that is already in memory, such as one trained here, with its tokenizer; its weights are hashed."""
    weights = {key: parameter.detach() for key, parameter in model.state_dict().items()}
    return LanguageModel(
        name=name,
        revision=None,
        adapter=adapt(model),
        tokenizer=encode_with,
        fingerprint=store.checksum([name, weights]),
    )


def _read_gguf(path: Path) -> tuple[Any, Any]:
    from mechbook.pretrained.gguf import read_model, read_tokenizer

    model = read_model(path)
    check_finite(path.name, model)
    tokenizer = plain_tokenizer(read_tokenizer(path))
    check_tokens(path.name, tokenizer, model.get_input_embeddings().weight.shape[0])
    return model, tokenizer


def _quietly(read: Callable[[], Any]) -> Any:
    from transformers.utils import logging

    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    # its report of what was missing is our error
    logging.set_verbosity_error()
    try:
        return read()
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


def _fingerprint(place: Path) -> str:
    files = [place] if place.is_file() else sorted((*place.glob("*.json"), *place.glob("*.safetensors")))
    digest = hashlib.sha256()
    for file in files:
        with open(file, "rb") as stream:
            digest.update(f"{file.name} {hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()
