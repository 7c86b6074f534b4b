"""Ask whether the addresses of other hosts still answer that the built site, and the repository's own texts, name.

    python -m mechbook.site.links _build/html README.md

Prints a line for each that does not, with where it is named; exit code 1 where one does not. Needs the standard library
alone. Links within the site are the tests' (`make check-site`).
"""

import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urldefrag

WAIT = 20.0
TRIES = 3
# What a host says to a program that it wants to keep out, or to one in a hurry: the page is there.
NOT_FOR_PROGRAMS = (401, 403, 405, 406, 418, 429)
IN_TEXT = re.compile(r"https?://[^\s)>\"'`\]]+")


class Anchors(HTMLParser):
    """The addresses that a page's links name; scripts' and pictures' are its own, as tests see to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note where a link leads that leaves the site."""
        address = dict(attrs).get("href") if tag == "a" else None
        if address and address.startswith(("http://", "https://")):
            self.found.add(address)


def addresses(places: Iterable[Path]) -> dict[str, list[str]]:
    """Each address of another host, without its anchor, with the files that name it; a folder is that of a site."""
    found: dict[str, list[str]] = {}
    for place in places:
        for file in sorted(place.rglob("*.html")) if place.is_dir() else [place]:
            text = file.read_text(encoding="utf-8")
            if file.suffix == ".html":
                anchors = Anchors()
                anchors.feed(text)
                named = anchors.found
            else:
                named = {match.rstrip(".,;:") for match in IN_TEXT.findall(text)}
            for address in sorted({urldefrag(address).url for address in named}):
                found.setdefault(address, []).append(file.name)
    return dict(sorted(found.items()))


def answer(address: str, *, wait: float = WAIT, tries: int = TRIES, pause: float = 5.0) -> str | None:
    """What is wrong with an address, in words, or None; asked `tries` times, `pause` seconds apart."""
    words: str | None = None
    for number in range(tries):
        if number:
            time.sleep(pause)
        request = urllib.request.Request(address, headers={"User-Agent": "Mozilla/5.0 (mechbook's check of links)"})
        try:
            with urllib.request.urlopen(request, timeout=wait):
                return None
        except urllib.error.HTTPError as error:
            if error.code in NOT_FOR_PROGRAMS:
                return None
            words = f"it answers {error.code}"
            if error.code in (404, 410):
                return words
        except (OSError, ValueError) as error:
            words = f"it does not answer ({getattr(error, 'reason', None) or error})"
    return words


def broken(named: dict[str, list[str]], ask: Callable[[str], str | None] = answer) -> list[str]:
    """A sentence for each address that does not answer."""
    with ThreadPoolExecutor(8) as pool:
        said = dict(zip(named, pool.map(ask, named), strict=True))
    return [f"{address}: {words} (in {', '.join(named[address])})." for address, words in said.items() if words]


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask every address of the files and folders named on the command line."""
    places = [Path(name) for name in (sys.argv[1:] if arguments is None else arguments)]
    if missing := [str(place) for place in places if not place.exists()]:
        print(f"There is no {missing[0]}: run make book first.", file=sys.stderr)
        return 2
    if not places:
        print("Name files and folders: python -m mechbook.site.links _build/html README.md", file=sys.stderr)
        return 2
    named = addresses(places)
    told = broken(named)
    print("\n".join([*told, f"{len(named)} addresses asked, {len(told)} do not answer."]))
    return int(bool(told))


if __name__ == "__main__":
    sys.exit(main())
