"""Check the list of what the tests of the pages do not run: each entry has a reason and is still needed."""

from __future__ import annotations

import shlex

import pytest

from serve.commands.serve import serve
from tests.support.page_blocks import NO_COMMANDS, PROGRAMS, REPOSITORY, SHELL, Block, blocks
from tests.support.prepared_pages import PAGES
from tests.support.unrun_commands import NOT_RUN, RunBy

BLOCKS = list(blocks())
ENTRIES = [(page, start) for page, entries in NOT_RUN.items() for start in entries]


@pytest.mark.parametrize(("page", "start"), ENTRIES, ids=str)
def test_what_is_listed_is_there(page: str, start: str) -> None:
    assert [block for block in BLOCKS if block.page == page and start in block.listed()]


@pytest.mark.parametrize(("page", "start"), ENTRIES, ids=str)
def test_another_test_that_is_named_names_the_command(page: str, start: str) -> None:
    if isinstance(why := NOT_RUN[page][start], RunBy):
        assert why.as_written in (REPOSITORY / why.file).read_text(encoding="utf-8"), why
    else:
        assert why


def test_every_language_either_runs_or_has_no_commands() -> None:
    for block in BLOCKS:
        assert block.language in (*SHELL, *PROGRAMS, *NO_COMMANDS), (block.page, block.code)


@pytest.mark.parametrize("page", PAGES)
def test_what_is_prepared_is_used(page: str) -> None:
    runnable = "".join(block.runnable() for block in BLOCKS if block.page == page)
    for words in (*PAGES[page].pictures.split(), *PAGES[page].replaced):
        assert words in runnable, words


def test_a_command_is_taken_out_with_the_lines_that_it_goes_on_in() -> None:
    code = "docker build \\\n  .\ncurl localhost:8000/healthz\n"
    assert Block("docs/cluster.md", "sh", code).runnable() == "curl localhost:8000/healthz\n"
    assert Block("docs/cluster.md", "sh", "# once:\ndocker push REGISTRY\n").runnable() == ""


SERVES = [
    (block.page, shlex.split(line, comments=True))
    for block in BLOCKS
    if block.language in SHELL
    for line in block.code.splitlines()
    if line.startswith(("scripts/serve", "scenewright serve"))
]


@pytest.mark.parametrize(("page", "words"), SERVES, ids=str)
def test_a_start_that_is_not_run_has_options_that_there_are(page: str, words: list[str]) -> None:
    options = [word for word in words if word != "&"]
    serve.make_context("serve", options[1 if options[0].startswith("scripts/") else 2 :])
