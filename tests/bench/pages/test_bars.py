from __future__ import annotations

import re
from xml.etree import ElementTree

from bench.pages.bars import bars


def test_a_bar_is_as_long_as_its_figure_and_says_it() -> None:
    drawn = bars("a & b", {"stock": 1.0, "<engine>": 2.5})
    widths = [float(width) for width in re.findall(r'<rect x="190" y="\d+" width="([\d.]+)"', drawn)]
    assert widths[1] == 2.5 * widths[0]
    said = [text.text for text in ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314
    assert said == ["a & b", "stock", "1", "<engine>", "2.5"]


def test_nothing_to_draw_and_all_noughts_are_drawings_too() -> None:
    for figures in ({}, {"none": 0.0}):
        ElementTree.fromstring(bars("t", figures))  # noqa: S314 (our own words)
