"""The page's reader of GGUF files. Oracle: the sentences, of files written with each fault; the file's own words."""

import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mechbook.pretrained.packages import packaged
from tests.widgets.language.engine import asked
from tests.widgets.language.files import write

SHOWN = "license"


def opened(*files: Path, **how: Any) -> list[Any]:
    """What is said of each file: what it tells of itself, or why it is refused."""
    answers = asked([{"type": "open", "path": str(path), **how} for path in files])
    return [answer["value"]["about"] if "value" in answer else answer["refused"] for answer in answers]


def test_the_books_model_and_small_ones_tell_what_they_are(tmp_path: Path) -> None:
    small = [write(tmp_path / f"{kind}.gguf", kind=kind) for kind in ("F32", "F16", "Q4_1", "Q8_0")]
    whole, *rest = opened(packaged("smollm2-135m"), *small)
    assert whole[SHOWN] == "apache-2.0" and whole["organization"] == "HuggingFaceTB" and whole["size_label"] == "135M"
    assert rest == [{"name": "Tiny", "license": "bsd-3-clause"}] * 4
    # parts of any size make the same file
    assert opened(small[0], size=1001) == rest[:1]


def changed(path: Path, change: Callable[[bytes], bytes]) -> Path:
    path.write_bytes(change(path.read_bytes()))
    return path


def header(*, tensors: int = 1, pairs: int = 0, rest: bytes = b"", version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, pairs) + rest


def name(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


FAULTS = {
    "no GGUF": (b"PK\x03\x04" + bytes(100), "This is no GGUF file: it does not begin as one."),
    "empty": (b"", "This is no GGUF file: it does not begin as one."),
    "another version": (header(version=1), "The file is of GGUF's version 1; versions 2 and 3 are read here."),
    "so many tensors": (header(tensors=2**60), "The file is damaged: it says it has 1.15e+18 tensors."),
    "so many values": (header(pairs=2**40), "The file is damaged: it says it has 1.10e+12 values."),
    "a long key": (
        header(pairs=1, rest=struct.pack("<Q", 2**63)),
        "The file is cut: it ends within its own description.",
    ),
    "a long list": (
        header(pairs=1, rest=name("a") + struct.pack("<IIQ", 9, 8, 2**50)),
        "The file is cut: it ends within its own description.",
    ),
    "an unknown type": (
        header(pairs=1, rest=name("a") + struct.pack("<I", 77)),
        "The file is damaged: it says a value is of type 77.",
    ),
    "so many axes": (header(rest=name("W") + struct.pack("<I", 9)), "The file is damaged: it says W has 9 axes."),
    "so many numbers": (
        header(rest=name("W") + struct.pack("<IQQIQ", 2, 2**40, 2**40, 0, 0)),
        "The file is damaged: it says W has 1099511627776 x 1099511627776 numbers.",
    ),
    "beyond its end": (
        header(rest=name("W") + struct.pack("<IQQIQ", 2, 32, 32, 0, 0) + bytes(60)),
        "The file is cut: W ends at byte 4192, and the file at 125.",
    ),
    "half a block": (
        header(rest=name("W") + struct.pack("<IQQIQ", 2, 31, 4, 3, 0) + bytes(400)),
        "The file is damaged: rows of W have 31 numbers, which Q4_1 cannot keep.",
    ),
}


def test_what_is_no_whole_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    files = []
    for fault, (content, _) in FAULTS.items():
        files.append(tmp_path / f"{fault}.gguf")
        files[-1].write_bytes(content)
    found = opened(*files)
    assert dict(zip(FAULTS, found, strict=True)) == {fault: sentence for fault, (_, sentence) in FAULTS.items()}


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "tiny.gguf")
    size = path.stat().st_size
    cuts = [size - at for at in np.linspace(0, size - 1, 40).astype(int).tolist()]
    answers = asked([{"type": "open", "path": str(path), "cut": cut} for cut in cuts])
    assert all(answer["refused"].startswith(("The file is cut: ", "This is no GGUF")) for answer in answers)
    (missing,) = asked([{"type": "open", "path": str(path), "cut": 7, "said": True}])
    assert missing["refused"] == f"The file is cut: {size - 7} of {size} bytes have arrived."


def test_of_damaged_files_each_is_refused_or_answers(tmp_path: Path) -> None:
    """Bytes of the description changed at random; `asked` raises where the worker fails without a sentence."""
    whole, draw = write(tmp_path / "tiny.gguf").read_bytes(), random.Random(3)
    end = whole.index(b"blk.2.ffn_down") + 60
    orders: list[dict[str, Any]] = []
    for i in range(150):
        content = bytearray(whole)
        for _ in range(draw.choice([1, 1, 2, 5])):
            at = draw.randrange(end)
            content[at] = draw.choice([0, 255, draw.randrange(256), content[at] ^ 1 << draw.randrange(8)])
        path = tmp_path / f"{i}.gguf"
        path.write_bytes(content)
        cut = {"layer": 1, "name": "o", "rho": 0.3}
        orders += [{"type": "open", "path": str(path)}, {"type": "next", "text": "in the", "cut": cut}]
    answers = asked(orders)
    refused = [answer["refused"] for answer in answers if "refused" in answer]
    assert 50 < len(refused) < 290
    assert all(sentence.endswith((".", " …")) and len(sentence) <= 300 for sentence in refused)


def test_weights_that_are_no_numbers_and_long_names_are_refused(tmp_path: Path) -> None:
    path, key = write(tmp_path / "tiny.gguf", kind="F32"), "llama." + "x" * 5000
    changed(path, lambda content: content[:-4096] + np.full(1024, np.nan, dtype=np.float32).tobytes())
    orders = [{"type": "next", "ids": [1]}, {"type": "decompose", "layer": 2, "name": "mlp_out"}]
    _, *answers = asked([{"type": "open", "path": str(path)}, *orders])
    assert [answer["refused"] for answer in answers] == [
        "The model's answer has numbers that are none: its weights are damaged.",
        "Block 2's mlp_out cannot be decomposed: it has numbers that are none.",
    ]
    (long,) = opened(write(tmp_path / "long.gguf", also=lambda writer: writer.add_uint32(key, 1)))
    assert long.startswith("The file says llama.xxx") and long.endswith("x …") and len(long) == 300


VARIANTS: dict[str, tuple[dict[str, Any], str]] = {
    "architecture": (
        {"arch": "qwen2"},
        'The file holds a model of the architecture "qwen2"; Llama\'s are read here.',
    ),
    "quantisation": (
        {"kind": "Q5_0"},
        "The file keeps blk.0.attn_q.weight as Q5_0, which is not read here: take one in F32, F16, Q4_1, Q8_0.",
    ),
    "missing": ({"drop": "blk.1.ffn_up.weight"}, "The file lacks blk.1.ffn_up.weight."),
    "more": (
        {"also": lambda writer: writer.add_tensor("blk.0.attn_q.bias", np.zeros(96, dtype=np.float32))},
        "The file has blk.0.attn_q.bias, which a plain Llama does not have.",
    ),
    "scaled": (
        {"also": lambda writer: writer.add_rope_scaling_type(_rope("YARN"))},
        "The file scales its positions (yarn); models that leave them as they are are read here.",
    ),
    "unknown key": (
        {"also": lambda writer: writer.add_uint32("llama.attention.sliding_window", 8)},
        "The file says llama.attention.sliding_window, which may change what is computed and is unknown here.",
    ),
}


def _rope(kind: str) -> Any:
    from tests.widgets.language.files import gguf

    return gguf.RopeScalingType[kind]


@pytest.mark.parametrize("variant", VARIANTS)
def test_another_model_is_refused_in_a_sentence(tmp_path: Path, variant: str) -> None:
    options, sentence = VARIANTS[variant]
    assert opened(write(tmp_path / "tiny.gguf", **options)) == [sentence]


def test_sizes_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    """Numbers of a good file overwritten where they stand, behind their keys."""
    wrong = {
        "llama.block_count": (4000, "The file is damaged: it says that it has 4000 blocks, and has 29 tensors."),
        "llama.feed_forward_length": (
            128,
            "The file is damaged: blk.0.ffn_up.weight is 96 x 800, where 96 x 128 is needed.",
        ),
        "llama.attention.head_count": (
            0,
            "The file is damaged: llama.attention.head_count is 0, where a whole number above 0 is needed.",
        ),
    }
    for key, (value, sentence) in wrong.items():
        path = write(tmp_path / "tiny.gguf")

        def change(content: bytes, key: str = key, value: int = value) -> bytes:
            at = content.index(name(key)) + len(name(key)) + 4
            return content[:at] + struct.pack("<I", value) + content[at + 4 :]

        assert opened(changed(path, change)) == [sentence]
