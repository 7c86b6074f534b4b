"""Widgets' places on a page. Oracle: the standard library's parser of HTML, and what the state said."""

import base64
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from mechbook.site.places import NotOurs, placed, store_file

HOSTILE = ["</script><script>alert(1)</script>", "</SCRIPT ><img src=x onerror=alert(1)>", "<!--<script>", "a < b"]
BYTES = bytes(range(200))
STATES: dict[str, Any] = {
    "w1": {"state": {"kind": "hops", "name": "widget-9", "settings": {"words": HOSTILE}, "store": "IPY_MODEL_s1"}},
    "w2": {"state": {"kind": "maps", "name": "widget-8", "settings": {"n": 1}, "store": "IPY_MODEL_s1"}},
    "s1": {
        "state": {"description": {"dtype": "float16"}},
        "buffers": [{"data": base64.b64encode(BYTES).decode(), "encoding": "base64", "path": ["data"]}],
    },
    "other": {"state": {"_model_name": "IntSliderModel", "_model_module": "@jupyter-widgets/controls", "value": 3}},
}


def view(model: str) -> str:
    held = json.dumps({"model_id": model, "version_major": 2})
    return f'<p>Before</p><script type="application/vnd.jupyter.widget-view+json">{held}</script>'


class Tags(HTMLParser):
    """The tags that a page opens, as a browser's tokenizer would see them, and what stands in its scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data if self.found[-1] == "script" else ""


def test_a_view_becomes_a_place_that_holds_the_settings_whatever_their_text() -> None:
    body, files = placed(view("w1"), STATES)
    tags = Tags()
    tags.feed(body)
    assert tags.found == ["p", "div", "script"]
    held = json.loads(tags.text)
    assert held["settings"] == {"words": HOSTILE} and held["kind"] == "hops" and held["name"] == "widget-9"
    assert list(files) == [f"{held['store']}.js"]


def test_widgets_that_read_one_store_share_its_file() -> None:
    body, files = placed(view("w1") + view("w2"), STATES)
    assert len(files) == 1 and body.count('class="mb-place"') == 2
    (text,) = files.values()
    called = re.fullmatch(r'mechbookStore\("(\w+)", (\{.*\}), "(.*)"\);\n', text)
    assert called is not None and called[1] in body
    assert json.loads(called[2]) == {"dtype": "float16"} and base64.b64decode(called[3]) == BYTES


def test_the_name_of_a_store_is_that_of_its_content() -> None:
    other = json.loads(json.dumps(STATES["s1"]))
    other["buffers"][0]["data"] = base64.b64encode(BYTES[::-1]).decode()
    assert store_file(STATES["s1"])[0] == store_file(STATES["s1"])[0] != store_file(other)[0]


def test_a_widget_that_would_be_dead_is_refused_by_name() -> None:
    with pytest.raises(NotOurs, match="IntSliderModel of @jupyter-widgets/controls"):
        placed(view("other"), STATES)


def test_a_page_without_widgets_stays_as_it_is() -> None:
    assert placed("<p>Nothing</p>", {}) == ("<p>Nothing</p>", {})
