"""How long one cell of a page may run before the build takes it for stuck."""

from pathlib import Path

from mechbook.core import settings
from mechbook.site.configuration import sphinx_config
from mechbook.site.layers import THEMES
from mechbook.site.notebooks import chapter_number

# A cell may take this many times what its chapter's missing runs are estimated at.
GENEROUS = 3


def cell_limit(root: Path, page: str) -> int | None:
    """Seconds that a cell of `page` may take, None for no limit.

    At the laptop's scale `execute: timeout:` of _config.yml. At the papers', to that is added three times what the runs
    of the chapter's theme that this machine does not have are estimated at, two steps of each kind being timed; where
    nothing is known of a theme's runs there is no limit.
    """
    base = int(sphinx_config(root)["nb_execution_timeout"])
    number = chapter_number(page)
    if settings.scale() == "laptop" or number is None:
        return base
    hours = missing_hours(THEMES[number - 1]) if number <= len(THEMES) else None
    return None if hours is None else base + round(GENEROUS * 3600 * hours)


def missing_hours(theme: str) -> float | None:
    """The estimated hours of a theme's runs that are not in this machine's cache; None where one is not known."""
    # only here, as it needs every theme
    from mechbook.paper.estimate import hours_left
    from mechbook.paper.everything import THEMES as RECORDED
    from mechbook.paper.standing import computed, kept_step

    total = 0.0
    for run in [run for each in RECORDED if each.name == theme for run in each.runs(each.setup)]:
        if computed(run):
            continue
        hours = hours_left(run, kept_step(run))
        if hours is None:
            return None
        total += hours
    return total if any(each.name == theme for each in RECORDED) else None
