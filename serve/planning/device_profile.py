"""The measured profile of a device: `scenewright profile` writes it, `scenewright plan` reads it."""

from __future__ import annotations

from codecs import BOM_UTF8
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
PositiveSeconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ProfileError(ValueError):
    """A profile cannot be read. The message can be shown to the user."""


class Measured(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LayerProfile(Measured):
    """The times of one layer on one replica, painted by `model`, or by its first model if that is empty.

    `step_s` is the seconds of one forward, by the number of pictures in it.

    `start_s` is the time from requesting a replica until it has painted its warm-up picture, on a node that
    is already running.
    """

    steps: PositiveInt
    encode_s: Seconds
    step_s: dict[PositiveInt, PositiveSeconds]
    decode_s: Seconds
    start_s: Seconds = 30.0
    model: str = ""

    @model_validator(mode="after")
    def _from_one_picture_up(self) -> Self:
        if 1 not in self.step_s:
            raise ValueError("step_s must include the seconds of a forward over 1 picture")
        return self

    @property
    def most_pictures(self) -> int:
        """Return the most pictures in one forward."""
        return max(self.step_s)

    def forward_s(self, pictures: int) -> float:
        """Interpolate linearly between measured forwards. `pictures` is at most `most_pictures`."""
        if pictures in self.step_s:
            return self.step_s[pictures]
        for below, above in pairwise(sorted(self.step_s)):
            if below < pictures < above:
                part = (pictures - below) / (above - below)
                return self.step_s[below] + part * (self.step_s[above] - self.step_s[below])
        raise ValueError(f"no forward over {pictures} pictures was measured")

    @property
    def alone_s(self) -> float:
        """Return the seconds of one request on an idle replica."""
        return self.encode_s + self.steps * self.step_s[1] + self.decode_s

    @property
    def crowded_s(self) -> float:
        """Return the replica's seconds for one request if forwards are shared as well as possible."""
        cheapest = min(self.forward_s(count) / count for count in range(1, self.most_pictures + 1))
        return self.encode_s + self.steps * cheapest + self.decode_s


class Profile(Measured):
    """The times of both layers and of a merge on one device.

    `other_s` is the part of a scene's time that is neither painting nor merging: HTTP, routing, moving
    pixels. `source` says where the times were published, if `scenewright profile` did not measure them.
    """

    device: str
    backend: Literal["diffusers", "simulated"]
    character: LayerProfile
    background: LayerProfile
    merge_s: Seconds
    other_s: Seconds = 0.0
    source: str = ""

    @property
    def alone_s(self) -> float:
        """Return a scene's seconds on an idle service. More replicas do not make it faster."""
        return max(self.character.alone_s, self.background.alone_s) + self.merge_s + self.other_s


def read_profile(file: Path) -> Profile:
    """Read a profile. Raises ProfileError, naming the file and the fault."""
    try:
        return Profile.model_validate_json(file.read_bytes().removeprefix(BOM_UTF8))
    except OSError as error:
        raise ProfileError(f"{file} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(map(str, fault["loc"]))
        raise ProfileError(f"{file}: {where or 'not a profile'}: {fault['msg']}") from error
