"""What the criteria's tests of every theme share: a table of values that hold, and one of single changes that fail.

    HOLDS = {claim: one seed's values, ...}
    FAILS = [(claim, {name: value, ...}, {places of the checks that then fail}), ...]

A claim is its id or its declared `Values`. A claim that is one number has it under the name PLAIN.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from mechbook.claims.criteria import CRITERIA, Check
from mechbook.claims.values import Values
from mechbook.site import judge  # noqa: F401 - it imports every theme's criteria

PLAIN = "a plain number"


def applied(claim: str | Values, *seeds: Mapping[str, Any], scale: str = "laptop") -> list[Check]:
    """The checks of the claim's criterion for one or several seeds' values."""
    id = claim.claim if isinstance(claim, Values) else claim
    return CRITERIA[id](id, [seed[PLAIN] if PLAIN in seed else dict(seed) for seed in seeds], scale)


def failing(checks: Iterable[Check]) -> set[int]:
    """The places of the checks that do not hold."""
    return {place for place, check in enumerate(checks) if not check.ok}


def uncovered(
    holds: Mapping[Any, Mapping[str, Any]], fails: Iterable[tuple[Any, Mapping[str, Any], set[int]]], *, seeds: int
) -> dict[str, set[int]]:
    """Each claim's checks that no row of `fails` makes fail: empty where the tables are complete."""
    rows = list(fails)
    left = {}
    for claim, seed in holds.items():
        made = {place for other, _, places in rows if other is claim or other == claim for place in places}
        if open_ := set(range(len(applied(claim, *[seed] * seeds)))) - made:
            left[claim.claim if isinstance(claim, Values) else claim] = open_
    return left
