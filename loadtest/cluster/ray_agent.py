"""`python -m loadtest.cluster.ray_agent ADDRESS`: report how many replicas run, and end one on command.

It is a separate process, so that Ray's threads never make the generator late. No other file of loadtest
imports Ray, and this one uses only Ray's public interface. Each second it writes a line of JSON to stdout:
{"replicas": {deployment: running}, "starting": {deployment: not yet running}}. A line `end DEPLOYMENT` on
stdin ends one replica of that deployment (`end any`: of any deployment), and writes {"ended": the actor's
name, or null if there is none}.
"""

from __future__ import annotations

import json
import logging
import random
import socket
import sys
import threading
import time
from typing import Any

PERIOD_S = 1.0
REACHED_WITHIN_S = 5.0
REPORTING = threading.Lock()


def main(address: str) -> None:
    _reach(address)
    import ray

    ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, namespace="serve")
    threading.Thread(target=_obey, daemon=True).start()
    while True:
        _report(_replicas())
        time.sleep(PERIOD_S)


def _reach(address: str) -> None:
    """Connect once.

    Raises OSError if nothing listens at host:port. Ray itself would try for more than a minute.
    """
    host, _, port = address.rpartition(":")
    if host and "/" not in host and port.isdecimal():
        socket.create_connection((host, int(port)), REACHED_WITHIN_S).close()


def _replicas() -> dict[str, dict[str, int]]:
    from ray import serve

    running: dict[str, int] = {}
    starting: dict[str, int] = {}
    for application in serve.status().applications.values():
        for name, deployment in application.deployments.items():
            states = {
                str(getattr(state, "value", state)): n for state, n in deployment.replica_states.items()
            }
            running[name] = states.get("RUNNING", 0)
            starting[name] = states.get("STARTING", 0) + states.get("PENDING_ALLOCATION", 0)
    return {"replicas": running, "starting": starting}


def _obey() -> None:
    for line in sys.stdin:
        command, _, deployment = line.strip().partition(" ")
        if command == "end":
            _report({"ended": _end(deployment)})


def _end(deployment: str) -> str | None:
    """End a replica. Serve names its actors SERVE_REPLICA::application#deployment#id."""
    import ray
    from ray.util import list_named_actors

    names = [
        actor["name"]
        for actor in list_named_actors(all_namespaces=True)
        if actor["name"].startswith("SERVE_REPLICA::")
        and (deployment == "any" or f"#{deployment}#" in actor["name"])
    ]
    if not names:
        return None
    name = random.choice(names)  # noqa: S311 (which one is ended guards no secret)
    ray.kill(ray.get_actor(name, namespace="serve"), no_restart=True)
    return str(name)


def _report(message: dict[str, Any]) -> None:
    with REPORTING:
        print(json.dumps(message), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
