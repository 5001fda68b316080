"""Keep gRPC calls of this machine's own processes from an HTTP proxy that the user's environment names."""

from __future__ import annotations

from collections.abc import Mapping

NAME = "no_grpc_proxy"
OWN = ("127.0.0.1", "localhost")
"""Where the replicas of a Ray on loopback listen. gRPC sends calls of these too by `http_proxy`."""


def for_grpc(environment: Mapping[str, str]) -> dict[str, str]:
    """Return gRPC's setting: our own addresses beside the exceptions that this environment has.

    Where it is set, gRPC reads no `no_proxy`, and it never reads NO_PROXY.
    """
    names = (NAME,) if NAME in environment else ("no_proxy", "NO_PROXY")
    hosts = [host.strip() for name in names for host in environment.get(name, "").split(",")]
    return {NAME: ",".join(dict.fromkeys([*filter(None, hosts), *OWN]))}
