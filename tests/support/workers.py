"""Share the tests between xdist workers by files, but keep all with a real Ray together, and all browsers.

Two Rays that start at once on two cores slow each other down until one gives up, so one worker takes all of
them, one after the other, and another takes all with a browser; the rest is computed meanwhile. Within a file
tests keep their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

ONE_AFTER_ANOTHER = {
    "tests/integration/": "real Ray",
    "tests/cluster/": "real Ray",
    "tests/browser/": "browser",
}
"""Folders whose files are one unit: they mostly wait, and what they wait for would disturb each other."""
LONG = (*ONE_AFTER_ANOTHER, "tests/deployments/", "tests/models/", "tests/loadtest/")
"""Folders of the longest files, which begin first: small ones fill what is left at the end."""


def unit_of(nodeid: str) -> str:
    """Return the name of the unit of work that a test belongs to."""
    file = nodeid.partition("::")[0]
    return next((unit for folder, unit in ONE_AFTER_ANOTHER.items() if file.startswith(folder)), file)


def function_of(nodeid: str) -> str:
    """Return a test's id without its parameters."""
    return nodeid.partition("[")[0]


def rank(nodeid: str) -> int:
    """Return how late a test's folder begins, the longest first."""
    return next((place for place, folder in enumerate(LONG) if nodeid.startswith(folder)), len(LONG))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give units to whichever worker is free, in the order of the collection (--no-loadscope-reorder)."""
    from xdist.scheduler import LoadScopeScheduling

    class ByUnit(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return unit_of(nodeid)

        def add_node_collection(self, node: Any, collection: Sequence[str]) -> None:
            """Take a worker's tests for the first one's by their places, where only parameters differ.

            An object's address in an id differs between processes. A file is run by one worker alone, so each
            of its tests runs once all the same.
            """
            first = next(iter(self.registered_collections.values()), None)
            if first is not None and [*map(function_of, first)] == [*map(function_of, collection)]:
                collection = first
            super().add_node_collection(node, collection)

    return ByUnit(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest units first where the session is shared; the sort keeps the order within each."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: rank(item.nodeid))
