import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from scenewright import ScenewrightError
from scenewright.story_agent import AgentSettings
from storybook.book_views import TITLE
from storybook.books import advance
from storybook.models import Book

POLL_S = 0.5


class Command(BaseCommand):
    help = "Makes a book of the story with a running Scenewright service, and waits until it is done."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--output", type=Path, help="Also copy the book to this file.")

    def handle(self, *, output: Path | None, **options: Any) -> None:
        try:
            book = self._made()
            self.stdout.write(book.file.path)
            if output is not None:
                output.write_bytes(Path(book.file.path).read_bytes())
        # OSError: no service runs, or the file cannot be written. ValueError: an invalid setting.
        except (ScenewrightError, OSError, ValueError) as error:
            hint = "; start one with scripts/serve" if getattr(error, "refused", False) else ""
            raise CommandError(f"{error}{hint}") from error

    def _made(self) -> Book:
        with AgentSettings.from_django().connect() as service:
            service.models()  # Fail now if no service can paint the book.
            book, reported = Book.objects.create(title=TITLE), ""
            while True:
                advance(book, service)
                if book.status != reported:
                    reported = book.status
                    self.stdout.write(f"{book.key} {book.get_status_display()}")
                if book.status not in Book.UNFINISHED:
                    break
                time.sleep(POLL_S)
        if book.status == Book.Status.FAILED:
            raise CommandError(book.fault)
        return book
