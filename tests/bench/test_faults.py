from __future__ import annotations

from bench.faults import read_rows, table_of

REPORT = """<testsuites><testsuite>
<testcase name="a"><properties><property name="fault" value="x killed"/><property name="promise" value="200"/>
<property name="seen" value="200 in 1 s"/></properties></testcase>
<testcase name="b"><properties><property name="fault" value="y gone"/>
<property name="promise" value="503"/></properties>
<failure message="no"/></testcase>
<testcase name="c"/></testsuite></testsuites>"""


def test_rows_are_what_the_drill_recorded_and_a_broken_promise_is_reported() -> None:
    assert list(read_rows(REPORT)) == [("x killed", "200", "200 in 1 s"), ("y gone", "503", "**not kept**")]


def test_what_is_reported_names_the_command_and_has_every_row() -> None:
    made = table_of([("f", "p", "s"), ("g", "q", "**not kept**")])
    assert made.startswith("`scripts/bench faults` on ")
    assert "| f | p | s |\n| g | q | **not kept** |" in made
