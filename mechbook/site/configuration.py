"""The book's Sphinx configuration, from _config.yml and _toc.yml at its root."""

from pathlib import Path
from typing import Any

from jupyter_book.config import get_final_config
from myst_parser.config.main import MdParserConfig


def sphinx_config(root: Path) -> dict[str, Any]:
    """The settings Sphinx builds the book in `root` with."""
    return get_final_config(
        user_yaml=root / "_config.yml",
        cli_config={"external_toc_path": (root / "_toc.yml").as_posix(), "latex_individualpages": False},
        sourcedir=root,
    )[0]


def markdown_config(root: Path) -> MdParserConfig:
    """How the pages' Markdown is read: which cells a page has depends on it."""
    return MdParserConfig(enable_extensions=set(sphinx_config(root)["myst_enable_extensions"]))
