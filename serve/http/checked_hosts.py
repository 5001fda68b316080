"""Pass the host names that Ray Serve's own routes accept, in the environment of listening processes.

These processes read no configuration, so `scenewright serve` sets their environment. Without that these
routes check no Host: a cluster has its own names, and requires keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..config.host_names import is_address, is_loopback, matches

VARIABLE = "SCENEWRIGHT_CHECKED_HOSTS"
"""The allowed names, separated by commas. Addresses and loopback names are allowed as well."""

OWN_NAMES = (r"[0-9.]+", r"\[[0-9a-f:.]+\]", r"(.*\.)?localhost")


def setting_for(allowed_hosts: Iterable[str], requires_keys: bool) -> dict[str, str]:
    """Return the environment that makes Serve's routes check Hosts as the application does (hosts.py)."""
    names = tuple(allowed_hosts)
    unchecked = "*" in names or (requires_keys and not names)
    return {} if unchecked else {VARIABLE: ",".join(names)}


def checked_hosts(environment: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return the allowed names, or None if no Host is checked."""
    names = environment.get(VARIABLE)
    return None if names is None else tuple(name for name in names.split(",") if name)


def are_allowed(host: str, allowed: Iterable[str]) -> bool:
    """Return whether Serve's routes accept a normalised host.

    An IP address is always allowed: no name server can rebind it, and a kubelet uses the pod's.
    """
    return is_address(host) or is_loopback(host) or matches(host, allowed)


def pattern_of(allowed: Iterable[str]) -> str:
    """Return are_allowed() as a regular expression that matches a lower-case Host without its port."""
    names = (rf".+\.{re.escape(name[2:])}" if name.startswith("*.") else re.escape(name) for name in allowed)
    return "^(" + "|".join((*OWN_NAMES, *names)) + r")\.?$"
