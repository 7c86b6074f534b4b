"""The book's Sphinx configuration, from _config.yml and _toc.yml at its root."""

from pathlib import Path
from typing import Any

import yaml
from jupyter_book.config import get_final_config
from myst_parser.config.main import MdParserConfig

from mechbook.site.addresses import Addresses, addresses, with_addresses


def sphinx_config(root: Path) -> dict[str, Any]:
    """The settings Sphinx builds the book in `root` with. ValueError for an address that is none."""
    config: dict[str, Any] = get_final_config(
        user_yaml=root / "_config.yml",
        cli_config={"external_toc_path": (root / "_toc.yml").as_posix(), "latex_individualpages": False},
        sourcedir=root,
    )[0]
    return with_addresses(config, addresses_of(root))


def addresses_of(root: Path) -> Addresses:
    """Where the repository and the site of the book in `root` are. ValueError for an address that is none."""
    return addresses(yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8")) or {})


def markdown_config(root: Path) -> MdParserConfig:
    """How the pages' Markdown is read: which cells a page has depends on it."""
    return MdParserConfig(enable_extensions=set(sphinx_config(root)["myst_enable_extensions"]))
