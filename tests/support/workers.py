"""Share the tests between xdist workers by file, but keep all with a real Ray together, and all browsers.

Two Rays that start at once on two cores slow each other down until one times out, so one worker runs all of
them in sequence, and another runs all tests with a browser. The other workers run the rest meanwhile. Within
a file tests keep their order.
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
"""Folders whose files are one unit: they mostly wait, and would disturb each other in parallel."""
LONG = (*ONE_AFTER_ANOTHER, "tests/deployments/", "tests/models/", "tests/loadtest/")
"""Folders of the longest files, which begin first: short files fill the time left at the end."""


def unit_of(nodeid: str) -> str:
    """Return the name of the unit of work that a test belongs to."""
    file = nodeid.partition("::")[0]
    return next((unit for folder, unit in ONE_AFTER_ANOTHER.items() if file.startswith(folder)), file)


def function_of(nodeid: str) -> str:
    """Return a test's id without its parameters."""
    return nodeid.partition("[")[0]


def rank(nodeid: str) -> int:
    """Return the place of a test's folder in the order; the longest begin first."""
    return next((place for place, folder in enumerate(LONG) if nodeid.startswith(folder)), len(LONG))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each unit to a free worker, in collection order (--no-loadscope-reorder)."""
    from xdist.scheduler import LoadScopeScheduling

    class ByUnit(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return unit_of(nodeid)

        def add_node_collection(self, node: Any, collection: Sequence[str]) -> None:
            """Treat a worker's tests as the first worker's, by position, if only parameters differ.

            An id may contain an object's address, which differs between processes. Only one worker runs a
            file, so each of its tests still runs once.
            """
            first = next(iter(self.registered_collections.values()), None)
            if first is not None and [*map(function_of, first)] == [*map(function_of, collection)]:
                collection = first
            super().add_node_collection(node, collection)

    return ByUnit(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest units first if workers share the session; the sort keeps the order within each."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: rank(item.nodeid))
