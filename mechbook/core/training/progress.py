"""A progress bar on stderr for runs long enough to want one, never while the site is built."""

import os
import sys
from importlib import import_module
from importlib.util import find_spec
from types import TracebackType
from typing import Any

LONG_RUN_SECONDS = 5.0


class Progress:
    """Counts `total` steps from `start`; shows tqdm's bar after 5 seconds where tqdm is installed."""

    def __init__(self, start: int, total: int) -> None:
        self._bar: Any = None
        # the pages of the site would keep the bar as an output
        if os.environ.get("MECHBOOK_SITE_BUILD") != "1" and find_spec("tqdm"):
            self._bar = import_module("tqdm").tqdm(
                total=total, initial=start, delay=LONG_RUN_SECONDS, file=sys.stderr, unit="step", leave=False
            )

    def advance(self) -> None:
        if self._bar is not None:
            self._bar.update()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
