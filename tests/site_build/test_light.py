"""What makes a page light, on pages written here. Oracle: the pages' own parts, fontTools, MathJax's MathML."""

import base64
import re
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont
from pydata_sphinx_theme import __file__ as theme

from mechbook.site import formulas, icons, light

WEBFONTS = Path(theme).parent / "theme" / "pydata_sphinx_theme" / "static" / "vendor" / "fontawesome" / "webfonts"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAADCAYAAAC56t6BAAAAEUlEQVR4nGP4z8DwH4QZYAwAS84H+cx1XtMAAAAASUVORK5CYII="
)
HEAD = """<html data-content_root="../"><head>
    <link rel="stylesheet" type="text/css" href="../_static/proof.css?v=1" />
    <link rel="stylesheet" type="text/css" href="../_static/book.css?v=1" />
    <script defer src="../_static/scripts/fontawesome.js?digest=1"></script>
    <link rel="preload" as="script" href="../_static/scripts/bootstrap.js?digest=1" />
    <script src="../_static/documentation_options.js?v=1"></script>
    <script src="../_static/copybutton.js?v=1"></script>
    <script src="../_static/doctools.js?v=1"></script>
    <script>let here = "stays";</script>
    <script src="../searchindex.js"></script>
  </head>"""


def test_a_page_asks_for_what_it_uses_and_nothing_waits_for_scripts() -> None:
    page = light.fewer(HEAD + '<body><div class="highlight">code</div></body></html>')
    assert "fontawesome" not in page and "searchindex" not in page and "proof.css" not in page
    assert '<script defer src="../_static/copybutton.js?v=1"></script>' in page
    assert '<script defer src="../_static/doctools.js?v=1"></script>' in page
    # what an inline script reads at once comes at once
    assert '<script src="../_static/documentation_options.js?v=1"></script>' in page
    for stays in ("book.css", 'let here = "stays"', "bootstrap.js"):
        assert stays in page
    bare = light.fewer(HEAD + '<body><div class="proof theorem">so</div></body></html>')
    assert "proof.css" in bare and "copybutton.js" not in bare


def test_pictures_wait_in_a_room_of_their_own_shape(tmp_path: Path) -> None:
    (tmp_path / "book").mkdir()
    (tmp_path / "a.svg").write_text('<?xml?><svg xmlns="x" width="30pt" height="60.3pt" viewBox="0 0 30 60.3">')
    (tmp_path / "b.png").write_bytes(PNG)
    kept = '<img src="https://other.host/c.png"><img src="no.png">'
    page = f'<img alt="A" src="../a.svg" /><img alt="B" src="../b.png" width="9">{kept}'
    assert light.sized(page, tmp_path / "book") == (
        '<img loading="lazy" width="40" height="80" alt="A" src="../a.svg" />'
        f'<img loading="lazy" alt="B" src="../b.png" width="9">{kept}'
    )
    assert light.measured(tmp_path / "b.png") == (2, 3)


def test_a_picture_in_the_page_becomes_a_file_beside_it(tmp_path: Path) -> None:
    data = base64.b64encode(PNG).decode()
    page = light.beside(f'<html data-content_root="../"><img alt="words" src="data:image/png;base64,{data}">', tmp_path)
    found = re.search(r'<img alt="words" src="\.\./(_images/widget-\w+\.png)">', page)
    assert found is not None and (tmp_path / found[1]).read_bytes() == PNG


def test_only_icons_that_are_shown_are_left() -> None:
    style = (
        "@font-face{font-family:X;src:url(../vendor/fontawesome/webfonts/fa-solid-900.woff2) "
        'format("woff2"),url(y.ttf)}'
        '.fa-list:before,.fa-list-squares:before{content:"\\f03a"}.fa-bomb:before{content:"\\f1e2"}'
        'a:after{content:"\\f08e"}'
    )
    names = icons.used(['<i class="fa-solid fa-list"></i>'])
    cut = icons.cut_styles(style, names)
    assert "fa-bomb" not in cut and 'fa-list:before,.fa-list-squares:before{content:"\\f03a"}' in cut
    assert 'src:url(../icons/fa-solid-900.woff) format("woff")}' in cut
    assert icons.characters([cut, "p:before{content:'\uf0f3'}"]) == {0xF03A, 0xF08E, 0xF0F3}
    assert icons.characters([r'.mjx-c3B1::before { content: "\3B1"; } i::before { content: "\AF" }']) == {0x3B1, 0xAF}


def test_a_font_keeps_the_glyphs_that_are_wanted(tmp_path: Path) -> None:
    (tmp_path / "cut.woff").write_bytes(icons.cut_font(WEBFONTS / "fa-solid-900.ttf", {0xF03A, 0xF105}))
    with TTFont(tmp_path / "cut.woff") as cut, TTFont(WEBFONTS / "fa-solid-900.ttf") as whole:
        assert set(cut.getBestCmap()) == {0xF03A, 0xF105}
        name = whole.getBestCmap()[0xF03A]
        assert cut["hmtx"][cut.getBestCmap()[0xF03A]] == whole["hmtx"][name]
    assert (tmp_path / "cut.woff").stat().st_size < 4000


def test_a_font_of_which_nothing_is_wanted_stays_whole(tmp_path: Path) -> None:
    """Oracle: the font before. Without characters it would be none that a browser reads."""
    font = tmp_path / "cut.woff"
    font.write_bytes(icons.cut_font(WEBFONTS / "fa-solid-900.ttf", {0xF03A, 0xF105}))
    before = font.read_bytes()
    icons.cut_in_place(font, {0x41})
    assert font.read_bytes() == before
    icons.cut_in_place(font, {0x41, 0xF105})
    with TTFont(font) as cut:
        assert set(cut.getBestCmap()) == {0xF105}


def test_formulas_are_set_with_their_mathml() -> None:
    inline = '<span class="math notranslate nohighlight">\\(a &lt; W_K^1\\)</span>'
    shown = (
        '<div class="math notranslate nohighlight" id="equation-x">\n<span class="eqno">(1)</span>'
        "\\[\\begin{split}\nx^2\\end{split}\\]</div>"
    )
    page = f"<p>{inline} and</p>{shown}<code>\\(left alone\\)</code>"
    assert formulas.found(page) == [("a < W_K^1", False), ("\\begin{split}\nx^2\\end{split}", True)]
    known, style = formulas.rendered(formulas.found(page))
    made = formulas.filled(page, known)
    assert made.count("<mjx-container") == made.count("<math ") == 2 and "<mo>&lt;</mo>" in made
    assert '<span class="eqno">(1)</span><mjx-container' in made and made.endswith("<code>\\(left alone\\)</code>")
    assert "../vendor/formulas/MathJax_Main-Regular.woff" in style


def test_a_formula_that_is_wrong_is_told() -> None:
    with pytest.raises(RuntimeError, match=r"Undefined control sequence.*\\notacommand"):
        formulas.rendered([("\\notacommand{x}", False)])
