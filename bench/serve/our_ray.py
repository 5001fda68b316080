"""Run Scenewright with generators that take no time, and the tutorial's graph beside it, until stdin ends."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml
from ray import serve

from bench.serve.tutorial import graph
from serve.config.service_config import ServiceConfig
from serve.runtime import local_cluster
from serve.runtime.listen_address import free_port

REPOSITORY = Path(__file__).parents[2]


def no_op() -> ServiceConfig:
    """Return serve/simulated.yaml with generators that take no time at all and keep nothing."""
    data = yaml.safe_load((REPOSITORY / "serve/simulated.yaml").read_text())["applications"][0]["args"]
    for kind in ("character", "background"):
        no_time = {"encode_s": 0.0, "step_s": 0.0, "decode_s": 0.0}
        data[kind]["generator"] |= {"simulated": no_time, "generation": {"result_cache_bytes": 0}}
    return ServiceConfig.model_validate(data)


def main() -> None:
    with local_cluster.running(no_op(), "127.0.0.1", free_port()) as url:
        serve.run(graph(), name="tutorial", route_prefix="/tutorial")
        print(url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
