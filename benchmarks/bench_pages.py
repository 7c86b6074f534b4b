"""Weigh and time the pages of the built book in headless Chromium, beside an empty page of its theme.

Run `python benchmarks/bench_pages.py [--site _build/html] [--files] [--only NAME]`; `make bench` does. Weight is of all
that a page asks for until its end is scrolled to: as it lies there, and compressed by gzip over the wire. Times are
milliseconds on a processor slowed down four times, the median of some runs; "alive" and the longest task after it count
from when the page's first widget is brought on the screen, as by a link to it. In brackets: against the empty page.
"""

import argparse
import re
import sys
from pathlib import Path
from statistics import median

from mechbook.site.notebooks import pages
from tests.browser.browser import launched, served
from tests.browser.loading import EMPTY, Part, Times, asked, empty_site, first_widget, parts, timed

ROOT = Path(__file__).resolve().parents[1]


def line(name: str, first: list[Part], whole: list[Part], times: list[Times], empty: tuple[int, Times]) -> str:
    """One row of the table."""

    def over(name: str) -> str:
        values = [value for one in times if (value := getattr(one, name)) is not None]
        if not values:
            return f"{'-':>13}"
        unit = getattr(empty[1], name)
        share = f"({median(values) / unit:.1f})" if unit else ""
        return f"{median(values):>7.0f}{share:>7}"

    wire = sum(part.wire for part in whole)
    weight = f"{sum(part.wire for part in first) / 1e6:6.2f} {wire / 1e6:6.2f} {f'({wire / empty[0]:.2f})':>7}"
    raw = f"{sum(part.raw for part in whole) / 1e6:6.2f}"
    marks = " ".join(over(one) for one in ("text", "parsed", "task", "alive", "after"))
    return f"{name:28} {weight} {raw} {marks} {times[0].nodes:>7}"


def main() -> int:
    """Print the table, and with --files what each page's weight is made of."""
    parser = argparse.ArgumentParser(description="Weigh and time the pages of the built book.")
    parser.add_argument("--site", type=Path, default=ROOT / "_build" / "html")
    parser.add_argument("--files", action="store_true", help="also print each page's files")
    parser.add_argument("--only", default="", help="pages whose name has this in it")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    html: Path = arguments.site
    names = [name for name in pages(ROOT) if re.search(r"/(index|\d\d_)", name) and arguments.only in name]
    if not (html / "index.html").exists():
        print(f"There is no site in {html}: run make book first.", file=sys.stderr)
        return 1
    head = f"{'':28} {'at once':>6} {'MB sent':>13} {'MB raw':>7}"
    print(head, *(f"{one:>13}" for one in ("first text", "parsed", "longest", "alive", "longest then")), "  nodes")
    try:
        with launched() as browser, served(html) as address, empty_site() as (folder, other):
            bare = parts(folder, asked(browser, f"{other}/{EMPTY}", whole=True))
            runs = [timed(browser, f"{other}/{EMPTY}") for _ in range(arguments.runs)]
            middle = sorted(runs, key=lambda one: one.parsed)[len(runs) // 2]
            unit = (sum(part.wire for part in bare), middle)
            print(line("(empty)", bare, bare, runs, unit))
            for name in names:
                url = f"{address}/{name}.html"
                whole = parts(html, asked(browser, url, whole=True))
                first = parts(html, asked(browser, url, whole=False))
                leap = first_widget(html / f"{name}.html")
                runs = [timed(browser, url, leap=leap) for _ in range(arguments.runs)]
                print(line(name.removeprefix("book/"), first, whole, runs, unit), flush=True)
                if arguments.files:
                    for part in whole[:14]:
                        print(f"    {part.wire / 1e3:8.1f} kB sent {part.raw / 1e3:8.1f} kB  {part.path}")
    except LookupError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
