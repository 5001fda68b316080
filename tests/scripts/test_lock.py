"""requirements.lock: all packages of a service, in the versions of constraints.txt, with their hashes."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.support.locks import CPU_LOCK, LOCK, REPOSITORY, entries, pin_of

EXTRAS = ("tracing", "postgres", "s3")
"""The image is also for clusters, which keep jobs in PostgreSQL and S3."""
CLIENT = "scenewright-client"
"""Installed from client/ of the same tree, like the service itself."""
BUILT_FOR_A_DEVICE = re.compile(r"torch|triton|cuda-.+|nvidia-.+")


@pytest.fixture(scope="module")
def locked() -> dict[str, tuple[Requirement, int]]:
    return entries(LOCK)


def test_everything_has_one_version_and_its_hashes(locked: dict[str, tuple[Requirement, int]]) -> None:
    assert len(locked) > 100
    for requirement, hashes in locked.values():
        assert pin_of(requirement)
        assert requirement.url is None
        assert hashes > 0


def test_it_holds_what_jobs_of_several_nodes_need(locked: dict[str, tuple[Requirement, int]]) -> None:
    assert {"psycopg", "psycopg-binary", "s3fs"} <= locked.keys() & entries(CPU_LOCK).keys()


def test_it_says_what_the_constraints_say(locked: dict[str, tuple[Requirement, int]]) -> None:
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    constraints: dict[str, Version] = {
        canonicalize_name(each.name): pin_of(each)
        for each in (Requirement(line) for line in lines if not line.startswith("#"))
    }
    both = locked.keys() & constraints.keys()
    assert len(both) > 80
    assert {name: pin_of(locked[name][0]) for name in both} == {name: constraints[name] for name in both}
    unpinned = (locked[name][0] for name in locked.keys() - both if not BUILT_FOR_A_DEVICE.fullmatch(name))
    assert [str(each) for each in unpinned if each.marker is None or each.marker.evaluate()] == []


def needed() -> set[str]:
    """Return the packages that the service needs on this machine, by the metadata installed here."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    direct = [*project["dependencies"], *(line for extra in EXTRAS for line in extras[extra])]
    pending = [(Requirement(line), {""}) for line in direct]
    found: dict[str, set[str]] = {}
    while pending:
        requirement, extras = pending.pop()
        environments = [{**default_environment(), "extra": extra} for extra in extras]
        marker = requirement.marker
        if marker is not None and not any(marker.evaluate(each) for each in environments):  # type: ignore[arg-type]
            continue
        name, requested = canonicalize_name(requirement.name), {"", *requirement.extras}
        if name == CLIENT:
            pending += [(Requirement(line), requested) for line in requires(name) or ()]
            continue
        if requested <= found.get(name, set()):
            continue
        found[name] = found.get(name, set()) | requested
        pending += [(Requirement(line), requested) for line in requires(name) or ()]
    return set(found)


def test_nothing_is_left_out(locked: dict[str, tuple[Requirement, int]]) -> None:
    assert needed() - locked.keys() == set()


def test_what_the_project_requires_is_what_it_gets(locked: dict[str, tuple[Requirement, int]]) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for line in [*project["dependencies"], *(line for extra in EXTRAS for line in extras[extra])]:
        requested = Requirement(line)
        if requested.name == CLIENT:
            continue
        assert pin_of(locked[canonicalize_name(requested.name)][0]) in requested.specifier, line


def test_the_cpu_lock_lacks_only_what_is_built_for_a_device(
    locked: dict[str, tuple[Requirement, int]],
) -> None:
    cpu = entries(CPU_LOCK)
    assert {name for name in locked if BUILT_FOR_A_DEVICE.fullmatch(name)} == locked.keys() - cpu.keys()
    assert {name: str(locked[name]) for name in cpu} == {name: str(each) for name, each in cpu.items()}


def test_it_can_build_the_service(locked: dict[str, tuple[Requirement, int]]) -> None:
    """The Dockerfile builds it without isolation, with the locked packages."""
    build = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["build-system"]["requires"]
    assert [Requirement(line).name for line in build] == ["setuptools"]
    assert pin_of(locked["setuptools"][0]) in Requirement(build[0]).specifier


@pytest.mark.parametrize("lock", [LOCK, CPU_LOCK])
def test_no_address_of_a_registry_is_in_it(lock: Path) -> None:
    assert "://" not in lock.read_text()
    assert "index" not in lock.read_text()
