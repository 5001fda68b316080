"""A story of three pages, and how each is painted with Story Agent's classes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scenewright.story_agent import (
    ImageEnhancer,
    ImageGenerationService,
    ImageMergeService,
    validate_image_quality,
)


@dataclass(frozen=True)
class Page:
    number: int
    words: str
    character: str
    background: str

    def picture(self, folder: str | Path) -> Path:
        return Path(folder) / f"page-{self.number}.jpg"


STORY = (
    Page(1, "A knight sets out before the sun is down.", "a knight in silver armor", "a castle at sunset"),
    Page(2, "The forest is dark, and it is listening.", "a knight in silver armor", "a forest at night"),
    Page(3, "On the mountain, a wizard has been waiting.", "a wizard in a purple robe", "a snowy mountain"),
)


def illustrate(
    folder: str | Path, painter: ImageGenerationService | None = None
) -> Iterator[tuple[Page, Path]]:
    """Yield each page with its picture, as soon as it is painted."""
    painter, merger = painter or ImageGenerationService(), ImageMergeService()
    layers = Path(folder) / "layers"
    for page in STORY:
        character = painter.generate_with_fallback(page.character, layers / f"{page.number}-character.png")
        background = painter.generate_with_fallback(
            page.background, layers / f"{page.number}-background.png", kind="background"
        )
        picture = merger.merge_images(character, background, page.picture(folder))
        if validate_image_quality(picture):
            ImageEnhancer.enhance_image(picture)
        yield page, Path(picture)
