"""The `scenewright` command: the client's own commands, and those that other packages add."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, entry_points, version

import click
import pytest
from click.testing import CliRunner, Result

from scenewright import __main__, cli
from scenewright.commands.group import GROUP


@click.command()
def painted() -> None:
    """Say so."""
    click.echo("painted by another package")


def run(*words: str) -> Result:
    return CliRunner().invoke(cli.main, words)


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> dict[str, EntryPoint]:
    """Return the entry points of the test, which replace all installed ones."""
    points: dict[str, EntryPoint] = {}
    monkeypatch.setitem(vars(cli.main), "_added", points)
    return points


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, GROUP)


def test_alone_it_has_its_own_commands(added: dict[str, EntryPoint]) -> None:
    result = run("--help").output
    assert [line.split()[0] for line in result.partition("Commands:\n")[2].splitlines()] == [
        "cast",
        "job",
        "merge",
        "models",
        "scene",
        "story",
        "token",
    ]


def test_a_package_adds_a_command(added: dict[str, EntryPoint]) -> None:
    added["paint"] = point("paint", f"{__name__}:painted")
    assert "paint   Say so." in run("--help").output
    assert run("paint").output == "painted by another package\n"


def test_a_package_s_command_takes_the_place_of_the_client_s(added: dict[str, EntryPoint]) -> None:
    added["scene"] = point("scene", f"{__name__}:painted")
    assert run("scene").output == "painted by another package\n"


def test_a_command_that_cannot_be_imported_is_a_sentence(added: dict[str, EntryPoint]) -> None:
    added["paint"] = point("paint", "no_such_module_at_all:paint")
    result = run("paint")
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: the command paint cannot be imported: No module named 'no_such_module_at_all'\n"
    )
    assert run("models", "--help").exit_code == 0


def test_the_service_adds_its_commands() -> None:
    names = {each.name for each in entry_points(group=GROUP)}
    assert names == {"keys", "merge", "plan", "profile", "serve", "webhooks"}


def test_alone_it_knows_no_way_to_start_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scenewright.commands.service.entry_points", lambda group: ())
    result = run("models", "--url", "http://127.0.0.1:9")
    assert (result.exit_code, result.stderr) == (3, "Error: no Scenewright at http://127.0.0.1:9\n")


def test_the_version_is_the_services_where_it_is_installed() -> None:
    assert run("--version").output == f"scenewright, version {version('scenewright')}\n"


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "click", None)
    monkeypatch.delitem(sys.modules, "scenewright.cli")
    with pytest.raises(SystemExit, match=r"needs click: pip install 'scenewright-client\[cli\]'"):
        __main__.main()
