"""The table of connections: giving places, making room, and choosing whose address counts."""

from __future__ import annotations

import pytest

from serve.http.connection_limits import ConnectionLimits
from serve.http.connection_table import Connection, ConnectionTable


def connection(
    dropped: list[str], address: str = "192.0.2.1", name: str = "", busy: bool = False
) -> Connection:
    return Connection(address, lambda: dropped.append(name or address), lambda: busy)


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("127.0.0.1", None),
        ("127.8.8.8", None),
        ("::1", None),
        ("::ffff:127.0.0.1", None),
        ("10.1.2.3", None),
        ("", None),
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::2:1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_whose_address_counts(address: str, source: str | None) -> None:
    limits = ConnectionLimits.from_environment({"SCENEWRIGHT_TRUSTED_PROXIES": "10.1.0.0/16, 2001:db9::5"})
    assert limits.source_of(address) == source
    assert ConnectionLimits(connections_per_address=0).source_of(address) is None


def test_an_address_at_its_limit_leaves_room_for_others() -> None:
    table = ConnectionTable(ConnectionLimits(connections_per_address=2))
    mine = [connection([]) for _ in range(3)]
    assert [table.enter(each) for each in mine] == [True, True, False]
    assert table.enter(connection([], "192.0.2.2"))
    table.leave(mine[0])
    table.leave(mine[0])
    assert table.enter(mine[2])


def test_who_has_waited_longest_makes_room() -> None:
    dropped: list[str] = []
    table = ConnectionTable(ConnectionLimits(connections=2, health_connections=1))
    busy, requested, silent = (
        connection(dropped, name=name, busy=name == "asked") for name in ("works", "asked", "silent")
    )
    assert all(table.enter(each) for each in (busy, requested, silent))
    assert table.begin(busy)
    assert table.enter(connection(dropped))
    assert dropped == ["silent"]
    assert len(table) == 3


def test_where_all_work_there_is_no_place() -> None:
    table = ConnectionTable(ConnectionLimits(connections=2, health_connections=1))
    busy = [connection([]) for _ in range(3)]
    assert all(table.enter(each) for each in busy)
    assert [table.begin(each) for each in busy] == [True, True, False]
    assert not table.enter(connection([]))
    table.wait(busy[0])
    assert table.enter(connection([]))
