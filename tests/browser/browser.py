"""A headless Chromium for the tests and benchmarks of the site, with every host but this machine out of reach."""

import functools
import http.server
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
# Sections far from the screen are not laid out for a reader; for checks that measure a page they are.
WHOLE = """document.addEventListener("DOMContentLoaded", () => {
  const sheet = document.createElement("style");
  sheet.textContent = "* { content-visibility: visible !important; }";
  document.head.append(sheet);
});"""
HOW = "install it (Debian: apt-get install chromium)"
HERE = ("127.0.0.1", "localhost")


def chromium() -> str:
    """Return the path of a Chromium, installed where this machine allows it: root on Debian.

    Raises LookupError with a sentence that says how to get one.
    """
    if found := _found():
        return found
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for arguments in (["update"], ["install", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", "-qy", *arguments], env=environment, capture_output=True, check=False)
        if found := _found():
            return found
    raise LookupError(f"There is no Chromium for the browser tests: {HOW}.")


def _found() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def launched() -> Iterator[Any]:
    """A running browser with a profile of its own (Playwright's Browser); LookupError where there is none."""
    program = chromium()
    from playwright.sync_api import sync_playwright

    # Chromium refuses to run as root inside its sandbox.
    sandbox = not (hasattr(os, "geteuid") and os.geteuid() == 0)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS), chromium_sandbox=sandbox)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of `folder` on this machine while the context lasts."""
    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves without a line for each request."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@dataclass
class Opened:
    """A page with what it asked for and what it complained about."""

    page: Any
    outside: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    waiting: set[Any] = field(default_factory=set)

    def settle(self, *, quiet: int = 5, steps: int = 300) -> None:
        """Wait until nothing was being fetched for `quiet` tenths of a second; TimeoutError after `steps` of them.

        The browser's own "networkidle" does not come on some pages read from files, though all that they ask for has.
        """
        still = 0
        for _ in range(steps):
            self.page.wait_for_timeout(100)
            still = 0 if self.waiting else still + 1
            if still >= quiet:
                return
        raise TimeoutError(f"The page still waits for {', '.join(sorted(request.url for request in self.waiting))}.")


@contextmanager
def opened(
    browser: Any,
    url: str,
    *,
    width: int = 1280,
    height: int = 900,
    dark: bool = False,
    script: bool = True,
    whole: bool = True,
) -> Iterator[Opened]:
    """A page at `url` in a context of its own, watched from the first request on; `whole` is laid out at once."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        java_script_enabled=script,
        reduced_motion="reduce",
    )
    try:
        found = Opened(context.new_page())
        if script and whole:
            found.page.add_init_script(WHOLE)
        found.page.on("request", lambda request: _note(found, request))
        found.page.on("requestfinished", lambda request: found.waiting.discard(request))
        found.page.on("requestfailed", lambda request: found.waiting.discard(request))
        found.page.on("console", lambda entry: _complaint(found, entry))
        found.page.on("pageerror", lambda error: found.errors.append(str(error)))
        found.page.goto(url, wait_until="load")
        yield found
    finally:
        context.close()


def _complaint(found: Opened, entry: Any) -> None:
    place = entry.location.get("url", "")
    # Browsers ask for this one of themselves.
    if entry.type == "error" and not place.endswith("/favicon.ico"):
        found.errors.append(f"{entry.text} ({place})")


def _note(found: Opened, request: Any) -> None:
    found.waiting.add(request)
    url = request.url
    parts = urlsplit(url)
    if parts.scheme not in ("file", "data", "blob", "about") and parts.hostname not in HERE:
        found.outside.append(url)


@contextmanager
def library_page(browser: Any) -> Iterator[Any]:
    """An empty page of the file system with the widgets' scripts loaded."""
    from mechbook.widgets.bundle import library

    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "mechbook.js").write_text(library(), encoding="utf-8")
        text = '<!doctype html><meta charset="utf-8"><title>t</title><script src="mechbook.js"></script>'
        (Path(name) / "index.html").write_text(text, encoding="utf-8")
        with opened(browser, (Path(name) / "index.html").as_uri()) as found:
            if found.errors:
                raise RuntimeError(f"The widgets' scripts do not load: {found.errors[0]}")
            yield found.page
