"""Turn a story's pages into scenes, with cast, style, frame and seeds filled in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TypeVar

from deployments.errors import InvalidRequest
from scenewright.stories import description_seed

from ..api.layer_schema import Layer
from ..api.members import Member, with_members
from ..api.resolve import SEEDS
from ..api.scene_schema import Merge, SceneRequest
from ..config.service_config import ServiceConfig
from .kept_story import Story
from .layer_styles import LayerStyles
from .story_schema import StoryPage, StoryRequest

AnyLayer = TypeVar("AnyLayer", bound=Layer)


def scene_of(
    story: StoryRequest, page: StoryPage, members: Mapping[str, Member], config: ServiceConfig
) -> SceneRequest:
    """Return a page's scene. Raises InvalidRequest and UnsupportedTask, with a path in the page or style."""
    scene = SceneRequest(
        characters=page.characters,
        background=page.background,
        merge=_framed(page.merge, story),
        enhance=page.enhance,
        layers=story.layers,
        fallback=story.fallback,
        output=story.output,
        deadline_s=story.deadline_s,
    )
    scene = with_members(scene, members, config)
    seed = story.seed if page.seed is None else page.seed
    story_seed = 0 if seed is None else seed
    who = [_who(figure, members) for figure in page.characters]
    seen = Counter[str]()
    figures = []
    for asked, figure, described in zip(page.characters, scene.characters or (), who, strict=True):
        own = (description_seed("character", described, story_seed) + seen[described]) % SEEDS
        seen[described] += 1  # Two equal descriptions are two figures.
        figures.append(_seeded(figure, own, asked, page))
    own = description_seed("background", page.background.prompt, story_seed)
    place = _seeded(scene.background, own, page.background, page)
    styles = LayerStyles(story.style, config)
    styled = [styles.apply(figure, "character", f"characters.{n}.") for n, figure in enumerate(figures)]
    changes = {"characters": styled, "background": styles.apply(place, "background", "background.")}
    styles.check_used()
    return scene.model_copy(update=changes)


def scenes_of(story: Story, config: ServiceConfig) -> list[SceneRequest]:
    """Return the scenes of all pages. Raises InvalidRequest with the parameter's path in the story."""
    return [scene_in_story(story, number, config) for number in range(len(story.request.pages))]


def scene_in_story(story: Story, number: int, config: ServiceConfig) -> SceneRequest:
    """Return a page's scene. Raises InvalidRequest with the parameter's path in the story."""
    try:
        return scene_of(story.request, story.request.pages[number], story.members, config)
    except InvalidRequest as error:
        in_page = not str(error.param).startswith("style.")
        param = f"pages.{number}.{error.param}" if in_page else error.param
        raise type(error)(error.message, param) from None


def shown_in(page: StoryPage, members: Mapping[str, Member]) -> str:
    """Describe a page's picture in the words that it is painted from."""
    figures = [
        ", ".join(filter(None, (_description(figure, members), figure.prompt))) for figure in page.characters
    ]
    return "; ".join([*figures, page.background.prompt])


def _who(figure: Layer, members: Mapping[str, Member]) -> str:
    """Return the words that a figure's seed derives from: for a member, those that all pages share."""
    if figure.cast is None:
        return figure.prompt
    return _description(figure, members) or figure.cast


def _description(figure: Layer, members: Mapping[str, Member]) -> str:
    member = None if figure.cast is None else members.get(figure.cast)
    return "" if member is None else member.description


def _framed(merge: Merge, story: StoryRequest) -> Merge:
    sides = {name: getattr(merge, name) for name in ("width", "height")}
    frame = {name: getattr(story.frame, name) for name, side in sides.items() if side is None}
    return merge.model_copy(update=frame)


def _seeded(layer: AnyLayer, seed: int, asked: Layer, page: StoryPage) -> AnyLayer:
    """Return a layer with a seed: its own, else the page's, else that of its cast member, else `seed`."""
    has_one = asked.seed is not None if page.seed is not None else layer.seed is not None
    return layer if has_one else layer.model_copy(update={"seed": seed})
