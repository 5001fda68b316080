from __future__ import annotations

from bench.faults import read_rows, with_table

REPORT = """<testsuites><testsuite>
<testcase name="a"><properties><property name="fault" value="x killed"/><property name="promise" value="200"/>
<property name="seen" value="200 in 1 s"/></properties></testcase>
<testcase name="b"><properties><property name="fault" value="y gone"/>
<property name="promise" value="503"/></properties>
<failure message="no"/></testcase>
<testcase name="c"/></testsuite></testsuites>"""


def test_rows_are_what_the_drill_recorded_and_a_broken_promise_is_told() -> None:
    assert list(read_rows(REPORT)) == [("x killed", "200", "200 in 1 s"), ("y gone", "503", "**not kept**")]


def test_only_what_lies_between_the_markers_is_replaced() -> None:
    document = "# Title\n<!-- drill: begin -->\nold\n<!-- drill: end -->\nrest\n"
    made = with_table(document, [("f", "p", "s")])
    assert made.startswith("# Title\n") and made.endswith("\nrest\n")
    assert "| f | p | s |" in made and "old" not in made
    assert with_table(made, [("f", "p", "s")]) == made
