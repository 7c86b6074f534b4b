"""Named random streams: a theme's names, and the numbers behind them.

    STREAMS = Streams("noisy", ("main", (4, 3), 2), ("fine-tuned", (4, 5), 2))
    STREAMS.generator("main", seed, 0)      # settings.generator(4, 3, seed, 0)

The numbers decide what is drawn, so they stay once something has been measured with them; names may change.
"""

from collections.abc import Iterator, Mapping
from itertools import combinations

from torch import Generator

from mechbook.core import settings

Named = tuple[str, tuple[int, ...], int | tuple[int, ...]]
"""A stream's name, the numbers it begins with, and how many more its users add (one count, or all that occur)."""


class Streams(Mapping[str, tuple[int, ...]]):
    """The random streams of one theme by name; `streams[name]` are the numbers that it begins with.

    ValueError where two have one name, or where two can come to the same numbers.
    """

    def __init__(self, theme: str, *named: Named) -> None:
        self.theme = theme
        self.numbers: dict[str, tuple[int, ...]] = {}
        self.more: dict[str, tuple[int, ...]] = {}
        for name, numbers, more in named:
            if name in self.numbers:
                raise ValueError(f"Two random streams of {theme} are named {name!r}: give one of them another name.")
            self.numbers[name] = numbers
            self.more[name] = (more,) if isinstance(more, int) else more
        if found := coincidences(self):
            raise ValueError(found[0])

    def __getitem__(self, name: str) -> tuple[int, ...]:
        if name not in self.numbers:
            raise KeyError(f"{self.theme} has no random stream {name!r}: it has {', '.join(self.numbers)}.")
        return self.numbers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)

    def generator(self, name: str, *more: int) -> Generator:
        """The generator of the stream `name` with its further numbers, such as a seed and a part.

        KeyError for a name that there is not, ValueError for another count of numbers than was declared.
        """
        first = self[name]
        if len(more) not in self.more[name]:
            counts = " or ".join(map(str, self.more[name]))
            raise ValueError(f"The stream {name!r} of {self.theme} takes {counts} further numbers, not {len(more)}.")
        return settings.generator(*first, *more)


def coincidences(*themes: Streams) -> list[str]:
    """A sentence for each two streams of `themes` that can come to the same numbers."""
    every = [(themes_streams, name) for themes_streams in themes for name in themes_streams]
    found = []
    for (left, a), (right, b) in combinations(every, 2):
        x, y = left[a], right[b]
        lengths = {len(x) + n for n in left.more[a]} & {len(y) + n for n in right.more[b]}
        shared = min(len(x), len(y))
        if lengths and x[:shared] == y[:shared]:
            found.append(
                f"The random streams {a!r} of {left.theme} and {b!r} of {right.theme} can draw the same numbers, "
                f"{x} and {y}: give one of them numbers of its own."
            )
    return found
