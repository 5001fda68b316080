"""Pass to the processes that listen the names that Ray Serve's own routes answer to.

They know no configuration, so `scenewright serve` puts it into their environment. Elsewhere nothing is
checked there: a cluster has names of its own, and requires keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..config.host_names import is_address, is_loopback, matches

VARIABLE = "SCENEWRIGHT_CHECKED_HOSTS"
"""The names, with commas between them, that count besides addresses and loopback's names."""

OWN_NAMES = (r"[0-9.]+", r"\[[0-9a-f:.]+\]", r"(.*\.)?localhost")


def setting_for(allowed_hosts: Iterable[str], requires_keys: bool) -> dict[str, str]:
    """Return the environment in which Serve's routes check what the application itself does (hosts.py)."""
    names = tuple(allowed_hosts)
    unchecked = "*" in names or (requires_keys and not names)
    return {} if unchecked else {VARIABLE: ",".join(names)}


def checked_hosts(environment: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return the names that count, or None where no Host is checked."""
    names = environment.get(VARIABLE)
    return None if names is None else tuple(name for name in names.split(",") if name)


def are_allowed(host: str, allowed: Iterable[str]) -> bool:
    """Return whether Serve's routes answer to a normalised host.

    An address always counts: no name server can rebind it, and a kubelet uses the pod's.
    """
    return is_address(host) or is_loopback(host) or matches(host, allowed)


def pattern_of(allowed: Iterable[str]) -> str:
    """Return are_allowed() as a regular expression, over a Host in lower case without its port."""
    names = (rf".+\.{re.escape(name[2:])}" if name.startswith("*.") else re.escape(name) for name in allowed)
    return "^(" + "|".join((*OWN_NAMES, *names)) + r")\.?$"
