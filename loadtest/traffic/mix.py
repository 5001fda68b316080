"""Define what to send: a strict JSON file of weighted requests. A default one is beside this file.

Lists are choices: each request draws one of their values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

Route = Literal["scenes", "characters", "backgrounds", "jobs"]
Answer = Literal["picture", "json", "stream"]
SIZE = re.compile(r"([1-9][0-9]{1,4})x([1-9][0-9]{1,4})")


class MixError(ValueError):
    """The mix is invalid. The message names the key at fault, and can be shown to the user."""


def _size(value: Any) -> tuple[int, int]:
    matched = SIZE.fullmatch(value) if isinstance(value, str) else None
    if matched is None:
        raise ValueError('a size must be "WIDTHxHEIGHT" in pixels, such as "512x384"')
    return int(matched[1]), int(matched[2])


Size = Annotated[tuple[int, int], BeforeValidator(_size, json_schema_input_type=str)]


class Strict(BaseModel):
    # Not strict=True: JSON has no tuples.
    model_config = ConfigDict(extra="forbid", frozen=True)


class Cancels(Strict):
    """Cancellation of this share of the requests, after a time drawn uniformly from the range `after_s`."""

    share: float = Field(gt=0, le=1)
    after_s: tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]]


class Entry(Strict):
    """One kind of request. The service decides what is left out. `fields` are sent unchanged."""

    name: str = Field(min_length=1, max_length=60)
    weight: float = Field(1, gt=0)
    route: Route = "scenes"
    answer: Answer = "picture"
    steps: list[Annotated[int, Field(ge=1)]] | None = Field(None, min_length=1)
    character_size: list[Size] | None = Field(None, min_length=1)
    background_size: list[Size] | None = Field(None, min_length=1)
    frame: list[Size] | None = Field(None, min_length=1)
    merge_mode: list[Literal["auto", "cutout", "paste"]] | None = Field(None, min_length=1)
    format: list[Literal["jpeg", "png", "webp"]] | None = Field(None, min_length=1)
    scenes: int = Field(1, ge=1, le=1_000, description="scenes of a job")
    cancels: Cancels | None = None
    fields: dict[str, Any] = {}

    @model_validator(mode="after")
    def _fits_its_route(self) -> Entry:
        if self.route == "jobs" and self.answer != "picture":
            raise ValueError('a request whose route is "jobs" must leave out `answer`')
        if self.route != "jobs" and self.scenes != 1:
            raise ValueError('only a request whose route is "jobs" can have `scenes`')
        if self.route in ("characters", "backgrounds") and (self.frame or self.merge_mode):
            raise ValueError("a single layer is not merged: leave out `frame` and `merge_mode`")
        return self


class Mix(Strict):
    """Weighted requests.

    `seeds` is how many different seeds are sent. With None every request has its own, so no cache can
    serve it.
    """

    characters: list[Annotated[str, Field(min_length=1)]] = Field(min_length=1)
    backgrounds: list[Annotated[str, Field(min_length=1)]] = Field(min_length=1)
    seeds: int | None = Field(None, ge=1)
    requests: list[Entry] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_differ(self) -> Mix:
        names = [entry.name for entry in self.requests]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two requests are named {min(twice)!r}")
        return self


def default_mix() -> Mix:
    return parse(
        (files("loadtest.traffic") / "default_mix.json").read_text(encoding="utf-8"), "default_mix.json"
    )


def load(file: Path) -> Mix:
    """Read a mix. Raises MixError."""
    try:
        return parse(file.read_text(encoding="utf-8-sig"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise MixError(f"the mix {file} cannot be read: {error}") from error


def parse(text: str, name: str = "mix") -> Mix:
    """Parse a mix. Raises MixError."""
    try:
        return Mix.model_validate(json.loads(text, object_pairs_hook=_no_key_twice))
    except json.JSONDecodeError as error:
        raise MixError(f"{name} line {error.lineno}: not JSON: {error.msg}") from error
    except RecursionError as error:
        raise MixError(f"{name}: nested too deeply") from error
    except ValidationError as error:
        raise MixError(f"{name}: {_first_fault(error)}") from error


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        raise MixError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} is given twice")
    return dict(pairs)


def _first_fault(error: ValidationError) -> str:
    fault: Mapping[str, Any] = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in fault["loc"]) or "the file"
    if fault["type"] != "extra_forbidden":
        return f"{place}: {fault['msg'].removeprefix('Value error, ')}"
    known: type[BaseModel] = Entry if len(fault["loc"]) > 2 else Mix
    if "cancels" in fault["loc"][:-1]:
        known = Cancels
    return f"{place}: not a known key; known are {', '.join(known.model_fields)}"
