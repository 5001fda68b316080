from __future__ import annotations

import pytest

from bench.pages.sections import with_section

PAGE = "# Title\n<!-- a: begin -->\nold\n<!-- a: end -->\nbetween\n<!-- b: begin -->\n<!-- b: end -->\n"


def test_only_what_lies_between_its_marks_is_replaced() -> None:
    made = with_section(PAGE, "a", "new\n")
    assert made == PAGE.replace("old", "new")
    assert with_section(made, "a", "new") == made


@pytest.mark.parametrize(
    "page", ["", "<!-- a: begin -->", "<!-- a: end -->", "<!-- a: end --><!-- a: begin -->"]
)
def test_a_page_without_a_place_for_it(page: str) -> None:
    with pytest.raises(ValueError, match="no section a"):
        with_section(page, "a", "new")
