from typing import Any

from django.core.management.base import BaseCommand, CommandError

from scenewright import ScenewrightError
from scenewright.story_agent import AgentSettings
from storybook.books import advance
from storybook.models import Book


class Command(BaseCommand):
    help = "Advances every unfinished book once: for cron, if webhooks are not set up or one was missed."

    def handle(self, **options: Any) -> None:
        try:
            with AgentSettings.from_django().connect() as service:
                for book in Book.objects.filter(status__in=Book.UNFINISHED):
                    advance(book, service)
                    self.stdout.write(f"{book.key} {book.get_status_display()}")
        except (ScenewrightError, OSError, ValueError) as error:
            raise CommandError(str(error)) from error
