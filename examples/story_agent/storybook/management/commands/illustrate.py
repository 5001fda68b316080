from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.template.loader import render_to_string

from storybook.story import STORY, illustrate


class Command(BaseCommand):
    help = "Paints the story's three pages with a running Scenewright service."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--output", default=settings.MEDIA_ROOT, help="The folder for the pictures.")

    def handle(self, *, output: str, **options: Any) -> None:
        for page, picture in illustrate(output):
            self.stdout.write(f"{page.number} {picture}")
        book = Path(output) / "story.html"
        book.write_text(
            render_to_string("story.html", {"pages": [(page, True) for page in STORY], "files": True})
        )
        self.stdout.write(str(book))
