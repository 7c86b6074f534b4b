"""The cache of executed pages: what it has is checked before a page is made of it, and what is damaged goes."""

import json
import shutil
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from nbformat.reader import NotJSONError
from sqlalchemy.exc import OperationalError, SQLAlchemyError


def opened(folder: Path) -> JupyterCacheAbstract:
    """The cache in `folder`; one whose list of entries cannot be read is removed, with a line that says so.

    RuntimeError, one sentence, where the disk is full or refuses: that costs no page.
    """
    try:
        cache = get_cache(folder)
        cache.list_cache_records()
    except (SQLAlchemyError, ValueError) as error:
        _refuse_disk(folder, error)
        words = f"the list of executed pages cannot be read ({_first(error)}): they are executed again."
        print(f"{folder}: {words}", flush=True)
        shutil.rmtree(folder)
        cache = get_cache(folder)
        cache.list_cache_records()
    return cache


def kept(cache: JupyterCacheAbstract, notebook: nbformat.NotebookNode) -> bool:
    """Whether the cache can give this notebook's outputs; an entry that is cut, swapped or no notebook is removed.

    RuntimeError as `opened`.
    """
    try:
        pk = cache.match_cache_notebook(notebook).pk
    except KeyError:
        return False
    except OperationalError as error:
        _refuse_disk(Path(cache.path), error)
        raise
    _, key = cache.create_hashed_notebook(notebook)
    try:
        found = cache.get_cache_bundle(pk).nb
        if cache.create_hashed_notebook(found)[1] != key:
            raise ValueError("it is another page's")
        nbformat.validate(found)
        cache.merge_match_into_notebook(notebook)
    except OperationalError as error:
        _refuse_disk(Path(cache.path), error)
        raise
    except (KeyError, NotJSONError, ValueError, TypeError, AttributeError, IndexError, OSError) as error:
        print(f"A page's entry in the cache cannot be used ({_first(error)}): it is executed again.", flush=True)
        shutil.rmtree(Path(cache.path) / "executed" / key, ignore_errors=True)
        return False
    return True


def keep(cache: JupyterCacheAbstract, notebook: str, seconds: float, path: Path) -> None:
    """Keep the executed notebook (JSON) of the page `path`. OSError, SQLAlchemyError where it cannot be written."""
    executed = nbformat.reads(notebook, as_version=4)
    bundle = CacheBundleIn(executed, str(path), data={"execution_seconds": seconds})
    # Its check wants execution counts without gaps, which an empty cell leaves.
    cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


def timings(path: Path) -> dict[str, float]:
    """How long each page took when it last ran; nothing where that cannot be read, as it only decides an order."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    known = found.items() if isinstance(found, dict) else ()
    return {page: float(seconds) for page, seconds in known if isinstance(seconds, int | float)}


def _refuse_disk(folder: Path, error: Exception) -> None:
    """RuntimeError where it is the disk that refuses; what lacks a table or is no database is damaged instead."""
    if isinstance(error, OperationalError) and "no such" not in str(error):
        words = f"{folder}: the list of executed pages cannot be opened ({_first(error)}); nothing of it is lost."
        raise RuntimeError(words) from error


def _first(error: Exception) -> str:
    """The first line of what an error says."""
    return (str(error) or type(error).__name__).strip().splitlines()[0]
