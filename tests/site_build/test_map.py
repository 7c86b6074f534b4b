"""The map of the package: every folder and every import of the package, and all lines downwards."""

import xml.etree.ElementTree as ET

from mechbook.site.layers import THEMES, imports
from mechbook.site.map import ABOVE, ROWS, picture, places


def test_the_map_has_every_folder_and_every_import() -> None:
    tree = ET.fromstring(picture())
    words = [text.text for text in tree.iter("text")]
    assert set(words) == {folder for row in ROWS for folder in row} | {f"chapter {n + 1}" for n in range(len(THEMES))}
    assert len(list(tree.iter("line"))) == sum(pair[0] not in ABOVE for pair in imports())


def test_every_line_goes_down() -> None:
    at = places()
    for (folder, to), users in imports().items():
        if folder not in ABOVE:
            assert at[folder][1] < at[to][1], users
    assert len({at[theme][1] for theme in THEMES}) == 1
