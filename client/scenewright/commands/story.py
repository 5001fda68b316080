"""`scenewright story`: a book from a file, painted by a running service."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, get_args

import click

from ..choices import BookKind
from ..story_calls import Story
from ..story_methods import ENDED
from ..synchronous import Scenewright
from .ending import status_line, until_ended
from .job import SUFFIXES
from .output import check_writable, folder_option, make_folder, write
from .service import connected, service_options
from .story_file import pictures_beside, read_story_file

PAGES = "pages"
KINDS: dict[str, BookKind] = {f".{kind}": kind for kind in get_args(BookKind)}
output = click.option(
    "-o",
    "--output",
    "files",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="book.pdf, book.epub or book.zip; may be repeated.",
)
language_option = click.option("--language", help="Language of the book, if its texts are maps by language.")


@click.group()
def story() -> None:
    """Make books: a hero and pages, painted in the background."""


@story.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path, allow_dash=True))
@output
@language_option
@click.option("--seed", type=click.IntRange(0, 2**53 - 1), help="Seed of the whole story.")
@click.option("--idempotency-key", help="The same key and story within 24 hours give the same story.")
@service_options
def make(
    file: Path,
    files: tuple[Path, ...],
    language: str | None,
    seed: int | None,
    idempotency_key: str | None,
    url: str,
    api_key: str | None,
) -> None:
    """Paint the story of FILE and write its book.

    FILE is YAML or JSON; - is stdin.
    Ctrl-C does not stop the story; `scenewright story book ID -o book.pdf` writes its book later.
    """
    _check(files)
    request = read_story_file(file)
    if seed is not None:
        request["seed"] = seed
    with connected(url, api_key) as service:
        for picture in pictures_beside(file, request):
            service.upload_picture(picture)
        made = service.stories.create(idempotency_key, **request)
        click.echo(f"story {made.id}", err=True)
        try:
            found = until_ended(partial(service.stories.get, made.id), PAGES)
        except KeyboardInterrupt:
            click.echo(
                f"painting continues; get the book with: scenewright story book {made.id} -o {files[0]}",
                err=True,
            )
            raise
        _refuse_failed(found)
        _write_books(service, found, files, language)


@story.command()
@click.argument("story_id", metavar="ID")
@output
@language_option
@service_options
def book(story_id: str, files: tuple[Path, ...], language: str | None, url: str, api_key: str | None) -> None:
    """Write the book of a story, once its pages are painted."""
    _check(files)
    with connected(url, api_key) as service:
        found = until_ended(partial(service.stories.get, story_id), PAGES)
        _refuse_failed(found)
        _write_books(service, found, files, language)


@story.command()
@click.argument("story_id", metavar="ID")
@click.option("--wait", is_flag=True, help="Wait until all pages have ended; exit 1 if any failed.")
@service_options
def show(story_id: str, wait: bool, url: str, api_key: str | None) -> None:
    """Show a story's progress, page by page."""
    with connected(url, api_key) as service:
        found = (
            until_ended(partial(service.stories.get, story_id), PAGES)
            if wait
            else service.stories.get(story_id)
        )
        click.echo(status_line(found, PAGES))
        for page in found["pages"]:
            alike = ", ".join(f"{name} {value:.2f}" for name, value in page.get("consistency", {}).items())
            why = page.get("error", {}).get("message", "")
            click.echo("  ".join(filter(None, (f"page {page['index']}", page["status"], alike, why))))
    if found["status"] == "failed":
        raise click.exceptions.Exit(1)


@story.command("list")
@click.option(
    "--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="The most stories to list."
)
@service_options
def list_(limit: int, url: str, api_key: str | None) -> None:
    """List stories, newest first."""
    with connected(url, api_key) as service:
        for each in service.stories.list(limit)["data"]:
            click.echo(f"{each['id']}  {status_line(each, PAGES)}  {_title(each)}")


@story.command()
@click.argument("story_id", metavar="ID")
@click.argument("index", type=click.IntRange(0, 99))
@click.option("--seed", type=click.IntRange(0, 2**53 - 1), help="Seed of the page; by default random.")
@click.option("--background", help="New prompt for the background.")
@click.option("--text", help="New text below the picture.")
@service_options
def repaint(
    story_id: str,
    index: int,
    seed: int | None,
    background: str | None,
    text: str | None,
    url: str,
    api_key: str | None,
) -> None:
    """Paint the page with this INDEX again. The first is 0; the others are left unchanged."""
    given = {"seed": seed, "background": background, "text": text}
    change = {name: value for name, value in given.items() if value is not None}
    with connected(url, api_key) as service:
        service.stories.repaint(story_id, index, **change)
        _refuse_failed(until_ended(partial(service.stories.get, story_id), PAGES))


@story.command()
@click.argument("story_id", metavar="ID")
@folder_option("Folder for the pictures.")
@service_options
def fetch(story_id: str, folder: Path, url: str, api_key: str | None) -> None:
    """Write the pictures painted so far into a folder.

    The files are page-000.jpg, page-001.jpg, …
    """
    with connected(url, api_key) as service:
        for page in service.stories.get(story_id)["pages"]:
            if "picture" in page:
                data, wire_format = service.stories.picture(story_id, page["index"])
                file = folder / f"page-{page['index']:03}{SUFFIXES.get(wire_format, '')}"
                make_folder(folder)
                write(file, data)
                click.echo(file)


@story.command()
@click.argument("story_id", metavar="ID")
@service_options
def cancel(story_id: str, url: str, api_key: str | None) -> None:
    """Cancel a story's remaining pages. A story that has ended is left unchanged."""
    with connected(url, api_key) as service:
        found = service.stories.get(story_id)
        ended = found["status"] in ENDED
        click.echo(found["status"] if ended else service.stories.cancel(story_id)["status"])


@story.command()
@click.argument("story_id", metavar="ID")
@service_options
def remove(story_id: str, url: str, api_key: str | None) -> None:
    """Remove a story that has ended, and its pictures with it."""
    with connected(url, api_key) as service:
        found = service.stories.get(story_id)
        if found["status"] not in ENDED:
            raise click.ClickException(
                f"the story has not ended ({status_line(found, PAGES)}): cancel it first"
            )
        service.stories.cancel(story_id)
        click.echo("removed")


def _check(files: tuple[Path, ...]) -> None:
    """Check the books' names before anything is painted. Raises click.BadParameter."""
    for file in files:
        if file.suffix.lower() not in KINDS:
            name, endings = click.format_filename(file.name), ", ".join(KINDS)
            raise click.BadParameter(f"{name} must end in one of {endings}", param_hint="-o")
        check_writable(file)


def _title(found: dict[str, Any]) -> str:
    title = found["title"]
    return title if isinstance(title, str) else next(iter(title.values()), "")


def _refuse_failed(found: Story) -> None:
    """Print which pages failed and how to paint them again. Exits 1 if the story failed or was cancelled."""
    click.echo(status_line(found, PAGES), err=True)
    for page in found["pages"]:
        if "error" in page:
            click.echo(f"page {page['index']}: {page['error']['message']}", err=True)
    if found["status"] == "failed":
        failed = next(page["index"] for page in found["pages"] if page["status"] == "failed")
        raise click.ClickException(f"to paint the page again: scenewright story repaint {found.id} {failed}")
    if found["status"] == "cancelled":
        raise click.ClickException("the story was cancelled")


def _write_books(service: Scenewright, found: Story, files: tuple[Path, ...], language: str | None) -> None:
    for file in files:
        write(file, service.stories.book(found.id, KINDS[file.suffix.lower()], language))
        click.echo(file)
