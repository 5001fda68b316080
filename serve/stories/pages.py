"""Turn a story's pages into scenes: its cast, style, frame and seeds filled in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TypeVar

from deployments.diffusion.model.registry import card_of, family_by_name
from deployments.messages import LayerKind
from deployments.story import prompts
from scenewright.stories import description_seed

from ..api.members import Member, with_members
from ..api.resolve import SEEDS
from ..api.schema import Layer, Merge, SceneRequest
from ..config.layer_models import find_model
from ..config.service_config import ServiceConfig
from .story_schema import StoryPage, StoryRequest, Style

AnyLayer = TypeVar("AnyLayer", bound=Layer)
NEGATIVES: dict[LayerKind, str] = {
    "character": prompts.CHARACTER_NEGATIVE,
    "background": prompts.BACKGROUND_NEGATIVE,
}
"""What a layer avoids that says nothing of it: a story's style comes besides."""


def scene_of(
    story: StoryRequest, page: StoryPage, members: Mapping[str, Member], config: ServiceConfig
) -> SceneRequest:
    """Return a page's scene. Raises InvalidRequest and UnsupportedTask with the parameter's path in it."""
    scene = SceneRequest(
        characters=page.characters,
        background=page.background,
        merge=_framed(page.merge, story),
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
    for figure, described in zip(scene.characters or (), who, strict=True):
        # A member looks the same on a page that is painted with a seed of its own.
        of_story = story.seed if figure.cast is not None and story.seed is not None else story_seed
        own = (description_seed("character", described, of_story) + seen[described]) % SEEDS
        seen[described] += 1  # Two equal descriptions are two figures.
        figures.append(_styled(_seeded(figure, own), "character", story.style, config))
    place = _seeded(scene.background, description_seed("background", page.background.prompt, story_seed))
    styled = _styled(place, "background", story.style, config)
    return scene.model_copy(update={"characters": figures, "background": styled})


def shown_in(page: StoryPage, members: Mapping[str, Member]) -> str:
    """Return what a page's picture shows, in the words that it is painted from."""
    figures = [
        ", ".join(filter(None, (_description(figure, members), figure.prompt))) for figure in page.characters
    ]
    return "; ".join([*figures, page.background.prompt])


def _who(figure: Layer, members: Mapping[str, Member]) -> str:
    """Return the words that a figure's seed is made of: of a member, those that every page has."""
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


def _seeded(layer: AnyLayer, seed: int) -> AnyLayer:
    return layer if layer.seed is not None else layer.model_copy(update={"seed": seed})


def _styled(layer: AnyLayer, kind: LayerKind, style: Style, config: ServiceConfig) -> AnyLayer:
    """Return a layer with the words of a style behind its own, of both kinds."""
    changes = {}
    if style.prompt:
        changes["prompt"] = f"{layer.prompt}, {style.prompt}"
    if style.negative_prompt and _reads_negative(kind, layer, config):
        avoided = NEGATIVES[kind] if layer.negative_prompt is None else layer.negative_prompt
        changes["negative_prompt"] = ", ".join(filter(None, (avoided, style.negative_prompt)))
    return layer.model_copy(update=changes) if changes else layer


def _reads_negative(kind: LayerKind, layer: Layer, config: ServiceConfig) -> bool:
    """Return whether a layer's model reads a negative prompt at all; true where it has no such model."""
    found = find_model(config.layers[kind], layer.model)
    return found is None or family_by_name(card_of(found[1].generator.model).family).takes_negative_prompt
