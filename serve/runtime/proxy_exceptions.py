"""Keep gRPC calls between this machine's processes away from an HTTP proxy in the user's environment."""

from __future__ import annotations

from collections.abc import Mapping

NAME = "no_grpc_proxy"
OWN = ("127.0.0.1", "localhost")
"""The addresses of replicas of a Ray on loopback. gRPC would send calls to these through `http_proxy` too."""


def for_grpc(environment: Mapping[str, str]) -> dict[str, str]:
    """Return gRPC's setting: our own addresses and the exceptions that this environment has.

    If it is set, gRPC does not read `no_proxy`. It never reads NO_PROXY.
    """
    names = (NAME,) if NAME in environment else ("no_proxy", "NO_PROXY")
    hosts = [host.strip() for name in names for host in environment.get(name, "").split(",")]
    return {NAME: ",".join(dict.fromkeys([*filter(None, hosts), *OWN]))}
