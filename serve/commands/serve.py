"""`scenewright serve`: run the service in the foreground, until SIGINT or SIGTERM."""

from __future__ import annotations

import time
from contextlib import suppress

import click

from serve.runtime.start_errors import CannotStart, RayEnded


@click.command()
@click.option("--config", default="serve/local.yaml", show_default=True, help="A Serve configuration file.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="The port to listen on. By default the file's; 0 takes a free one.",
)
@click.option(
    "--host",
    help="The address to listen on, such as 127.0.0.1 or ::1, or a host name. By default the file's."
    " 0.0.0.0 opens it to the network.",
)
@click.option(
    "--metrics-port",
    type=click.IntRange(1, 65535),
    help="Where Prometheus reads metrics on this machine: http://127.0.0.1:PORT/metrics."
    " By default a free port.",
)
@click.option(
    "--check",
    is_flag=True,
    help="Check the file and start nothing. Also for files that Ray's own `serve run` starts.",
)
def serve(config: str, port: int | None, host: str | None, metrics_port: int | None, check: bool) -> None:
    """Serve in the foreground, on a private Ray, until Ctrl-C."""
    from ..runtime.fork_server import process

    if check:
        _serve(config, port, host, metrics_port, check)
        return
    with process.begun_early(config):
        _serve(config, port, host, metrics_port, check)


def _serve(config: str, port: int | None, host: str | None, metrics_port: int | None, check: bool) -> None:
    # Ray takes seconds to import, and no other command needs it.
    from scenewright import Scenewright

    from ..config import serve_file
    from ..runtime import kept_logs, local_cluster, ray_processes, signals, tls, wait_ready

    signals.listen()
    begun = time.monotonic()
    try:
        file = serve_file.load(config)
        if check:
            click.echo(f"{file.path} is valid")
            return
        with (
            suppress(KeyboardInterrupt),
            local_cluster.running(
                kept_logs.with_kept_logs(file.config, click.echo),
                file.host if host is None else host,
                file.port if port is None else port,
                click.echo,
                file.deploy,
                metrics_port,
            ) as url,
        ):
            with Scenewright(url, transport=tls.transport(file.deploy.http_options)) as service:
                wait_ready.wait(
                    service,
                    ray_processes.check,
                    lambda reason: click.echo(f"not ready: {reason}", err=True),
                    float("inf"),
                )
            click.echo(f"ready in {time.monotonic() - begun:.1f} s at {url}")
            if metrics_port is not None:
                click.echo(f"metrics for Prometheus at http://127.0.0.1:{metrics_port}/metrics")
            signals.wait(ray_processes.check)
    except (serve_file.ConfigFileError, CannotStart, RayEnded) as error:
        raise click.ClickException(str(error)) from error
    click.echo("stopped")
