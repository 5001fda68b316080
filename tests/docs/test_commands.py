"""Every command in the documentation: its program exists and accepts the arguments and options.

Nothing is run here, so those that cannot run in a test are looked at too; test_pages_run.py runs the others.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import pytest
from jsonschema import Draft202012Validator

from scenewright.commands.parameter_types import PoseFile
from serve.cli import main
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_api

REPOSITORY = Path(__file__).parents[2]
PAGES = [
    REPOSITORY / "README.md",
    REPOSITORY / "CONTRIBUTING.md",
    REPOSITORY / "client/README.md",
    *sorted((REPOSITORY / "docs").rglob("*.md")),
    *sorted((REPOSITORY / "examples").rglob("*.md")),
]
ENDS = "();<>|&"


def blocks(page: Path) -> Iterator[str]:
    """Yield the page's blocks of commands, without comments and here-documents."""
    for block in re.findall(r"^ *```sh\n(.*?)^ *```", page.read_text(encoding="utf-8"), re.M | re.S):
        fed = re.sub(r"<<'(\w+)'([^\n]*)\n.*?^ *\1$", r"\2", block, flags=re.M | re.S)
        yield re.sub(r"(^|\s)# .*$", "", fed.replace("\\\n", " "), flags=re.M)


def words(block: str) -> list[list[str]]:
    """Return the block's simple commands, each as its words."""
    lexer = shlex.shlex(block, posix=True, punctuation_chars=f"{ENDS}\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, ""
    commands: list[list[str]] = [[]]
    for word in lexer:
        if word and set(word) <= set(f"{ENDS}\n"):
            commands.append([])
        else:
            commands[-1].append(word)
    return [command for command in commands if command]


def program(command: list[str], name: str) -> list[str] | None:
    """Return the words after the program's name; None if the command runs another program."""
    while command and re.fullmatch(r"\w+=.*", command[0]):  # a variable of the environment
        command = command[1:]
    if command and command[0] in ("exec", "export", "!"):
        command = command[1:]
    return command[1:] if command and command[0].removeprefix(".venv/bin/") == name else None


COMMANDS = [(page, command) for page in PAGES for block in blocks(page) for command in words(block)]
OURS = [(page, rest) for page, command in COMMANDS if (rest := program(command, "scenewright"))]


def name(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


def parse(command: click.Command, given: list[str], parent: click.Context | None = None) -> None:
    """Parse as click does, and run nothing. Raises click.UsageError."""
    context = command.make_context("scenewright", list(given), parent=parent)
    if isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        _, inner, left = command.resolve_command(context, rest)
        assert inner is not None
        parse(inner, left, context)


@pytest.mark.parametrize(
    ("page", "given"), OURS, ids=lambda each: name(each) if isinstance(each, Path) else " ".join(each)[:50]
)
def test_scenewright_takes_these_words(page: Path, given: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (click.Path, click.File, PoseFile):  # only a reader has the files
        monkeypatch.setattr(kind, "convert", lambda self, value, *_: Path(value))
    with suppress(click.exceptions.Exit):  # by --help and the like
        parse(main, given)


def test_there_are_commands_to_look_at() -> None:
    assert len(OURS) > 50


def test_scripts_and_modules_are_there() -> None:
    for page, command in COMMANDS:
        if command[0].startswith("scripts/"):
            assert (REPOSITORY / command[0]).exists(), (name(page), command[0])
        if command[0].endswith("python") and command[1:2] == ["-m"]:
            assert find_spec(command[2]) is not None, (name(page), command[2])
        elif command[0].endswith("python") and command[1].endswith(".py"):
            places = (REPOSITORY / command[1], page.parent / command[1])
            assert any(place.exists() for place in places), (name(page), command[1])


def option(given: list[str], *names: str) -> str | None:
    return next((value for name, value in pairwise(given) if name in names), None)


@pytest.fixture(scope="module")
def api() -> dict[str, Any]:
    nothing: Any = None
    return build_api(ServiceConfig(), Graph(nothing, nothing, nothing)).openapi()


def test_curl_s_requests_are_those_of_a_route(api: dict[str, Any]) -> None:
    """Check that a route exists for each; docs/api.md is left out, since another test runs its examples."""
    curls = [
        (page, command[1:]) for page, command in COMMANDS if command[0] == "curl" and page.name != "api.md"
    ]
    assert len(curls) > 8
    for page, given in curls:
        (address,) = (word for word in given if re.match(r"(http://)?(localhost|127\.0\.0\.1):\d+/", word))
        path = re.sub(r"^(http://)?[^/]+|\?.*$", "", address)
        data = option(given, "-d", "--data")
        sends = data is not None or option(given, "-F") is not None
        method = (option(given, "-X") or ("POST" if sends else "GET")).lower()
        found = [
            route
            for template, route in api["paths"].items()
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)
        ]
        assert found and any(method in route for route in found), (name(page), method, path)
        if data is not None:
            (body,) = (route[method]["requestBody"]["content"] for route in found if method in route)
            shape = {**body["application/json"]["schema"], "components": api["components"]}
            Draft202012Validator(shape).validate(json.loads(data))


def test_where_the_service_is_started_in_the_background_the_next_command_waits() -> None:
    started = 0
    for page in PAGES:
        commands = [command for block in blocks(page) for command in words(block)]
        for before, after in pairwise(commands):
            if before[0] == "scripts/serve" and "--help" not in before and after[0] == "curl":
                started += 1
                assert "--retry-all-errors" in after, name(page)
                assert after[-1].endswith("/readyz"), name(page)
    assert started
