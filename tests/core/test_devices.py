"""What depends on the kind of device, asked on a machine that may have the CPU alone."""

import pytest
import torch

from mechbook.core import devices, settings


@pytest.mark.parametrize(("value", "precision"), [("1", "tf32"), ("0", "ieee")])
def test_products_have_the_precision_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, value: str, precision: str
) -> None:
    """Oracle: torch's own setting."""
    before = torch.backends.cuda.matmul.fp32_precision
    monkeypatch.setattr(settings, "device", lambda: torch.device("cuda"))
    monkeypatch.setenv("MECHBOOK_TF32", value)
    try:
        devices.use_precision()
        assert torch.backends.cuda.matmul.fp32_precision == precision
    finally:
        torch.backends.cuda.matmul.fp32_precision = before


def test_on_the_cpu_the_precision_is_left_alone_and_a_wrong_value_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MECHBOOK_DEVICE", "cpu")
    monkeypatch.setenv("MECHBOOK_TF32", "1")
    before = torch.backends.cuda.matmul.fp32_precision
    devices.use_precision()
    assert torch.backends.cuda.matmul.fp32_precision == before
    monkeypatch.setenv("MECHBOOK_TF32", "2")
    with pytest.raises(ValueError, match="^MECHBOOK_TF32 is '2'; it must be 1"):
        devices.use_precision()


@pytest.mark.parametrize(
    ("device", "accelerator", "dtype"),
    [("cpu", False, torch.float64), ("cuda", True, torch.float32), ("mps", True, torch.float32)],
)
def test_what_is_an_accelerator(device: str, accelerator: bool, dtype: torch.dtype) -> None:
    assert devices.is_accelerator(device) == devices.is_accelerator(torch.device(device)) == accelerator
    assert devices.counting_type(device) == dtype


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_optimizers_take_the_arguments(device: str) -> None:
    """Oracle: torch refuses what a device has not."""
    weight = torch.ones(3, device=device, requires_grad=True)
    weight.grad = torch.ones(3, device=device)
    torch.optim.AdamW([weight], **devices.fast_optimizer(device)).step()
