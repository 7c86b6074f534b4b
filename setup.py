"""What pyproject.toml cannot say of a build: the records go along, and nothing is left behind in the checkout.

A build/ left behind by `pip install .` would also bring modules into the next wheel that are gone by then.
"""

import shutil
import tempfile
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent


class WithRecords(build_py):
    """The package with the records of `results`, as `mechbook/results`, where `mechbook.records.files` finds them."""

    def run(self) -> None:
        """Copy the package, then the records; an editable install reads the checkout's own."""
        super().run()
        if not self.editable_mode and (ROOT / "results").is_dir():
            shutil.copytree(ROOT / "results", Path(self.build_lib, "mechbook", "results"), dirs_exist_ok=True)


with tempfile.TemporaryDirectory() as folder:
    setup(cmdclass={"build_py": WithRecords}, options={"build": {"build_base": folder}})
