"""Settings: read from the environment, refused in one sentence, and seeds that never share a stream."""

import itertools

import pytest
import torch

from mechbook.core import settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in ("MECHBOOK_SCALE", "MECHBOOK_SEED", "MECHBOOK_DEVICE"):
        monkeypatch.delenv(name, raising=False)


def test_defaults_are_laptop_and_seed_zero():
    # Oracle: the documented defaults.
    assert settings.scale() == "laptop"
    assert settings.seed() == 0


def test_environment_is_followed(monkeypatch):
    # Oracle: the values set here.
    monkeypatch.setenv("MECHBOOK_SCALE", "paper")
    monkeypatch.setenv("MECHBOOK_SEED", "11")
    monkeypatch.setenv("MECHBOOK_DEVICE", "meta")
    assert settings.scale() == "paper"
    assert settings.seed() == 11
    assert settings.device() == torch.device("meta")


@pytest.mark.parametrize(
    ("name", "value", "read", "message"),
    [
        ("MECHBOOK_SCALE", "papr", settings.scale, "MECHBOOK_SCALE is 'papr'; it must be 'laptop' or 'paper'."),
        ("MECHBOOK_SEED", "-1", settings.seed, "MECHBOOK_SEED is '-1'; it must be a whole number >= 0."),
        ("MECHBOOK_SEED", "1.5", settings.seed, "MECHBOOK_SEED is '1.5'; it must be a whole number >= 0."),
        (
            "MECHBOOK_TF32",
            "yes",
            settings.uses_tf32,
            "MECHBOOK_TF32 is 'yes'; it must be 1 (multiply in TF32 on CUDA) or 0.",
        ),
        (
            "MECHBOOK_TF32",
            "",
            settings.device_name,
            "MECHBOOK_TF32 is ''; it must be 1 (multiply in TF32 on CUDA) or 0.",
        ),
        ("MECHBOOK_SEED", "", settings.seed, "MECHBOOK_SEED is ''; it must be a whole number >= 0."),
    ],
)
def test_impossible_values_are_refused_in_one_sentence(monkeypatch, name, value, read, message):
    # Oracle: the sentence.
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError) as caught:
        read()
    assert str(caught.value) == message


@pytest.mark.parametrize("value", ["gpu", "cuda:97"])
def test_unusable_device_is_refused(monkeypatch, value):
    # Oracle: a name no torch knows, and a card no machine has.
    monkeypatch.setenv("MECHBOOK_DEVICE", value)
    with pytest.raises(ValueError, match=f"MECHBOOK_DEVICE is '{value}'"):
        settings.device()


def test_device_falls_back_to_what_torch_has():
    # Oracle: torch's own answers, asked in the documented order.
    expected = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert settings.device().type == expected


@pytest.mark.parametrize(
    ("device", "value", "name"),
    [
        ("cpu", None, "cpu"),
        ("cpu", "1", "cpu"),
        ("cuda", None, "cuda"),
        ("cuda", "0", "cuda"),
        ("cuda", "1", "cuda (TF32)"),
    ],
)
def test_tf32_is_asked_for_and_cuda_alone_has_it(monkeypatch, device, value, name):
    # Oracle: the README's table.
    monkeypatch.setattr(settings, "device", lambda: torch.device(device))
    if value is not None:
        monkeypatch.setenv("MECHBOOK_TF32", value)
    assert settings.device_name() == name and settings.uses_tf32() == name.endswith("(TF32)")


def test_generators_repeat_and_differ_by_key_and_by_seed(monkeypatch):
    # Oracle: equality of first draws; (1,) and (1, 0) are a pair that a padded key would confuse.
    def first(*key):
        return torch.randint(2**62, (1,), generator=settings.generator(*key)).item()

    keys = [(), (0,), (1,), (1, 0), (0, 1), (0, 0), (2,)]
    draws = [first(*key) for key in keys]
    assert draws == [first(*key) for key in keys]
    monkeypatch.setenv("MECHBOOK_SEED", "1")
    draws += [first(*key) for key in keys]
    assert all(a != b for a, b in itertools.combinations(draws, 2))


def test_generator_refuses_negative_key():
    # Oracle: the sentence.
    with pytest.raises(ValueError, match=r"key of a generator is \(3, -2\)"):
        settings.generator(3, -2)
