"""Run the tutorial's graph in a separate Ray, with the defaults of Ray and Serve, until stdin ends."""

from __future__ import annotations

import logging
import sys
import tempfile

import ray
from ray import serve

from bench.serve.tutorial import graph
from serve.runtime.listen_address import free_port
from serve.runtime.private_ray import OBJECT_STORE_BYTES


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="swb-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        ray.init(
            address="local",
            object_store_memory=OBJECT_STORE_BYTES,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _temp_dir=folder,
        )
        try:
            port = free_port()
            serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})
            serve.run(graph(), name="tutorial", route_prefix="/tutorial")
            print(f"http://127.0.0.1:{port}/tutorial", flush=True)
            sys.stdin.read()
        finally:
            serve.shutdown()
            ray.shutdown()


if __name__ == "__main__":
    main()
