"""Check the widgets' scripts: types as TypeScript reads them out of comments, and eslint's rules.

    python -m mechbook.site.lint

Prints what is wrong, and nothing where nothing is. Exit code 1 where something is.
"""

import sys
from pathlib import Path

from mechbook.core import npm
from mechbook.core.cache.closure import PACKAGE

# Each tool as a script of its npm package, and what it is asked.
TOOLS = (
    ("typescript/bin/tsc", ("--project", "tsconfig.json", "--pretty", "false")),
    ("eslint/bin/eslint.js", ("--max-warnings", "0", "mechbook")),
)


def problems(project: Path = PACKAGE.parent) -> str:
    """What the tools say of the scripts in `project`, "" where they are clean; raises RuntimeError as `npm.run`."""
    found = []
    for tool, arguments in TOOLS:
        done = npm.run(tool, arguments, project)
        if done.returncode or done.stdout.strip():
            words = (done.stdout + done.stderr).strip()
            found.append(words or f"{tool} ended with {done.returncode}.")
    return "\n".join(found)


def main() -> int:
    """Print the problems."""
    try:
        words = problems()
    except RuntimeError as error:
        words = str(error)
    if words:
        print(words, file=sys.stderr)
    return 1 if words else 0


if __name__ == "__main__":
    sys.exit(main())
