"""Start the service, paint one scene from text, report how long each stage took, and stop.

scripts/demo runs it: `python -m serve.commands.demo`.

With --keep it serves until Ctrl-C.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import click

from scenewright import Scene, Scenewright, ScenewrightError, ServerUnreachable
from scenewright.commands.group import Command
from scenewright.commands.output import check_writable, picture_format, write

from ..runtime import signals
from ..runtime.fork_server import process
from ..runtime.start_errors import CannotStart, RayEnded

CHARACTER = {"prompt": "an elf in a red tunic", "seed": 501}
BACKGROUND = {"prompt": "a castle at sunset", "seed": 15}
KEPT_PORT = 8000
"""The port at which the quick start and the clients expect a service."""
LAYER_STAGES = ("queue", "encode", "denoise", "decode")


@click.command(cls=Command)
@click.option("--config", default="serve/local.yaml", show_default=True, help="A Serve configuration file.")
@click.option(
    "--output",
    "file",
    type=click.Path(path_type=Path),
    default="scene.jpg",
    show_default=True,
    help="File for the picture.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help=f"The port to serve at. By default {KEPT_PORT} with --keep, and a free one without.",
)
@click.option("--keep", is_flag=True, help="Keep serving until Ctrl-C.")
def main(config: str, file: Path, port: int | None, keep: bool) -> None:
    """Start Scenewright, paint one scene into FILE, and stop what was started."""
    with process.begun_early(config):
        _paint(config, file, port, keep)


def _paint(config: str, file: Path, port: int | None, keep: bool) -> None:
    # Ray takes seconds to import. Meanwhile the fork server imports torch.
    from ..config import serve_file
    from ..runtime import kept_logs, local_cluster, ray_processes, tls, wait_ready

    signals.listen()
    begun = time.monotonic()
    wire_format = picture_format(file)
    check_writable(file)
    try:
        loaded = serve_file.load(config)
        if port is None:
            port = KEPT_PORT if keep else 0
        with (
            local_cluster.running(
                kept_logs.with_kept_logs(loaded.config, click.echo),
                "127.0.0.1",
                port,
                click.echo,
                loaded.deploy,
            ) as url,
            Scenewright(url, transport=tls.transport(loaded.deploy.http_options)) as service,
        ):
            reason = wait_ready.wait(service, ray_processes.check)
            if reason:
                raise click.ClickException(f"the service cannot paint: {reason}")
            start_s = time.monotonic() - begun
            click.echo("painting…")
            painted = service.scene(CHARACTER, BACKGROUND, output={"format": wire_format})
            write(file, painted.data)
            click.echo(f"{file.resolve()}\n{_table(painted, start_s, time.monotonic() - begun)}")
            if keep:
                click.echo(f"serving at {url}/ until Ctrl-C")
                with suppress(KeyboardInterrupt):
                    signals.wait(ray_processes.check)
    except KeyboardInterrupt:
        raise click.ClickException("interrupted") from None
    except (
        serve_file.ConfigFileError,
        CannotStart,
        RayEnded,
        ScenewrightError,
        ServerUnreachable,
    ) as error:
        raise click.ClickException(str(error)) from error
    click.echo("stopped")


def _table(painted: Scene, start_s: float, in_all_s: float) -> str:
    """List the seconds of each stage, with the layers side by side, since they are painted together."""
    ms = painted.timings_ms
    rows = [f"{'seconds':<10}{'character':>12}{'background':>12}"]
    rows += [
        f"{stage:<10}{ms[f'character-{stage}'] / 1e3:>12.2f}{ms[f'background-{stage}'] / 1e3:>12.2f}"
        for stage in LAYER_STAGES
    ]
    rows += [f"{stage:<10}{ms[stage] / 1e3:>12.2f}" for stage in ("merge", "output")]
    rows += [f"{'start':<10}{start_s:>12.2f}", f"{'total':<10}{in_all_s:>12.2f}"]
    rows += [f"degraded: {how}" for how in painted.degraded]
    if painted.backend == "simulated":
        rows.append("simulated: no model painted this")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
