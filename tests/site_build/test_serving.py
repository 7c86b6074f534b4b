"""What the site does to the scripts of its pages."""

import json
from html.parser import HTMLParser
from typing import Any

from myst_nb.core.render import sanitize_script_content
from sphinx.application import Sphinx
from sphinx.builders.html._assets import _JavaScript

from mechbook.site.serving import STATE, guard_states

HOSTILE = ["</script><script>alert(1)</script>", "</SCRIPT ><img src=x onerror=alert(1)>", "<!--<script>", "a < b"]


class Tags(HTMLParser):
    """The tags that a page opens, as a browser's tokenizer would see them, and what stands in the first script."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data if len(self.found) == 1 else ""


def test_no_text_in_a_widget_s_state_ends_its_script() -> None:
    """Oracle: a page with the state in it, read by the standard library's parser; the JSON says what it said."""
    state = {"state": {"model": {"text": HOSTILE}}}
    body = sanitize_script_content(json.dumps(state))
    script = _JavaScript(None, type=STATE, body=body)
    other = _JavaScript(None, body="if (1 < 2) { f() }")
    context = {"script_files": [script, other, "plain.js"]}
    guard_states(object.__new__(Sphinx), "page", "page.html", context, None)
    tags = Tags()
    tags.feed(f'<script type="{STATE}">{script.attributes["body"]}</script>')
    assert tags.found == ["script"] and json.loads(tags.text) == state
    assert other.attributes["body"] == "if (1 < 2) { f() }"
    before = Tags()
    before.feed(f'<script type="{STATE}">{body}</script>')
    assert before.found != ["script"], "the fault is gone without us"
