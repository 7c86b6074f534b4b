"""Rounding and packing. Oracle: float16 by hand, numpy's float16, and the bytes read back."""

import zlib

import numpy as np
import pytest
import torch

from mechbook.widgets.weights import pack, round_weights


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_with_all_bits_it_is_float16() -> None:
    values = torch.randn(101, generator=generator(0)) * 10 ** torch.linspace(-9, 4, 101)
    rounded = round_weights({"a": values}, dtype="float16")["a"]
    assert np.array_equal(rounded.numpy(), values.numpy().astype(np.float16).astype(np.float32))


def test_a_fraction_of_three_bits_by_hand() -> None:
    values = torch.tensor([1.0, 1.06, 1.07, -1.19, 1.97, 0.0, -0.0, 2.0**-14 * 1.06])
    expected = torch.tensor([1.0, 1.0, 1.125, -1.25, 2.0, 0.0, -0.0, 2.0**-14])
    assert torch.equal(round_weights({"a": values}, dtype="float16", bits=3)["a"], expected)


@pytest.mark.parametrize("bits", [1, 4, 7, 9])
def test_the_relative_error_is_bounded_and_reached(bits: int) -> None:
    values = torch.randn(4999, generator=generator(1))
    # Below it float16 has fewer bits of its own.
    values = values[values.abs() > 2**-14]
    error = (round_weights({"a": values}, dtype="float16", bits=bits)["a"] / values - 1).abs().max()
    # The worst value lies half a step above a power of two; a float16 was rounded before.
    assert 0.9 / (2 ** (bits + 1) + 1) < float(error) <= 2 ** -(bits + 1) + 2**-11


def test_float32_stays_what_it_is() -> None:
    values = torch.randn(3, 5, generator=generator(2))
    assert torch.equal(round_weights({"a": values}, dtype="float32")["a"], values)


@pytest.mark.parametrize("bits", [5, 8, 9, 10])
def test_what_is_packed_can_be_read_back(bits: int) -> None:
    tensors = {"a": torch.randn(3, 5, generator=generator(3)), "b": torch.randn(7, generator=generator(4))}
    packed = pack(tensors, dtype="float16", bits=bits)
    raw = np.frombuffer(zlib.decompress(packed.data), np.uint8).astype(np.uint16)
    high, middle, *low = raw.reshape(-1, 22)
    words = (high << 10 | middle << 2 | (low[0] if low else 0)).astype(np.uint16)
    flat = torch.from_numpy(words.view(np.float16).astype(np.float32))
    assert bool(low) == (bits > 8)
    assert packed.description["count"] == 22
    for entry in packed.description["tensors"]:
        rounded = round_weights(tensors, dtype="float16", bits=bits)[entry["name"]]
        found = flat[entry["offset"] : entry["offset"] + rounded.numel()].view(entry["shape"])
        assert torch.equal(found, rounded)


def test_fewer_bits_are_fewer_bytes() -> None:
    tensors = {"a": torch.randn(20_011, generator=generator(5))}
    sizes = [len(pack(tensors, dtype="float16", bits=bits).data) for bits in (3, 5, 7)]
    # A bit is a bit.
    assert [b - a for a, b in zip(sizes, sizes[1:], strict=False)] == pytest.approx([20_011 / 4] * 2, rel=0.1)


@pytest.mark.parametrize(
    ("dtype", "bits", "values", "words"),
    [
        ("int8", 10, 1.0, "dtype is 'int8'"),
        ("float16", 0, 1.0, "bits is 0"),
        ("float16", 11, 1.0, "bits is 11"),
        ("float16", 10, 1e6, "a has values that float16 cannot hold"),
        ("float16", 3, 65_000.0, "a has values that float16 cannot hold"),
    ],
)
def test_what_cannot_be_shipped_is_refused(dtype: str, bits: int, values: float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        round_weights({"a": torch.tensor([values])}, dtype=dtype, bits=bits)
