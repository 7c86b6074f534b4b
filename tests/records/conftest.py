"""Records in a folder of the test's own."""

from pathlib import Path
from typing import Any

import pytest

from mechbook.records.kept import ClaimRecord, RunRecord
from mechbook.records.machine import Machine

MACHINE = Machine(
    device="Abacus 3", kind="cuda", torch="9.9", tf32=True, threads=7, date="2031-05-17", commit="0123456789abcdef"
)
# A module that is there, whose code a record may stand on.
MODULES = ("mechbook.records.machine",)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of records, empty."""
    monkeypatch.setenv("MECHBOOK_RECORDS", str(tmp_path / "paper"))
    return tmp_path / "paper"


def run_record(**changes: Any) -> RunRecord:
    known: dict[str, Any] = {
        "name": "induction/frozen/joint/0",
        "settings": {"run": {"T": 11, "steps": [1, 2]}, "seed": 0},
        "modules": MODULES,
        "code": "c0de",
        "steps": [0, 5, 7],
        "values": {"loss": [1.23456789, 0.000123456789, 12345.6789], "W_O2": [0.0, 1.0, float("nan")]},
        "final": {"accuracy": 1 / 3},
        "seconds": 12.34567,
        "machine": MACHINE,
    }
    return RunRecord(**{**known, **changes})


def claim_record(**changes: Any) -> ClaimRecord:
    known: dict[str, Any] = {
        "claim": "ih.order",
        "setup": {"T": 11, "seeds": 2},
        "seed": 0,
        "modules": MODULES,
        "code": "c0de",
        "values": [{"W_O2": 1 / 3, "W_K1": 7}, {"W_O2": 2 / 3, "W_K1": 6}],
        "seeds": [0, 1],
        "budgets": {"W_K1": 6},
        "runs": ["induction/frozen/joint/0", "induction/frozen/joint/1"],
        "seconds": 3.5,
        "machines": [MACHINE],
    }
    return ClaimRecord(**{**known, **changes})
