from __future__ import annotations

from deployments.reports.routing_stats import RoutingStats


def test_what_is_reported_is_what_is_received() -> None:
    standing = RoutingStats(0.5, 0.1, 12.0, ("a", "b"))
    assert RoutingStats.from_stats(standing.as_stats()) == standing


def test_a_replica_that_has_reported_nothing_yet() -> None:
    assert RoutingStats.from_stats({}) is None
