"""A private Ray's node starts only the processes that it needs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from ray._private.node import Node

from serve.runtime.needed_processes import NEEDLESS, needed_processes_alone


def test_each_of_them_starts_nothing_meanwhile() -> None:
    before = [getattr(Node, name) for name in NEEDLESS]
    node = cast(Any, SimpleNamespace())
    with needed_processes_alone():
        for name in NEEDLESS:
            getattr(Node, name)(node)
        # Ray makes this call, and reads the attribute afterwards.
        Node.start_api_server(node, include_dashboard=False, raise_on_failure=False)
        assert node._webui_url == ""
    assert [getattr(Node, name) for name in NEEDLESS] == before
