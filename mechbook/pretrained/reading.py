"""A folder of safetensors read through transformers; what is not whole, plain and safe is refused in a sentence.

Three packages read such files, and each has errors of its own for a file that is cut, lacks a layer or holds something
else. All of them become a ValueError that names the file or the weights.
"""

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from mechbook.pretrained.adapter import Adapter
from mechbook.pretrained.architectures import SUPPORTED

T = TypeVar("T")

LFS = b"version https://git-lfs"
# what each architecture's configuration calls its blocks
BLOCKS = ("num_hidden_layers", "n_layer")
# float32 sums in another order; relative to the largest logit
AGREES = 1e-3
_PROMPTS, _LENGTH = 2, 16


def read_folder(place: Path) -> tuple[Any, Any]:
    """transformers' model in float32 and its tokenizer, of a folder that `folders.checked_folder` let pass.

    ValueError for a configuration or weights that cannot be read, of another architecture or quantised by another
    package; for weights that are missing, too many, of another shape or not finite; for a tokenizer that cannot be read
    or has more tokens than the model.
    """
    config = read_config(place)
    if (kind := config.get("model_type")) not in SUPPORTED:
        raise ValueError(f"{place} holds a {kind!r} model; mechbook looks into {', '.join(SUPPORTED)}.")
    if quantised := config.get("quantization_config"):
        method = quantised.get("quant_method") if isinstance(quantised, Mapping) else None
        raise ValueError(
            f"{place} is quantised by {method!r}, which needs a package of its own: give its weights as floats, or a "
            "GGUF file."
        )
    check_blocks(place, config)
    model, found = in_words(f"{place}: the model", lambda: _from_pretrained(place))
    check_loaded(place.name, found)
    check_finite(place.name, model)
    return model, _tokenizer(place, model)


def read_config(place: Path) -> dict[str, Any]:
    """What config.json says. ValueError where it is no JSON object."""
    file = place / "config.json"
    config = in_words(f"{file}", lambda: json.loads(file.read_text(encoding="utf-8")))
    if not isinstance(config, dict):
        raise ValueError(f"{file} holds no JSON object: take it afresh from where the model came from.")
    return config


def check_blocks(place: Path, config: Mapping[str, Any]) -> None:
    """ValueError where a file is no safetensors file, or the model is said to have more blocks than tensors."""
    from safetensors import safe_open

    tensors = 0
    for file in sorted(place.glob("*.safetensors")):
        with open(file, "rb") as stream:
            if stream.read(len(LFS)) == LFS:
                raise ValueError(
                    f"{file} is a pointer of Git LFS, not the weights: run git lfs pull where the model was cloned."
                )

        def count(file: Path = file) -> int:
            with safe_open(file, framework="pt") as opened:
                return len(list(opened.keys()))

        tensors += in_words(f"{file}", count)
    for name in BLOCKS:
        if isinstance(blocks := config.get(name), int) and not 1 <= blocks <= tensors:
            raise ValueError(f"{place / 'config.json'} has {name} {blocks}, and the weights are {tensors} tensors.")


def check_loaded(name: str, found: Mapping[str, Collection[Any]]) -> None:
    """ValueError where weights were missing, too many or of another shape; `found` as transformers reports it."""
    words = {
        "missing_keys": "lacks {}: a model would have random numbers there",
        "unexpected_keys": "has {}, which its configuration has no place for",
        "mismatched_keys": "has {} in another shape than its configuration says",
    }
    for key, said in words.items():
        if keys := sorted(str(each[0] if isinstance(each, tuple) else each) for each in found.get(key, ())):
            more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
            raise ValueError(f"{name} {said.format(', '.join(keys[:3]) + more)}.")
    if errors := list(found.get("error_msgs", ())):
        raise ValueError(f"{name} cannot be loaded: {first_line(str(errors[0]))}.")


def check_finite(name: str, model: nn.Module) -> None:
    """ValueError where a weight is infinite or no number."""
    for own, parameter in model.named_parameters():
        if not bool(torch.isfinite(parameter.detach()).all()):
            raise ValueError(f"{name} has numbers in {own} that are infinite or none at all: its logits would be, too.")


@torch.no_grad()
def check_agrees(name: str, adapter: Adapter) -> None:
    """ValueError where the adapter's logits are not the model's own, on a few random tokens.

    Whatever a configuration asks for that mechbook does not know of would otherwise change every number silently.
    """
    ids = torch.randint(adapter.n_vocab, (_PROMPTS, _LENGTH), generator=torch.Generator().manual_seed(0))
    ids = ids.to(adapter.W_U.device)
    expected = adapter.model(ids).logits
    apart = float((adapter.logits(adapter.run(adapter.embed(ids))) - expected).abs().max())
    if not apart <= AGREES * (1 + float(expected.abs().max())):
        raise ValueError(
            f"{name} computes something that mechbook does not: their logits differ by {apart:.3g} on random tokens. "
            "Its configuration asks for more than mechbook knows of this architecture."
        )


def in_words(what: str, read: Callable[[], T]) -> T:
    """What `read` returns; any error of the packages that read models as a ValueError about `what`."""
    try:
        return read()
    except Exception as error:
        if type(error) is ValueError and "\n" not in str(error) and what in str(error):
            raise
        raise ValueError(
            f"{what} cannot be read ({type(error).__name__}: {first_line(str(error))}): take it afresh from where it "
            "came from."
        ) from error


def first_line(text: str) -> str:
    """The first line of an error, without a full stop at its end."""
    return (text.strip().splitlines() or ["no more is said"])[0].rstrip(".")[:200]


def plain_tokenizer(tokenizer: Any) -> Any:
    """The tokenizer without what its file may say about lengths: texts are neither cut nor filled up."""
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def check_tokens(name: str, tokenizer: Any, n_vocab: int) -> None:
    """ValueError where the tokenizer knows tokens that the model does not."""
    # without added ones: a marker of images, which Gemma's has and no text makes, is beyond a text model's embedding
    if (tokens := tokenizer.get_vocab_size(with_added_tokens=False)) > n_vocab:
        raise ValueError(
            f"{name} has a tokenizer of {tokens} tokens and a model of {n_vocab}: they belong to two models."
        )


def _from_pretrained(place: Path) -> tuple[Any, Mapping[str, Collection[Any]]]:
    # transformers takes seconds to import, and only those who load a model need it
    from transformers import AutoModelForCausalLM

    pair: Any = AutoModelForCausalLM.from_pretrained(
        place,
        dtype=torch.float32,
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        output_loading_info=True,
    )
    return pair[0], pair[1]


def _tokenizer(place: Path, model: Any) -> Any:
    """The folder's tokenizer as transformers sets it up, where its own settings lie beside it."""
    from tokenizers import Tokenizer

    if (place / "tokenizer_config.json").is_file():
        from transformers import AutoTokenizer

        def read() -> Any:
            whole = AutoTokenizer.from_pretrained(place, local_files_only=True, trust_remote_code=False)
            return whole.backend_tokenizer

    else:

        def read() -> Any:
            return Tokenizer.from_file(str(place / "tokenizer.json"))

    tokenizer = plain_tokenizer(in_words(f"{place}: the tokenizer", read))
    check_tokens(place.name, tokenizer, model.get_input_embeddings().weight.shape[0])
    return tokenizer
