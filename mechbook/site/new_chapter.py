"""Begin a chapter: its page, its folder of the package, one claim, one widget and their tests, which all pass.

    python -m mechbook.site.new_chapter NAME [ROOT]

Prints each file that is written or changed. The templates lie in `chapter/`.
"""

import csv
import json
import keyword
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from mechbook.core.cache.closure import PACKAGE
from mechbook.site import pair

TEMPLATES = Path(__file__).with_name("chapter")
# Each template, and where it goes.
PLACES = {
    "reference.md.txt": "book/reference/@NAME@.md",
    "page.md.txt": "book/@NN@_@NAME@.md",
    "theme__init__.py.txt": "mechbook/@NAME@/__init__.py",
    **{f"{name}.py.txt": f"mechbook/@NAME@/{name}.py" for name in ("presets", "streams", "experiments", "values")},
    "claims.py.txt": "mechbook/@NAME@/claims.py",
    "widgets__init__.py.txt": "mechbook/@NAME@/widgets/__init__.py",
    "widget.py.txt": "mechbook/@NAME@/widgets/@NAME@.py",
    "widget.js.txt": "mechbook/@NAME@/widgets/@NAME@.js",
    "checks.py.txt": "tests/browser/checks_@NAME@.py",
    "test_experiments.py.txt": "tests/@NAME@/test_experiments.py",
    "test_claims.py.txt": "tests/@NAME@/test_claims.py",
    "test_widget.py.txt": "tests/@NAME@/widgets/test_@NAME@.py",
}
CLAIM = (
    "@SLUG@.first",
    "@NUMBER@",
    "this book",
    "The squared length of a vector of N(0, 1/d) entries is 1 on average",
    "1",
    "the mean over 3 seeds within 0.05 of 1",
)


def refusal(name: str, root: Path) -> str:
    """What is wrong with a chapter's name, in one sentence, or ""."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or keyword.iskeyword(name):
        return f"NAME is {name!r}; it must be words of small letters and digits joined by _, such as sparse_codes."
    if len(name) > 24:
        return f"NAME is {name!r}; it must have at most 24 letters, as it is a folder and part of every name."
    taken = [root / "mechbook" / name, root / "mechbook" / f"{name}.py", root / "tests" / name]
    taken += sorted((root / "book").glob(f"*_{name}.md"))
    slug = name.replace("_", "").rstrip("0123456789")
    ids = (root / "mechbook" / "claims" / "claims.csv").read_text(encoding="utf-8")
    if found := next((place for place in taken if place.exists()), None):
        return f"NAME is {name!r}, and there is {found.relative_to(root)} already: choose another."
    if not re.fullmatch("[a-z]+", slug) or re.search(rf"^{slug}\.", ids, re.M):
        return f"NAME is {name!r}, and its claims would be {slug}.*, which is no id or is taken: choose another."
    return ""


def write(name: str, root: Path = PACKAGE.parent) -> list[str]:
    """Write the chapter `name` into the checkout `root`; return the files written and changed, from `root` on.

    Raises ValueError, one sentence, for a name that is no good and where a file is not as it is expected; then nothing
    is written.
    """
    if words := refusal(name, root):
        raise ValueError(words)
    layers = (root / "mechbook/site/layers.py").read_text(encoding="utf-8")
    themes = re.search(r"^THEMES = \((.*)\)$", layers, re.M)
    if themes is None:
        raise ValueError("mechbook/site/layers.py has no line THEMES = (...): add the chapter by hand.")
    number = themes[1].count(",") + 2
    words_of = {
        "NAME": name,
        "NN": f"{number:02}",
        "NUMBER": str(number),
        "CLASS": name.title().replace("_", ""),
        "TITLE": name.replace("_", " ").capitalize(),
        "SLUG": name.replace("_", "").rstrip("0123456789"),
    }

    def filled(text: str) -> str:
        text = re.sub("@([A-Z]+)@", lambda match: words_of[match[1]], text)
        # where a theme's import stands depends on its name
        return re.sub(r"(?:^from (?:mechbook|tests)[.\w]* import .*\n)+", _sorted, text, flags=re.M)

    texts = {filled(place): filled((TEMPLATES / file).read_text("utf-8")) for file, place in PLACES.items()}
    changed = _changed(name, filled, root)
    for file, text in (texts | changed).items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text, encoding="utf-8")
    page = root / filled(PLACES["page.md.txt"])
    pair.write(page)
    return [*texts, str(page.with_suffix(".ipynb").relative_to(root)), *changed]


def _sorted(block: re.Match[str]) -> str:
    return "".join(sorted(block[0].splitlines(keepends=True), key=lambda line: line.split()[1]))


def _changed(name: str, filled: Callable[[str], str], root: Path) -> dict[str, str]:
    """The new texts of the files that name every chapter, theme, widget or claim."""
    texts: dict[str, str] = {}

    def insert(file: str, pattern: str, added: str) -> None:
        """Put `added` behind the last place in `file` that `pattern` finds."""
        text = texts.get(file) or (root / file).read_text(encoding="utf-8")
        places = list(re.finditer(pattern, text, re.M))
        if not places:
            raise ValueError(f"{file} is not as it was, and nothing was written: add the chapter by hand.")
        end = places[-1].end()
        texts[file] = text[:end] + added + text[end:]

    layers = (root / "mechbook/site/layers.py").read_text(encoding="utf-8")
    entry = filled("      - file: book/@NN@_@NAME@\n")
    insert("_toc.yml", r"^      - file: book/\d\d_\w+\n(        sections:\n(?:          .*\n)+)?", entry)
    last = re.findall(r'"(\w+)"', (re.search(r"^THEMES = .*$", layers, re.M) or [""])[0])[-1]
    line = filled("          - file: book/reference/@NAME@\n")
    insert("_toc.yml", rf"^          - file: book/reference/{last}\n", line)
    line = filled("- {doc}`reference/@NAME@`: `mechbook.@NAME@`\n")
    insert("book/reference.md", rf"^- {{doc}}`reference/{last}`.*\n", line)
    insert("mechbook/site/layers.py", r"^THEMES = \(.*(?=\)$)", f', "{name}"')
    line = f'import {{ {name} }} from "../{name}/widgets/{name}.js";\n'
    insert("mechbook/site/main.js", r'^import \{.*\} from "\.\./\w+/widgets/\w+\.js";\n(?=import \* as paths)', line)
    insert("mechbook/site/main.js", r"^const widgets = \{\n(?:  .*\n)+", f"  {name},\n")
    line = filled("from tests.browser.checks_@NAME@ import exercise_@NAME@\n")
    insert("tests/site/test_browser.py", r"^from tests\.browser\.browser import .*\n", line)
    insert("tests/site/test_browser.py", r"^EXERCISES = \{\n(?:    .*\n)+", filled('    "@NAME@": exercise_@NAME@,\n'))
    counted = root / "tests/widgets/test_bundle.py"
    if counted.exists():  # where the widgets are counted
        text = counted.read_text(encoding="utf-8")
        more = re.sub(r"(?<=found == \[True, True, True, )\d+", lambda match: str(int(match[0]) + 1), text)
        texts |= {} if more == text else {"tests/widgets/test_bundle.py": more}
    claims = root / "mechbook/claims/claims.csv"
    with claims.open(encoding="utf-8", newline="") as file:
        end = "\r\n" if "\r\n" in file.read(4096) else "\n"
    row = ",".join(f'"{part}"' if "," in part else part for part in map(filled, CLAIM)) + end
    with claims.open(encoding="utf-8", newline="") as file:
        texts["mechbook/claims/claims.csv"] = file.read() + row
    assert next(csv.reader([row])) == [filled(part) for part in CLAIM]
    record = json.loads((root / "mechbook/site/record.json").read_text(encoding="utf-8"))
    record["laptop"] = dict(sorted({**record["laptop"], filled(CLAIM[0]): True}.items()))
    texts["mechbook/site/record.json"] = json.dumps(record, indent=2) + "\n"
    return texts


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the chapter that the command line names."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    name, root = (given[0] if given else ""), Path(given[1]) if len(given) > 1 else PACKAGE.parent
    if not name:
        print("Name the chapter: make new-chapter NAME=sparse_codes", file=sys.stderr)
        return 2
    try:
        files = write(name, root)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(files))
    print("All of it passes as it stands. README.md and book/index.md name the chapters: add it there.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
