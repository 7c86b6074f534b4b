"""The book's style: contrast by the WCAG formula, colour vision by Machado et al. 2009, drawings by what they hold."""

import itertools
import re
from collections.abc import Iterator
from typing import Any

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties, findfont, get_font

from mechbook.core.cache.closure import PACKAGE
from mechbook.reader import figures
from mechbook.reader.figures import (
    DARK,
    PAPER,
    ROLE,
    SERIES,
    Style,
    attention_map,
    curve,
    heat_map,
    paper_value,
    style_of,
    use_style,
)
from mechbook.shared.shakespeare import load_counts

XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
# Machado, Oliveira, Fernandes 2009, full severity, acting on linear RGB.
SEEN = {
    "all cones": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}


@pytest.fixture
def ax() -> Iterator[Axes]:
    with matplotlib.rc_context():
        use_style()
        figure, axes = plt.subplots()
        yield axes
        plt.close(figure)


def linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    dark, light = sorted(float(XYZ[1] @ linear(colour)) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def lab(colour: str, seen: np.ndarray) -> np.ndarray:
    ratios = (XYZ @ np.clip(seen @ linear(colour), 0, 1)) / XYZ.sum(axis=1)
    f = np.where(ratios > 216 / 24389, np.cbrt(ratios), (24389 / 27 * ratios + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_the_contrast_formula_at_its_known_values() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    # WebAIM's example of the lightest grey that passes 4.5:1 on white.
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


def test_every_role_of_the_house_style_has_a_style() -> None:
    named = {"input", "output", "position", "W_K1", "W_K2", "W_O2", "W_F", "noise", "correct", "predicted"}
    assert set(ROLE) == named


@pytest.mark.parametrize("role", ROLE)
def test_roles_show_in_both_themes(role: str) -> None:
    assert contrast(ROLE[role].colour, "#ffffff") >= 3.0
    # the grounds of the site, of JupyterLab, and of a widget's masked cells
    assert min(contrast(DARK[role], ground) for ground in ("#14181e", "#111111", "#2b3340")) >= 3.0


def test_the_site_has_the_roles_colours_of_both_themes() -> None:
    sheet = (PACKAGE.parent / "book" / "_static" / "mechbook.css").read_text(encoding="utf-8")
    for ground, colours in (
        (":root", {name: role.colour for name, role in ROLE.items()}),
        (r'html\[data-theme="dark"\]', DARK),
    ):
        rule = re.search(rf"^{ground} {{(.*?)}}", sheet, re.DOTALL | re.MULTILINE)
        assert rule and dict(re.findall(r"--mb-(\w+): (#\w+);", rule[1])) == colours


@pytest.mark.parametrize("style", [*SERIES, PAPER], ids=lambda style: style.colour)
def test_conditions_and_the_paper_s_line_show_on_white(style: Style) -> None:
    assert contrast(style.colour, "#ffffff") >= 4.5


@pytest.mark.parametrize("seen", SEEN)
def test_roles_stay_apart_however_red_and_green_are_seen(seen: str) -> None:
    """A CIELAB distance of 20 is several times what is just noticed (about 2.3)."""
    for colours in ({name: role.colour for name, role in ROLE.items()}, DARK):
        for one, other in itertools.combinations(colours, 2):
            gap = np.linalg.norm(lab(colours[one], SEEN[seen]) - lab(colours[other], SEEN[seen]))
            assert gap >= 20, (one, other, gap)


@pytest.mark.parametrize("styles", [list(ROLE.values()), list(SERIES)], ids=["roles", "series"])
def test_colour_is_never_the_only_mark(styles: list[Style]) -> None:
    assert len({style.marker for style in styles}) == len({style.colour for style in styles}) == len(styles)
    dashes = [style.dashes for style in styles if style.dashes]
    assert len(set(dashes)) == len(dashes)


def test_a_style_is_asked_for_by_role_or_by_number() -> None:
    assert style_of("W_O2") is ROLE["W_O2"] and style_of(series=2) is SERIES[2]
    for arguments, words in (
        ({}, "either"),
        ({"role": "W_O2", "series": 0}, "either"),
        ({"role": "W_O3"}, "no role 'W_O3': the roles are input"),
        ({"series": 6}, "numbered 0 to 5"),
        ({"series": -1}, "no series -1"),
    ):
        with pytest.raises(ValueError, match=words):
            style_of(**arguments)  # type: ignore[arg-type]


STEPS = np.array([0, 10, 20, 30, 40])
VALUES = np.array([[0.0, 0.1, 0.4, 0.8, 1.0], [0.2, 0.3, 0.5, 0.9, 0.9], [0.1, 0.5, 0.3, 0.4, 0.8]])


def band_edges(ax: Axes) -> tuple[np.ndarray, np.ndarray]:
    (collection,) = ax.collections
    corners = np.asarray(collection.get_paths()[0].vertices)
    at = [corners[corners[:, 0] == step, 1] for step in STEPS]
    return np.array([y.min() for y in at]), np.array([y.max() for y in at])


@pytest.mark.parametrize("band", ["range", "sd"])
def test_a_curve_is_the_mean_with_its_band(ax: Axes, band: str) -> None:
    line = curve(ax, STEPS, VALUES, role="W_K2", band=band)
    mean = VALUES.sum(axis=0) / 3
    half = np.sqrt(((VALUES - mean) ** 2).sum(axis=0) / 2)
    low, high = (mean - half, mean + half) if band == "sd" else (VALUES.min(axis=0), VALUES.max(axis=0))
    np.testing.assert_allclose(line.get_ydata(), mean, rtol=1e-12)
    np.testing.assert_allclose(band_edges(ax), (low, high), rtol=1e-12)
    assert (line.get_color(), line.get_marker(), line.get_label()) == (ROLE["W_K2"].colour, "^", "W_K2")


def test_no_band_for_one_seed_or_where_none_is_wanted(ax: Axes) -> None:
    curve(ax, STEPS, VALUES[0], role="W_O2")
    curve(ax, STEPS, VALUES, series=1, label="few", band="none")
    assert not ax.collections and [line.get_label() for line in ax.lines] == ["W_O2", "few"]


def test_long_curves_have_few_marks(ax: Axes) -> None:
    line = curve(ax, np.arange(901), np.zeros(901), role="W_O2")
    assert 5 <= len(range(0, 901, line.get_markevery())) <= 10  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("steps", "values", "options", "words"),
    [
        (STEPS[:4], VALUES, {}, r"\(3, 5\), where \(seeds, 4\)"),
        (STEPS, VALUES.T, {}, r"\(5, 3\), where \(seeds, 5\)"),
        (STEPS, VALUES, {"band": "box"}, "no band 'box'"),
    ],
)
def test_a_curve_of_another_shape_is_refused(
    ax: Axes, steps: Any, values: Any, options: dict[str, str], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        curve(ax, steps, values, role="W_O2", **options)


def test_the_paper_s_number_is_a_level_line_with_its_words(ax: Axes) -> None:
    line = paper_value(ax, 0.55, "paper: 55%")
    assert list(line.get_ydata()) == [0.55, 0.55]  # type: ignore[arg-type]
    assert [text.get_text() for text in ax.texts] == ["paper: 55%"]


def shown_ticks(ax: Axes) -> tuple[list[str], list[str]]:
    return [text.get_text() for text in ax.get_xticklabels()], [text.get_text() for text in ax.get_yticklabels()]


def test_a_heat_map_has_rows_down_and_columns_across(ax: Axes) -> None:
    matrix = np.arange(15.0).reshape(3, 5)
    image = heat_map(ax, matrix, list("ab \nc"), list("xyz"), x_name="in", y_name="out", value_name="score")
    assert shown_ticks(ax) == (["a", "b", "␣", "↵", "c"], ["x", "y", "z"])
    np.testing.assert_array_equal(image.get_array(), matrix)
    assert ax.yaxis_inverted() and (ax.get_xlabel(), ax.get_ylabel()) == ("in", "out")
    assert [bar.get_ylabel() for bar in ax.figure.axes[1:]] == ["score"]


def test_diverging_colours_are_symmetric_about_zero(ax: Axes) -> None:
    assert heat_map(ax, [[-3.0, 0.5], [0.0, 1.0]], diverging=True).get_clim() == (-3.0, 3.0)
    assert heat_map(ax, np.zeros((2, 3)), diverging=True).get_clim() == (-1.0, 1.0)


@pytest.mark.parametrize(
    ("matrix", "labels", "words"),
    [(np.ones((2, 3)), ["a", "b"], "2 labels for 3"), (np.ones(3), None, r"shape \(3,\)")],
)
def test_a_heat_map_that_does_not_fit_is_refused(ax: Axes, matrix: Any, labels: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        heat_map(ax, matrix, labels)


def test_crowded_labels_do_not_run_into_each_other(ax: Axes) -> None:
    tokens = list(load_counts().vocabulary)
    ax.figure.set_size_inches(7, 6)
    heat_map(ax, np.eye(65), tokens, tokens)
    ax.figure.canvas.draw()
    assert all(text.get_text().startswith("\n") for text in ax.get_xticklabels()[1::2])
    assert all(text.get_text().endswith("  ") for text in ax.get_yticklabels()[1::2])
    for labels in (ax.get_xticklabels(), ax.get_yticklabels()):
        # A stepped label's box also holds its step, so only every other one is compared with its neighbour.
        boxes = [text.get_window_extent() for text in labels][::2]
        for one, other in itertools.pairwise(boxes):
            assert not one.overlaps(other)


def test_the_font_has_every_sign_a_figure_shows() -> None:
    """The oracle is the font's own table of characters."""
    use_font = get_font(findfont(FontProperties(family=figures.RC["font.family"]))).get_charmap()
    shown = {figures.token_label(token) for token in load_counts().vocabulary}
    assert {"↵", "␣"} <= shown and all(ord(sign) in use_font for sign in shown)
    assert not any(sign.isspace() for sign in shown)


def test_an_attention_map_hides_what_no_query_sees(ax: Axes) -> None:
    attention = np.full((5, 5), 0.2)
    image = attention_map(ax, attention, list("to be"), boxes={"correct": [(3, 1)], "predicted": [(4, 0), (4, 2)]})
    np.testing.assert_array_equal(np.ma.getmaskarray(image.get_array()), np.triu(np.ones((5, 5), dtype=bool), k=1))
    assert image.get_clim() == (0.0, 1.0) and (ax.get_xlabel(), ax.get_ylabel()) == ("key", "query")
    # A cell's frame starts half a cell before it: (key, query) on the axes.
    assert [patch.get_xy() for patch in ax.patches] == [(0.5, 2.5), (-0.5, 3.5), (1.5, 3.5)]
    colours = [matplotlib.colors.to_hex(patch.get_edgecolor()) for patch in ax.patches]
    assert colours == [ROLE["correct"].colour] + 2 * [ROLE["predicted"].colour]


def test_in_a_notebook_figures_become_svg_without_a_date(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, Any]] = []
    monkeypatch.setattr(figures, "set_matplotlib_formats", lambda *formats, **options: asked.append((formats, options)))
    with matplotlib.rc_context():
        use_style()
        assert asked == []
        monkeypatch.setattr(figures, "get_ipython", lambda: object())
        use_style()
    assert asked == [(("svg",), {"metadata": {"Date": None}})]


def test_equal_figures_are_equal_files(tmp_path: Any) -> None:
    files = []
    with matplotlib.rc_context():
        use_style()
        for name in ("one.svg", "two.svg"):
            figure, axes = plt.subplots()
            curve(axes, STEPS, VALUES, role="W_O2")
            heat_map(figure.add_axes((0.5, 0.5, 0.2, 0.2)), VALUES)
            figure.savefig(tmp_path / name, metadata={"Date": None})
            plt.close(figure)
            files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1]


def test_a_legend_can_be_read_where_it_lies_on_a_drawing(ax: Axes) -> None:
    ax.axhspan(0, 1, color="black")
    legend = ax.legend([plt.Line2D([], [])], ["words"], loc="center")
    figure = ax.get_figure()
    assert figure is not None
    figure.canvas.draw()
    box = legend.get_window_extent()
    seen = np.asarray(figure.canvas.buffer_rgba())  # type: ignore[attr-defined]
    # the upper left corner of the ground, with no word on it
    ground = seen[seen.shape[0] - int(box.y1) + 2, int(box.x0) + 2, :3]
    assert ground.min() >= 0.8 * 255
