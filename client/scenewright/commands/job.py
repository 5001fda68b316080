"""`scenewright job`: many scenes at once, kept by a running service until they are painted."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, TextIO

import click

from ..errors import Gone, NotReady
from ..stories import STORY_SEED, read_story, story_requests
from ..story_methods import ENDED
from .ending import status_line, until_ended
from .json_file import read_json
from .output import folder_option, make_folder, write
from .service import connected, service_options

SUFFIXES = {"jpeg": ".jpg", "png": ".png", "webp": ".webp"}


@click.group()
def job() -> None:
    """Paint many scenes in the background."""


@job.command()
@click.argument("file", type=click.File(encoding="utf-8-sig"))
@click.option("--idempotency-key", help="The same key and scenes within 24 hours give the same job.")
@click.option("--story-seed", type=int, help=f"Seed of the whole story; {STORY_SEED} by default.")
@click.option("--webhook", metavar="URL", help="Notified when the job ends; the service must allow its host.")
@click.option("--wait", is_flag=True, help="Wait until the job has ended; exit 1 if any scene failed.")
@service_options
def submit(
    file: TextIO,
    idempotency_key: str | None,
    story_seed: int | None,
    webhook: str | None,
    wait: bool,
    url: str,
    api_key: str | None,
) -> None:
    """Submit the scenes of FILE (- is stdin).

    FILE is a JSON list of scene requests, or {"scenes": [...]}, or a story with one scene per line,
    `who | where | text`. In a story the same description always gets the same seed.
    """
    scenes = _scenes(file, story_seed)
    with connected(url, api_key) as service:
        job_id = service.submit_job(scenes, idempotency_key, webhook)["id"]
        click.echo(job_id)
        if wait:
            _report(until_ended(partial(service.job, job_id)))


@job.command()
@click.argument("job_id", metavar="ID")
@click.option("--wait", is_flag=True, help="Wait until the job has ended; exit 1 if any scene failed.")
@service_options
def status(job_id: str, wait: bool, url: str, api_key: str | None) -> None:
    """Show a job's progress, and why scenes failed."""
    with connected(url, api_key) as service:
        _report(until_ended(partial(service.job, job_id)) if wait else service.job(job_id))


@job.command("list")
@click.option(
    "--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="The most jobs to list."
)
@click.option("--tenant", help="Whose jobs; an admin's key lists all tenants' by default.")
@service_options
def list_(limit: int, tenant: str | None, url: str, api_key: str | None) -> None:
    """List jobs, newest first."""
    with connected(url, api_key) as service:
        for each in service.jobs(limit, tenant=tenant)["data"]:
            whose = f"  {each['tenant']}" if "tenant" in each else ""
            click.echo(f"{each['id']}  {status_line(each)}{whose}")


@job.command()
@click.argument("job_id", metavar="ID")
@service_options
def cancel(job_id: str, url: str, api_key: str | None) -> None:
    """Cancel a job's remaining scenes. A job that has ended is left unchanged."""
    with connected(url, api_key) as service:
        found = service.job(job_id)
        click.echo(found["status"] if found["status"] in ENDED else service.cancel_job(job_id)["status"])


@job.command()
@click.argument("job_id", metavar="ID")
@service_options
def release(job_id: str, url: str, api_key: str | None) -> None:
    """Paint a job that is held because its key has ended."""
    with connected(url, api_key) as service:
        click.echo(service.release_job(job_id)["status"])


@job.command()
@click.argument("job_id", metavar="ID")
@service_options
def remove(job_id: str, url: str, api_key: str | None) -> None:
    """Remove a job that has ended, and its pictures with it."""
    with connected(url, api_key) as service:
        found = service.job(job_id)
        if found["status"] not in ENDED:
            raise click.ClickException(f"the job has not ended ({status_line(found)}): cancel it first")
        service.cancel_job(job_id)
        click.echo("removed")


@job.command()
@click.argument("job_id", metavar="ID")
@folder_option("Folder for the pictures.")
@service_options
def fetch(job_id: str, folder: Path, url: str, api_key: str | None) -> None:
    """Write the pictures painted so far into a folder.

    The files are scene-0000.jpg, scene-0001.jpg, …
    """
    with connected(url, api_key) as service:
        scenes = [scene["index"] for scene in service.job(job_id)["scenes"] if "url" in scene]
        gone = False
        for index in scenes:
            try:
                data, wire_format = service.job_picture(job_id, index)
            except (Gone, NotReady) as error:
                gone = True
                click.echo(f"scene {index}: {error.message}", err=True)
                continue
            file = folder / f"scene-{index:04}{SUFFIXES.get(wire_format, '')}"
            make_folder(folder)
            write(file, data)
            click.echo(file)
        if gone:
            raise click.exceptions.Exit(1)


def _scenes(file: TextIO, story_seed: int | None) -> list[dict[str, Any]]:
    name = click.format_filename(getattr(file, "name", "<stdin>"))
    try:
        text = file.read()
    except UnicodeDecodeError as error:
        raise click.BadParameter(f"{name} is not UTF-8: {error}", param_hint="FILE") from error
    except OSError as error:
        raise click.BadParameter(f"{name} cannot be read: {error.strerror}", param_hint="FILE") from error
    if not name.endswith(".json") and not text.lstrip("\ufeff \t\r\n").startswith(("[", "{")):
        try:
            return story_requests(read_story(text), STORY_SEED if story_seed is None else story_seed)
        except ValueError as error:
            raise click.BadParameter(f"{name}: {error}", param_hint="FILE") from error
    if story_seed is not None:
        raise click.BadParameter(f"{name} is not a story", param_hint="--story-seed")
    content = read_json(name, text)
    scenes = content.get("scenes") if isinstance(content, dict) else content
    if not isinstance(scenes, list):
        raise click.BadParameter('must be a list of scenes or {"scenes": [...]}', param_hint="FILE")
    if isinstance(content, dict) and (unknown := sorted(content.keys() - {"scenes"})):
        raise click.BadParameter(f"{name}: {unknown[0][:60]!a} is not a known field", param_hint="FILE")
    return scenes


def _report(found: dict[str, Any]) -> None:
    click.echo(status_line(found))
    for scene in found["scenes"]:
        if "error" in scene:
            click.echo(f"scene {scene['index']}: {scene['error']['message']}", err=True)
    if found["status"] == "failed":
        raise click.exceptions.Exit(1)
