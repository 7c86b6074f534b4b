"""Show the built site on this machine: `python -m mechbook.site.serve [PORT]`."""

import functools
import sys
from collections.abc import Sequence
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def port_of(text: str) -> int:
    """The port that `text` writes; ValueError, one sentence, where no server can listen there."""
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= 65535):
        raise ValueError(f"PORT is {text!r}; it must be a whole number from 1 to 65535.")
    return int(text)


def server(port: int, folder: Path) -> ThreadingHTTPServer:
    """A server of `folder` for this machine alone; ValueError, one sentence, for a port or a folder that is no good."""
    if not (folder / "index.html").is_file():
        raise ValueError("There is no site yet: run make book first.")
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(folder))
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError as error:
        words = f"Nothing can listen on port {port} ({error.strerror}): choose another with make serve PORT=..."
        raise ValueError(words) from error


def main(arguments: Sequence[str] | None = None, folder: Path = ROOT / "_build" / "html") -> int:
    """Serve until Ctrl-C."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        running = server(port_of(given[0] if given else "8000"), folder)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    with running:
        print(f"http://localhost:{running.server_address[1]} (Ctrl-C stops it)", flush=True)
        try:
            running.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
