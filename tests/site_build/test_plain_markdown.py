"""A resolved page as Markdown. Oracle: Markdown and HTML as CommonMark and KaTeX's readers define them, by hand."""

import pytest
from docutils import nodes

from mechbook.site.plain_markdown import Code, Words, Writer, formula, literal


def writer() -> Writer:
    return Writer(lambda node: node.get("refuri") or None, lambda kind, id: {"fig-one": "3", "ex-one": "2"}.get(id))


def page(*children: nodes.Node) -> list[object]:
    return list(writer().page(nodes.document(None, None, "", *children)))


def cell(index: int, *outputs: nodes.Node) -> nodes.Element:
    return nodes.container("", *outputs, nb_element="cell_code", cell_index=index)


def test_words_keep_what_they_are() -> None:
    paragraph = nodes.paragraph("", "", nodes.Text("a_b, _c_, 2 * 3, $5, <x> and "), nodes.math("", "x_1 * y"))
    paragraph += [nodes.Text(" "), nodes.literal("", "a`b"), nodes.Text(" "), nodes.emphasis("", "so")]
    paragraph += nodes.reference("", "there", refuri="https://a.b/c")
    assert page(paragraph) == [
        Words("a_b, \\_c\\_, 2 \\* 3, \\$5, &lt;x> and $x_1 * y$ ``a`b`` *so*[there](https://a.b/c)")
    ]
    assert page(nodes.paragraph("", "- no list\n1. nor this\n# nor this")) == [
        Words("\\- no list\n\\1. nor this\n\\# nor this")
    ]


def test_a_formula_has_its_number_and_lines_of_it_stay_together() -> None:
    assert formula(nodes.math_block("", "x = 1", number=4)) == "$$\nx = 1 \\tag{4}\n$$"
    two = formula(nodes.math_block("", "x &= 1 \\\\\n y &= 2", number=4))
    assert two == "$$\n\\begin{split}\nx &= 1 \\\\\n y &= 2\n\\end{split} \\tag{4}\n$$"
    assert formula(nodes.math_block("", "x")) == "$$\nx\n$$"


def test_code_comes_where_it_ran_and_a_figure_s_caption_below_it() -> None:
    figure = nodes.figure("", nodes.image(alt="a"), nodes.caption("", "What it shows."), ids=["fig-one"])
    found = page(nodes.paragraph("", "Before."), cell(1, figure), nodes.paragraph("", "After."))
    assert found == [Words("Before."), Code(1, False), Words("**Figure 3.** What it shows.\n\nAfter.")]


def test_a_solution_folds_around_its_code() -> None:
    class solution_node(nodes.Admonition, nodes.Element):
        pass

    title = nodes.title("", "Solution to Exercise 2")
    body = nodes.section("", nodes.paragraph("", "One."), cell(5), nodes.paragraph("", "Two."), ids=["content"])
    found = page(solution_node("", title, body), nodes.paragraph("", "On."))
    fold = "<details><summary>Solution to Exercise 2"
    assert found == [
        Words(f"{fold}</summary>\n\nOne.\n\n</details>"),
        Code(5, True),
        Words(f"{fold}, continued</summary>\n\nTwo.\n\n</details>"),
        Words("On."),
    ]
    # nothing after the code: nothing folds there
    assert page(solution_node("", title.deepcopy(), nodes.paragraph("", "One."), cell(5)))[1:] == [Code(5, True)]


def test_boxes_lists_and_tables() -> None:
    box = nodes.admonition("", nodes.title("", "Predict"), nodes.paragraph("", "How many?"), classes=["tip"])
    folds = nodes.admonition("", nodes.title("", "Answer"), nodes.paragraph("", "Two."), classes=["dropdown"])
    assert page(box, folds) == [
        Words("> **Predict**\n>\n> How many?\n\n<details><summary>Answer</summary>\n\nTwo.\n\n</details>")
    ]
    inner = nodes.bullet_list("", nodes.list_item("", nodes.paragraph("", "c")))
    item = nodes.list_item("", nodes.paragraph("", "a\nb"), inner)
    assert page(nodes.enumerated_list("", item)) == [Words("1. a\n   b\n\n   - c")]
    entries = [nodes.entry("", nodes.paragraph("", text)) for text in ("h", "k", "1 | 2")]
    math = nodes.entry("", nodes.paragraph("", "", nodes.math("", "|x|")))
    head, body = nodes.row("", *entries[:2]), nodes.row("", entries[2], math)
    group = nodes.tgroup("", nodes.thead("", head), nodes.tbody("", body), cols=2)
    assert page(nodes.table("", group)) == [Words("| h | k |\n|---|---|\n| 1 \\| 2 | $\\vert x\\vert $ |")]


def test_literals_hold_backticks() -> None:
    assert (literal("x"), literal("`x"), literal("a``b")) == ("`x`", "`` `x ``", "```a``b```")


def test_what_has_no_form_in_a_notebook_is_an_error() -> None:
    with pytest.raises(ValueError, match="a sidebar has no form"):
        page(nodes.sidebar("", nodes.paragraph("", "Beside.")))
