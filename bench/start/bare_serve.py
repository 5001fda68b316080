"""Start stock Ray Serve with an empty deployment, print when each phase ends, and stop when stdin ends."""

from __future__ import annotations

import tempfile
import urllib.request


class Empty:
    async def __call__(self, request: object) -> str:
        return "nothing"


def main() -> None:
    import ray
    from ray import serve

    print("imported", flush=True)
    with tempfile.TemporaryDirectory(prefix="swb-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        ray.init(address="local", include_dashboard=False, log_to_driver=False, _temp_dir=folder)
        print("Ray", flush=True)
        try:
            from serve.runtime.free_ports import free_ports

            (port,) = free_ports(1)
            serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})
            print("Serve", flush=True)
            empty = serve.deployment(Empty, name="Empty", ray_actor_options={"num_cpus": 0})
            serve.run(empty.bind(), name="empty", route_prefix="/")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as response:
                response.read()
            print("ready", flush=True)
            input()
        except EOFError:
            pass
        finally:
            serve.shutdown()
            ray.shutdown()


if __name__ == "__main__":
    main()
