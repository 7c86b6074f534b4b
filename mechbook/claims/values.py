"""The numbers a claim is judged by: each name is written once, in its theme's `values.py`, with what it means.

    DROP_F2 = Values("noisy.drop_f2", correct="P(correct) with F_2 dropped", noise="P(noise) with F_2 dropped")
    FULL = Values("noisy.full_predicts_noise", "P(noise) of the full model")  # one number, without a name

A chapter reports them (`report(DROP_F2, values=[DROP_F2(correct=0.9, noise=0.01)], ...)`) and the claim's criterion
reads them (`@criterion(DROP_F2)`); a name that is not declared is refused in both places.
"""

from typing import Any


class Values:
    """The values of one claim: `claim` is its id, `names` says what each value is; `one`, instead, what a number is."""

    def __init__(self, claim: str, one: str | None = None, /, **names: str) -> None:
        if (one is None) == (not names):
            raise ValueError(f"{claim} is declared either with one description or with named values.")
        self.claim, self.one, self.names = claim, one, names

    def __call__(self, **numbers: Any) -> dict[str, Any]:
        """The numbers of one seed, by name; TypeError where they are not the declared ones."""
        self.check(numbers)
        return numbers

    def check(self, value: Any) -> None:
        """Raise TypeError, one sentence, unless `value` is a mapping of exactly the declared names (a number: none)."""
        given = set(value) if isinstance(value, dict) else set()
        if self.one is not None and isinstance(value, dict):
            raise TypeError(f"{self.claim} is reported as one number for each seed, not by the names {sorted(given)}.")
        if self.one is None and given != set(self.names):
            wrong = [*(f"{name!r} is not declared" for name in sorted(given - set(self.names)))]
            wrong += [f"{name!r} is missing" for name in self.names if name not in given]
            raise TypeError(f"{self.claim} is reported with other names than it declares: {'; '.join(wrong)}.")
