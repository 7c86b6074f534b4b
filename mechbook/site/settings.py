"""The settings of a build, looked at before anything is done: one sentence for the first that is wrong."""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

# No machine that the book was tried on has more cores than this, and far more threads crash a product of matrices.
MOST = max(256, os.cpu_count() or 1)
# A path with one of the first is a pattern to those that look for pages, who then read others; the rest mean something
# in the address by which the cache of pages is opened.
PATTERNS = "*?[]#%"


class Parser(argparse.ArgumentParser):
    """A command line whose errors are one sentence, raised as ValueError."""

    def error(self, message: str) -> NoReturn:
        """Raise the sentence, without how the command is called."""
        raise ValueError(message.partition(": ")[2] if message.startswith("argument --") else f"{message}.")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the settings of the execution to a command line."""
    parser.add_argument("--workers", type=workers, default=2, help="chapters executed at a time")
    parser.add_argument("--threads", type=threads, default=os.environ.get("MECHBOOK_THREADS", "1"), help="of each")
    fresh = os.environ.get("MECHBOOK_FRESH") == "1"
    parser.add_argument("--fresh", action="store_true", default=fresh, help="execute unchanged chapters too")


def count(name: str, text: str) -> int:
    """The whole number from 1 to `MOST` that `text` writes; ArgumentTypeError, one sentence, otherwise."""
    # int() itself refuses thousands of digits, in words of its own
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= MOST):
        raise argparse.ArgumentTypeError(f"{name} is {text!r}; it must be a whole number from 1 to {MOST}.")
    return int(text)


def workers(text: str) -> int:
    """How many chapters are executed at a time; raises as `count`."""
    return count("WORKERS", text)


def threads(text: str) -> int:
    """How many threads each of them has; raises as `count`."""
    return count("THREADS", text)


def wrong_setting(root: Path, given: Mapping[str, str] | None = None) -> str | None:
    """What is wrong with the settings in the environment, or with the folder of the book, in one sentence, or None."""
    given = os.environ if given is None else given
    if any(mark in str(root) for mark in PATTERNS):
        return f"The book lies in {root}: a path with one of {' '.join(PATTERNS)} cannot be built in, move the folder."
    import yaml

    from mechbook.core import settings
    from mechbook.site.addresses import addresses

    try:
        settings.scale(), settings.seed(), settings.device_name()
        threads(given.get("MECHBOOK_THREADS", "1"))
        count("MECHBOOK_JOBS", given.get("MECHBOOK_JOBS", "1"))
    except (ValueError, argparse.ArgumentTypeError) as error:
        return str(error)
    try:
        addresses(yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8")) or {}, given)
    except FileNotFoundError:
        return f"There is no _config.yml in {root}, which has the settings of the book."
    except ValueError as error:
        return str(error)
    fresh = given.get("MECHBOOK_FRESH", "0")
    if fresh not in ("", "0", "1"):
        return f"MECHBOOK_FRESH is {fresh!r}; it must be 1 (compute everything anew) or 0."
    try:
        model_in_site(given)
    except ValueError as error:
        return str(error)
    return wrong_address(given.get("MECHBOOK_CLUSTER") or None)


def model_in_site(given: Mapping[str, str]) -> bool:
    """Whether the site gets the language model's weights. ValueError where MECHBOOK_MODEL_IN_SITE is not "0" or "1"."""
    value = given.get("MECHBOOK_MODEL_IN_SITE") or "1"
    if value not in ("0", "1"):
        raise ValueError(f"MECHBOOK_MODEL_IN_SITE is {value!r}; it must be 1 (lay the model beside the site) or 0.")
    return value == "1"


def wrong_address(cluster: str | None) -> str | None:
    """What is wrong with the address of a Dask scheduler, as far as it can be read off; None: there is none."""
    if cluster is None:
        return None
    try:
        parts = urlsplit(cluster if "://" in cluster else f"tcp://{cluster}")
        right = bool(parts.scheme and parts.hostname and parts.port)
    except ValueError:
        right = False
    return None if right else f"MECHBOOK_CLUSTER is {cluster!r}; it must be an address such as tcp://HOST:8786."
