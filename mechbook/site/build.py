"""Build the site: check the settings, execute what changed, write every page.

    python -m mechbook.site.build [--workers 2] [--threads 1] [--fresh] [--check]

With --check only the settings are looked at, and what is wrong with them is printed. Exit codes: 2 a setting, 1 a
chapter or a page, 130 an interruption, 0 a whole site.
"""

# Whatever takes long to import is imported by who needs it, where an interruption is one line.
import shutil
import sys
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REDIRECT = '<!doctype html><title>{0}</title><meta http-equiv="refresh" content="0; url={0}"><a href="{0}">{0}</a>\n'


def write_site(root: Path) -> int:
    """Write every page of the book in `root` from the executed chapters; return Sphinx's status, 1 after any warning.

    Raises RuntimeError, with Sphinx's words, where it writes nothing. The doctrees go first: with those of an earlier
    build a page that failed would pass unread.
    """
    from sphinx.application import Sphinx
    from sphinx.errors import SphinxError
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    from mechbook.core.progress import Line, on_screen
    from mechbook.site.configuration import sphinx_config
    from mechbook.site.notebooks import pages

    build = root / "_build"
    html = build / "html"
    shutil.rmtree(build / ".doctrees", ignore_errors=True)
    config = sphinx_config(root)
    # It looks at every object there is, and one of torch's answers with a notice of its own deprecation.
    warnings.filterwarnings("ignore", category=FutureWarning, module="sphinx_external_toc")
    # Jupyter Book's own entry point adds nothing for HTML but a closing box in place of the exit code.
    with patch_docutils(None), docutils_namespace():
        try:
            app = Sphinx(
                srcdir=root,
                confdir=None,
                outdir=html,
                doctreedir=build / ".doctrees",
                buildername="html",
                confoverrides=config,
                status=None,
                warning=sys.stderr,
                warningiserror=True,
                keep_going=True,
            )
            # once when a page is read, once when it is written
            with Line("the site's pages", 2 * len(pages(root)), "steps", show=on_screen()) as line:
                for event in ("source-read", "html-page-context"):
                    app.connect(event, lambda *_: line.advance())
                app.build()
        except SphinxError as error:
            raise RuntimeError(f"{error.category}: {error}") from error
    first = f"{pages(root)[0]}.html"
    if first != "index.html":
        (html / "index.html").write_text(REDIRECT.format(first), encoding="utf-8")
    # Pages that are served from a branch leave out what begins with "_" unless this file is there.
    (html / ".nojekyll").write_text("", encoding="utf-8")
    return app.statuscode


def main() -> int:
    """Build the book this package lies in; an interruption at any time is one line."""
    try:
        return build(ROOT)
    except KeyboardInterrupt:
        print("Interrupted; the chapters that were done are kept.", file=sys.stderr)
        return 130


def build(root: Path) -> int:
    """Build the book in `root` as the command line says; return the exit code."""
    from mechbook.site.settings import Parser, add_arguments, wrong_setting

    started = time.perf_counter()
    parser = Parser(description="Build the site.")
    parser.add_argument("--check", action="store_true", help="print what is wrong with the settings, and stop")
    add_arguments(parser)
    try:
        arguments = parser.parse_args()
        wrong = wrong_setting(root)
    except ValueError as error:
        wrong = str(error)
    if "--check" in sys.argv:
        # make, which asks, ends the sentence itself.
        print((wrong or "").rstrip("."), end="")
        return 0
    if wrong:
        print(wrong, file=sys.stderr)
        return 2
    from mechbook.site.execute import execute, prepare

    try:
        prepare(arguments.threads)
        (root / "_build" / "html" / "claims.json").unlink(missing_ok=True)
        seconds = execute(root, workers=arguments.workers, fresh=arguments.fresh)
        executed = time.perf_counter() - started
        status = write_site(root)
    except OSError as error:
        print(f"The book cannot be built: {error.strerror}: {error.filename}.", file=sys.stderr)
        return 1
    except (RuntimeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    total = time.perf_counter() - started
    ran = sum(second > 0 for second in seconds.values())
    pages = total - executed
    print(f"{ran} of {len(seconds)} chapters executed, {executed:.1f} s; pages {pages:.1f} s; total {total:.1f} s.")
    if status:
        print("The site is written to _build/html, with the problems above.", file=sys.stderr)
    else:
        print("The site is _build/html/index.html; make serve shows it.")
    return status


if __name__ == "__main__":
    sys.exit(main())
