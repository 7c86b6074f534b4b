"""Notebooks that travel, of a small book that has every role and directive chapters use.

Oracle: nbformat's own check, the numbers that the small book's cells compute, and what a reader's link would be.
"""

import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import nbformat
import pytest

from mechbook.site.addresses import addresses
from tests.site_build.conftest import HEADER, ROOT, Project

# A role, a directive, and the fences of MyST, as they must never be left in a notebook.
LEFT = re.compile(r"\{[a-z][a-z:-]*\}`|^\s*(?::{3,}|`{3,}\{)|^\([\w-]+\)=$", re.M)
FIRST = (
    HEADER
    + """# First page

(sec-here)=
## Here

As {cite:t}`someone2020` say, and {cite:p}`someone2020` too, {doc}`the other page <02_second>` has
{ref}`a section <sec-there>`.

```{code-cell} ipython3
:tags: [hide-input]
from myst_nb import glue
from mechbook import one
glue("the_number", one.NUMBER + 1, display=False)
```

It is {glue:text}`the_number:.2f` in {numref}`fig-one`, by {eq}`eq-one`; here is {ref}`this section <sec-here>`.

$$
a + b &= c \\\\
d &= e
$$ (eq-one)

```{code-cell} ipython3
---
mystnb:
  figure: {caption: "Shown with {glue:text}`the_number:.1f`.", name: fig-one}
---
from IPython.display import HTML
HTML("<b>1</b>")
```

```{code-cell} ipython3
:tags: [remove-cell]
removed = 7
```

```{code-cell} ipython3
from mechbook.run import trained
from mechbook.claims.report import report
report("am.one", values=[trained(), 3.0], seeds=[0, 1], figure="fig-one")
```

:::{admonition} Predict
:class: tip
What will it be?
:::

:::{admonition} What to expect
:class: dropdown
Two.
:::

```{list-table} A table
:header-rows: 1
* - name
  - value
* - $x|y$
  - 2
```

```{exercise-start} A question
:label: ex-one
```
What is {eq}`eq-one`?

```{code-cell} ipython3
1 + 1
```

```{exercise-end}
```

````{solution-start} ex-one
:class: dropdown
````
It is this.

```{code-cell} ipython3
2 + 2
```

And {ref}`the exercise <ex-one>` is done.

````{solution-end}
````
"""
)
SECOND = "(sec-there)=\n# Second page\n\nText, and {measured}`am.one`.\n"
RUN = """from mechbook.core.cache.entries import cached


def trained():
    return cached({"what": "toy"}, lambda: 4.0, modules=("mechbook.run",))
"""
BIB = """@article{someone2020, author = {Ada Someone}, title = {A title}, journal = {J}, year = {2020}}
"""


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The book, built without any address."""
    project = Project(tmp_path_factory.mktemp("travel"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "requirements-models.txt"):
        shutil.copy(ROOT / name, project.root / name)
    # a cached run wants the real settings
    shutil.copy(ROOT / "mechbook/core/settings.py", project.root / "mechbook/core/settings.py")
    project.write("mechbook/run.py", RUN)
    project.write("book/01_first.md", FIRST)
    project.write("book/02_second.md", SECOND)
    project.write("book/references.bib", BIB)
    project.write("book/bibliography.md", "# Bibliography\n\n```{bibliography}\n```\n")
    pages = ("01_first", "02_second", "scorecard", "found", "status", "bibliography")
    project.write(
        "_toc.yml",
        "format: jb-book\nroot: book/index\nchapters:\n" + "".join(f"  - file: book/{page}\n" for page in pages),
    )
    built(project)
    return project


def built(project: Project, **variables: str) -> None:
    """Build; anything but a clean site fails."""
    done = project.run("build", MECHBOOK_DEVICE="cpu", **variables)
    assert done.returncode == 0, done.stdout + done.stderr


def notebook(project: Project) -> Any:
    """What the download button leads to."""
    (address,) = re.findall(r'href="(?!https?:)([^"]*\.ipynb)"', project.page("01_first"))
    path = (project.root / "_build/html/book" / address).resolve()
    found = nbformat.read(path, as_version=4)
    nbformat.validate(found)
    return found


def words(found: Any) -> str:
    """All of its Markdown."""
    return "\n\n".join(cell.source for cell in found.cells if cell.cell_type == "markdown")


def test_nothing_of_the_site_s_own_markup_is_left_and_numbers_are_filled_in(book: Project) -> None:
    text = words(notebook(book))
    assert not LEFT.findall(text), LEFT.findall(text)
    assert "It is 2.00 in Fig. 1, by (1); here is this section." in text
    assert "**Figure 1.** Shown with 2.0." in text
    assert "Someone" in text and "2020" in text
    assert "\\end{split} \\tag{1}" in text and "| $x\\vert y$ | 2 |" in text
    assert "> **Predict**\n>\n> What will it be?" in text
    assert "In the site's build `am.one`: held (3.5 ± 0.707)." in text


def test_figures_code_and_solutions_fold_as_on_the_page(book: Project) -> None:
    found = notebook(book)
    cells = [cell for cell in found.cells if cell.cell_type == "code"]
    folds = {cell.source.splitlines()[0]: cell.metadata.get("jupyter", {}) for cell in cells}
    assert folds["removed = 7"] == {"source_hidden": True, "outputs_hidden": True}
    assert folds["2 + 2"] == {"source_hidden": True, "outputs_hidden": True}
    assert folds["1 + 1"] == {} and folds["from mechbook.reader.travelling import glue"] == {"source_hidden": True}
    text = words(found)
    assert text.count("<details>") == text.count("</details>") == 3
    assert "<details><summary>Solution to Exercise 1" in text
    # every cell of code is there, once, in its order
    code = [cell.source for cell in cells][1:]
    assert [line for line in ("removed = 7", "1 + 1", "2 + 2") if line in code] == ["removed = 7", "1 + 1", "2 + 2"]
    assert len(code) == 6


def test_the_site_serves_the_package_and_the_runs_that_the_page_asked_for(book: Project) -> None:
    downloads = book.root / "_build/html/downloads"
    assert sorted(path.name for path in downloads.iterdir()) == ["01_first-runs.zip", "mechbook-0.1.0-py3-none-any.whl"]
    with zipfile.ZipFile(downloads / "01_first-runs.zip") as parts:
        about = json.loads(parts.read("runs.json"))
        (run,) = about["runs"]
        assert run["modules"] == ["mechbook.run"] and run["file"] in parts.namelist()
        assert parts.read(run["file"]) == (book.root / "_cache" / run["file"]).read_bytes()
    first = notebook(book).cells[0].source
    assert "what the site's build trained (0.0 MB)." in first and "'mechbook-0.1.0-py3-none-any.whl'" in first
    compile(first, "first cell", "exec")
    assert 'href="../downloads/mechbook-0.1.0-py3-none-any.whl"' in book.page("status")


def test_without_an_address_no_link_leaves_the_site_and_with_one_they_lead_somewhere(book: Project) -> None:
    """Last but one of the small book's builds: what it writes is compared with the first."""
    html = book.root / "_build/html"
    files = [*sorted((html / "downloads").iterdir()), html / "_sources/book/01_first.ipynb"]
    before = {path.name: path.read_bytes() for path in files}
    assert not re.findall(r'href="https?://[^"]*(?:github|colab|binder)[^"]*"', book.page("01_first"))
    assert "](http" not in words(notebook(book))
    repository, site = "https://github.com/someone/a-book", "https://someone.example/a-book/"
    built(book, MECHBOOK_REPOSITORY=repository, MECHBOOK_SITE=site)
    page = book.page("01_first")
    colab = "https://colab.research.google.com/github/someone/a-book/blob/gh-pages/_sources/book/01_first.ipynb"
    assert f'href="{colab}"' in page and 'href="https://github.com/someone/a-book"' in page
    assert "colab" not in book.page("02_second")
    # a shared link has a picture, which is there, and only where there is an address to name
    shared = dict(re.findall(r'<meta property="(og:[\w:]+)" content="([^"]*)"', page))
    assert shared["og:title"] == "First page — How transformers store facts"
    assert shared["og:url"] == f"{site}book/01_first.html"
    assert (html / shared["og:image"].removeprefix(site)).read_bytes().startswith(b"\x89PNG")
    found = notebook(book)
    assert "[the other page](https://someone.example/a-book/book/02_second.html)" in words(found)
    assert "'https://someone.example/a-book'" in found.cells[0].source
    built(book)
    assert {path.name: path.read_bytes() for path in files} == before
    assert '"og:' not in book.page("01_first") and not (html / "_static/preview.png").exists()


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, ("", "", "")),
        ({"MECHBOOK_REPOSITORY": "https://github.com/a/b.git/"}, ("https://github.com/a/b.git", "", "")),
        ({"MECHBOOK_REPOSITORY": "https://github.com/a/b.git"}, ("https://github.com/a/b", "", "a/b")),
        ({"MECHBOOK_REPOSITORY": "https://forge.example/a/b"}, ("https://forge.example/a/b", "", "")),
        ({"MECHBOOK_SITE": "http://localhost:8000/"}, ("", "http://localhost:8000", "")),
    ],
)
def test_addresses_come_from_the_environment(given: dict[str, str], wanted: tuple[str, str, str]) -> None:
    found = addresses({}, given)
    expected = (wanted[0].removesuffix(".git"), *wanted[1:])
    assert (found.repository, found.site) == expected[:2] and found.on_github in (wanted[2], "a/b")
    assert bool(found.colab("book/x")) == bool(found.on_github)


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="MECHBOOK_SITE is 'example.org'; it must be an address"):
        addresses({}, {"MECHBOOK_SITE": "example.org"})


def test_the_committed_settings_name_no_address_that_nobody_can_vouch_for() -> None:
    """A fork's workflows know theirs; a checkout does not."""
    import yaml

    found = addresses(yaml.safe_load((Path(ROOT) / "_config.yml").read_text(encoding="utf-8")), {})
    assert (found.repository, found.site) == ("", "")
    assert "repository-code" not in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
