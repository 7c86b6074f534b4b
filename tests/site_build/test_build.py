"""A small book through the real commands. Oracle: which chapters ran, what the files say, the exit codes."""

import html
import json
import re
from typing import Any

import pytest


@pytest.fixture(scope="module")
def built(project: Any) -> Any:
    done = project.run("build")
    assert done.returncode == 0, done.stdout + done.stderr
    assert executed(done.stdout) == {"01_first", "02_second"}
    assert done.stderr == ""
    return project


def executed(stdout: str) -> set[str]:
    return set(re.findall(r"^book/(\w+): executed in", stdout, re.M))


def test_reports_are_judged_on_the_pages_the_scorecard_and_in_claims_json(built: Any) -> None:
    claims = json.loads((built.root / "_build/html/claims.json").read_text(encoding="utf-8"))
    by_id = {claim["id"]: claim for claim in claims}
    assert list(by_id) == ["am.one", "sm.two"]
    assert (by_id["am.one"]["measured"], by_id["am.one"]["held"]) == (2.0, True)
    assert (by_id["am.one"]["page"], by_id["am.one"]["figure"]) == ("book/01_first.html", "fig-one")
    assert 'id="fig-one"' in built.page("01_first") and 'id="claim-am-one"' in built.page("01_first")
    assert (by_id["sm.two"]["held"], by_id["sm.two"]["reason"]) == (None, "no such model is at hand")
    assert "Claim am.one: held" in built.page("01_first")
    assert 'href="scorecard.html#row-am-one"' in built.page("01_first")
    scorecard = built.page("scorecard")
    assert "Of 3 claims 2 are reported: 1 held, 0 did not hold, 1 not run" in scorecard
    assert "2 ± 1.41 (2 seeds)" in scorecard
    assert all(scorecard.count(f'id="row-{id}"') == 1 for id in ("am-one", "sm-two", "nr-three"))
    assert 'href="01_first.html#fig-one"' in scorecard and 'href="02_second.html#claim-sm-two"' in scorecard


def test_text_quotes_what_was_measured_and_the_verdict(built: Any) -> None:
    page = built.page("found")
    assert "2 ± 1.41" in page and re.search(r'href="01_first.html#claim-am-one">held</a>', page), page
    assert "every claim that was judged held" in page


def test_prose_quotes_numbers_and_the_status_page_says_what_ran(built: Any) -> None:
    assert re.search(r"The number is <span[^>]*>2\.50</span>", built.page("02_second"))
    status = built.page("status")
    assert "laptop" in status and "torch" in status and "01_first" in status


def test_a_caption_says_what_was_glued_and_nothing_where_that_is_empty(built: Any) -> None:
    page = re.sub(r"<[^>]+>", "", built.page("02_second"))
    assert "Shown. Below: another, 2031-05-17." in page


def test_code_is_shown_from_its_file_as_it_is_now_with_a_link_to_the_whole(built: Any) -> None:
    """A comment executes nothing, and the page shows it all the same."""
    page = built.page("02_second")
    assert 'href="../code/mechbook/two.html#L4"' in page and "mechbook/two.py" in page and ", lines 4 to 6" in page
    whole = (built.root / "_build/html/code/mechbook/two.html").read_text(encoding="utf-8")
    assert 'id="L4"' in whole and 'id="L6"' in whole and "NUMBER" in whole
    lines = (built.root / "mechbook/two.py").read_text(encoding="utf-8").rstrip("\n").split("\n")
    shown = re.findall(r'<span class="mb-line" id="L(\d+)">(.*?)\n</span>', whole, re.S)
    assert [int(number) for number, _ in shown] == list(range(1, len(lines) + 1))
    assert [html.unescape(re.sub(r"<[^>]+>", "", line)) for _, line in shown] == lines
    assert 'Shown in <a href="../../book/02_second.html">' in whole
    built.edit("mechbook/two.py", "from mechbook import late", "from mechbook import late  # said later")
    done = built.run("build")
    assert (done.returncode, executed(done.stdout)) == (0, set()), done.stdout + done.stderr
    assert "said later" in built.page("02_second") and "said later" not in page


def test_a_second_build_executes_nothing_and_says_the_same(built: Any) -> None:
    claims = built.root / "_build/html/claims.json"
    before = claims.read_text(encoding="utf-8")
    done = built.run("build")
    assert done.returncode == 0 and executed(done.stdout) == set()
    assert claims.read_text(encoding="utf-8") == before
    assert "Claim am.one: held" in built.page("01_first")


@pytest.mark.parametrize(
    ("name", "old", "new", "chapters"),
    [
        ("mechbook/deep.json", "2.5", "3.5", {"02_second"}),
        ("mechbook/late.py", "ONE = 1", "ONE = 2", {"02_second"}),
        ("mechbook/one.py", "NUMBER = 1.0", "NUMBER = 5.0", {"01_first"}),
        ("mechbook/site/judge.py", 'paper="2"', 'paper="3"', set()),
        ("book/01_first.md", "# First", "# The first", set()),
        ("requirements.txt", "torch==0", "torch==1", {"01_first", "02_second"}),
    ],
)
def test_a_change_executes_the_chapters_that_can_see_it(
    built: Any, name: str, old: str, new: str, chapters: set[str]
) -> None:
    built.edit(name, old, new)
    assert executed(built.run("execute").stdout) == chapters
    built.edit(name, new, old)
    assert executed(built.run("execute").stdout) == set()


def test_settings_belong_to_the_key(built: Any) -> None:
    assert executed(built.run("execute", MECHBOOK_SCALE="paper").stdout) == {"01_first", "02_second"}
    assert executed(built.run("execute").stdout) == set()


def test_an_entry_cut_short_is_executed_again(built: Any) -> None:
    entries = sorted((built.root / "_build/.jupyter_cache/executed").glob("*/base.ipynb"))
    for entry in entries:
        entry.write_text(entry.read_text(encoding="utf-8")[:100], encoding="utf-8")
    assert executed(built.run("execute").stdout) == {"01_first", "02_second"}


def test_a_failing_cell_fails_every_time_and_keeps_the_other_chapter(built: Any) -> None:
    built.edit("book/02_second.md", "two.number()", "two.number() / 0")
    built.edit("mechbook/one.py", "NUMBER = 1.0", "NUMBER = 4.0")
    first, second = built.run("build"), built.run("build")
    built.edit("book/02_second.md", "two.number() / 0", "two.number()")
    built.edit("mechbook/one.py", "NUMBER = 4.0", "NUMBER = 1.0")
    assert executed(first.stdout) == {"01_first"} and executed(second.stdout) == set()
    for done in (first, second):
        assert done.returncode == 1
        assert "book/02_second.md failed" in done.stderr
        assert 'glue("the_number", two.number() / 0' in done.stderr and "ZeroDivisionError" in done.stderr
    assert not (built.root / "_build/html/claims.json").exists()


def test_an_import_the_fingerprint_cannot_see_fails(built: Any) -> None:
    hidden = "import importlib\nimportlib.import_module('mechbook.' + 'two')"
    built.edit("book/01_first.md", "from mechbook import one", f"{hidden}\nfrom mechbook import one")
    done = built.run("execute")
    built.edit("book/01_first.md", f"{hidden}\n", "")
    assert done.returncode == 1
    assert "loaded mechbook.deep, mechbook.two in a way its fingerprint does not see" in done.stderr


def test_problems_fail_the_build_after_the_site_and_claims_json_are_written(built: Any) -> None:
    twice = 'report("am.one", values=[0.5], seeds=[0], figure="fig-nowhere")\n```'
    built.edit("book/01_first.md", 'figure="fig-one")\n```', f'figure="fig-one")\n{twice}')
    done = built.run("build")
    built.edit("book/01_first.md", f'figure="fig-one")\n{twice}', 'figure="fig-one")\n```')
    assert done.returncode == 1
    assert "am.one is reported 2 times." in done.stderr
    assert "am.one names the figure 'fig-nowhere', a label that no page has." in done.stderr
    assert len(json.loads((built.root / "_build/html/claims.json").read_text(encoding="utf-8"))) == 2
    assert "Claim am.one" in built.page("01_first")


def test_a_misspelt_quotation_fails_the_build_and_shows_on_the_page(built: Any) -> None:
    built.edit("book/found.md", "{measured}`am.one`", "{measured}`am.one:two`")
    done = built.run("build")
    page = built.page("found")
    built.edit("book/found.md", "{measured}`am.one:two`", "{measured}`am.one`")
    told = "am.one has no value named 'two'; it has one number without a name."
    assert done.returncode == 1 and told in done.stderr and "am.one has no value named" in page


def test_a_widget_that_is_not_the_book_s_fails_the_build_in_one_sentence(built: Any) -> None:
    """Oracle: the page before: without a kernel nothing would answer the slider."""
    slider = "```{code-cell} ipython3\nimport ipywidgets\nipywidgets.IntSlider(3)\n```\n"
    built.edit("book/02_second.md", "# Second\n", f"# Second\n\n{slider}")
    done = built.run("build")
    built.edit("book/02_second.md", f"# Second\n\n{slider}", "# Second\n")
    told = "IntSliderModel of @jupyter-widgets/controls is shown, which needs a kernel"
    assert done.returncode == 1 and done.stderr.count(told) == 1 and "02_second.md" in done.stderr


def test_a_misspelt_setting_is_one_line_and_loses_nothing(built: Any) -> None:
    claims = built.root / "_build/html/claims.json"
    claims.write_text("[]", encoding="utf-8")
    done = built.run("build", MECHBOOK_SCALE="papr")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == "MECHBOOK_SCALE is 'papr'; it must be 'laptop' or 'paper'.\n"
    assert claims.read_text(encoding="utf-8") == "[]"


def test_a_page_with_cells_and_no_header_is_refused(built: Any) -> None:
    built.write("book/index.md", "# A book\n\n```{code-cell} ipython3\n1\n```\n")
    done = built.run("execute")
    built.write("book/index.md", "# A book\n")
    assert done.returncode == 1
    words = "The page has code cells and no jupytext header, so nothing would execute them."
    assert done.stderr == f"book/index.md: {words}\n"
