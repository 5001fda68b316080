from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.template.loader import render_to_string

from scenewright import ScenewrightError
from scenewright.story_agent import AgentSettings, ImageGenerationService
from storybook.story import STORY, illustrate


class Command(BaseCommand):
    help = "Paints the story's three pages with a running Scenewright service."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--output", default=settings.MEDIA_ROOT, help="The folder for the pictures.")

    def handle(self, *, output: str, **options: Any) -> None:
        try:
            self._illustrate(Path(output))
        # OSError: no service runs, or the folder cannot be written. ValueError: an invalid setting.
        except (ScenewrightError, OSError, ValueError) as error:
            hint = "; start one with scripts/serve" if getattr(error, "refused", False) else ""
            raise CommandError(f"{error}{hint}") from error

    def _illustrate(self, folder: Path) -> None:
        with AgentSettings.from_django().connect() as service:
            service.models()  # Fail now: a story of placeholders is not worth beginning.
            painter = ImageGenerationService(service)
            for page, picture in illustrate(folder, painter):
                self.stdout.write(f"{page.number} {picture}")
        book = folder / "story.html"
        pages = [(page, True) for page in STORY]
        book.write_text(render_to_string("story.html", {"pages": pages, "files": True}), encoding="utf-8")
        self.stdout.write(str(book))
        if painter.placeholders:
            raise CommandError(f"drawn as placeholders instead of painted: {', '.join(painter.placeholders)}")
