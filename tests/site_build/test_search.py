"""The index of the search. Oracle: pages written here, whose words are known."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mechbook.site import search

PAGE = """<html><nav>Elsewhere</nav><h1>Induction heads</h1><h2>Contents</h2>
<article class="bd-article"><section id="heads"><h1>Induction heads<a class="headerlink" href="#heads">#</a></h1>
<p>A head that <em>copies</em> what followed.</p><pre>code_is_not_read()</pre>
<section id="order"><h2>The order of <span class="math notranslate nohighlight">\\(W_K^1\\)</span>
<a class="headerlink">#</a></h2>
<p>First <span class="math notranslate nohighlight">\\(\\alpha \\le \\frac{1}{N}\\)</span>, then more.</p>
<div class="mb-claim" id="claim-ih-order"><p>words of the card</p></div></section></section></article>
<footer>Elsewhere</footer>"""
ROWS: list[dict[str, Any]] = [{"id": "ih.order", "anchor": "claim-ih-order", "statement": "The output comes first"}]


def test_a_page_becomes_its_sections_and_claims() -> None:
    found = search.documents("book/03_heads.html", PAGE, {"claim-ih-order": ROWS[0]})
    assert [(one.title, one.anchor, one.text) for one in found] == [
        ("Induction heads", "heads", "A head that copies what followed."),
        ("The order of W_K^1", "order", "First α ≤ 1/N, then more."),
        ("Claim ih.order", "claim-ih-order", "The output comes first"),
    ]
    assert {one.page for one in found} == {"Induction heads"} and found[0].terms.split() == ["copies"]
    assert {one.weight for one in found} == {1}


@pytest.mark.parametrize(
    ("tex", "words"),
    [
        (r"\frac{\alpha}{W_{K}^1}", "α/W_K^1"),
        (r"\begin{aligned} a &= b \end{aligned}", "a = b"),
        (r"\operatorname{softmax}_{s \le t}\big(x_t^\top W\big)", "softmax_s ≤ t (x_t^T W )"),
        (r"\mathbb{1}\{j = o_k\}", "1 j = o_k"),
    ],
)
def test_a_formula_is_spelt_as_one_would_type_it(tex: str, words: str) -> None:
    assert search.plain(tex) == words


def test_the_index_is_a_script_that_holds_every_document(tmp_path: Path) -> None:
    page = tmp_path / "book" / "03_heads.html"
    search.write(tmp_path, {page: PAGE}, ROWS)
    text = (tmp_path / "_static" / "search_index.js").read_text(encoding="utf-8")
    found = re.fullmatch(r"mechbookSearch\.index = (.*);\n", text)
    assert found is not None
    held = json.loads(json.loads(found[1]))
    assert held["documentCount"] == 3
    words = {word for word, _ in held["index"]}
    assert {"wk1", "ih", "ihorder", "copy", "output", "alpha"} <= words
    assert "codeisnotread" not in words and "elsewhere" not in words and "the" not in words
    for name in ("search.js", "search_terms.js"):
        assert (tmp_path / "_static" / name).is_file()
