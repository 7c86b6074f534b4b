"""The check of other hosts' addresses. Oracle: a server here that says what each of its pages is to say."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mechbook.site.links import addresses, answer, broken, main

ASKED: list[str] = []


class Pages(http.server.BaseHTTPRequestHandler):
    """/200 says 200 and so on; /moved leads to /200; /once fails the first time."""

    def do_GET(self) -> None:
        ASKED.append(self.path)
        name = self.path.strip("/")
        code = {"moved": 302, "once": 503 if ASKED.count(self.path) == 1 else 200}.get(name) or int(name)
        self.send_response(code)
        if name == "moved":
            self.send_header("Location", "/200")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def host() -> Iterator[str]:
    ASKED.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_addresses_are_those_of_links_and_texts_without_their_anchors(tmp_path: Path) -> None:
    site = tmp_path / "html" / "book"
    site.mkdir(parents=True)
    page = '<a href="https://a.test/x#y">x</a><a href="b.html">b</a><img src="https://c.test/p.png">https://d.test'
    (site / "one.html").write_text(page, encoding="utf-8")
    (site / "two.html").write_text('<a title="t" href="https://a.test/x">x</a>', encoding="utf-8")
    readme = tmp_path / "README.md"
    readme.write_text("See [it](https://e.test/q?r=1), or https://f.test/g.\n", encoding="utf-8")
    assert addresses([tmp_path / "html", readme]) == {
        "https://a.test/x": ["one.html", "two.html"],
        "https://e.test/q?r=1": ["README.md"],
        "https://f.test/g": ["README.md"],
    }


@pytest.mark.parametrize(
    ("page", "words", "times"),
    [
        ("200", None, 1),
        ("moved", None, 1),
        ("once", None, 2),
        ("403", None, 1),
        ("404", "it answers 404", 1),
        ("500", "it answers 500", 3),
    ],
)
def test_what_a_page_says(host: str, page: str, words: str | None, times: int) -> None:
    assert answer(f"{host}/{page}", pause=0.0) == words
    assert ASKED.count(f"/{page}") == times


def test_a_host_that_there_is_not_does_not_answer() -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        closed = server.server_address[1]
    said = answer(f"http://127.0.0.1:{closed}/", pause=0.0, wait=2.0)
    assert said is not None and said.startswith("it does not answer")


def test_each_broken_address_is_told_with_its_files() -> None:
    named = {"https://a.test": ["one.html", "two.html"], "https://b.test": ["one.html"]}
    said = broken(named, lambda address: "it answers 404" if "a.test" in address else None)
    assert said == ["https://a.test: it answers 404 (in one.html, two.html)."]


def test_the_command_ends_with_1_where_one_is_broken(
    host: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "a.md"
    text.write_text(f"{host}/200 {host}/404", encoding="utf-8")
    assert main([str(text)]) == 1
    assert capsys.readouterr().out.endswith("2 addresses asked, 1 do not answer.\n")
    text.write_text(f"{host}/200", encoding="utf-8")
    assert main([str(text)]) == 0
    assert main([str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err.startswith("There is no ")
