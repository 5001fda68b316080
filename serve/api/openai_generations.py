"""The OpenAI-compatible request that generates pictures from a prompt."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, TypeAdapter, ValidatorFunctionWrapHandler, WrapValidator

from deployments.errors import InvalidRequest
from deployments.messages import MAX_FIGURES

from .layer_schema import Layer, LayerOrWords
from .openai_request import OpenAIRequest
from .scene_schema import FigureOrWords, SceneRequest

Backdrop = Literal["transparent", "opaque", "auto"]
_PLACE = TypeAdapter[Layer](LayerOrWords)


def _backdrop_or_place(value: Any, plain: ValidatorFunctionWrapHandler) -> str | Layer:
    """Read OpenAI's word or a place. A plain union would add its members' names to an error's path."""
    if isinstance(value, str) and value in get_args(Backdrop):
        return value
    return _PLACE.validate_python(value)


BackdropOrPlace = Annotated[Backdrop | LayerOrWords, WrapValidator(_backdrop_or_place)]


class ImagesRequest(OpenAIRequest):
    """POST /v1/images/generations."""

    background: BackdropOrPlace | None = Field(
        None,
        description="one of OpenAI's words for a character's backdrop; anything else describes the scene's "
        "background",
    )
    character: LayerOrWords | None = None
    characters: list[FigureOrWords] | None = Field(
        None, min_length=1, max_length=MAX_FIGURES, description="several figures instead of `character`"
    )

    @property
    def _describes_both(self) -> bool:
        return super()._describes_both or self.character is not None or self.characters is not None

    def _with_uses(self, scene: SceneRequest) -> SceneRequest:
        for ours, own in (
            (scene.character, self.character),
            (scene.background, self.background),
            *zip(scene.characters or (), self.characters or (), strict=True),
        ):
            if isinstance(ours, Layer) and isinstance(own, Layer):
                ours._use = own.use
        return scene

    def _layers(self, model: str | None) -> dict[str, Any]:
        place = None if isinstance(self.background, str) else self.background
        if self.character is not None and self.characters is not None:
            raise InvalidRequest("give either character or characters, and not both", "characters")
        described = self.character is not None or self.characters is not None
        if not described and place is None:
            return super()._layers(model)
        if not described or place is None:
            missing = "background" if described else "character"
            message = f"{missing} is required: a scene described in fields needs both layers"
            raise InvalidRequest(message, missing)
        background = self._filled(_fields(place), model)
        if self.characters is not None:
            figures = [self._filled(_fields(figure), model) for figure in self.characters]
            return {"characters": figures, "background": background}
        return {"character": self._filled(_fields(self.character), model), "background": background}


def _fields(layer: Any) -> dict[str, Any]:
    fields: dict[str, Any] = layer.model_dump(exclude_unset=True)
    return fields
