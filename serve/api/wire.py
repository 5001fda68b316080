"""Define the base of every wire model: strict pydantic models that refuse unknown fields.

Field descriptions become the OpenAPI page. A field that a service bounds in its Limits has no bound here:
serve/api/resolve.py checks it, so that a limit is stated once, and serve/openapi/described_api.py publishes
it.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

NOT_BLANK = r"[^\s\u0085\u001c-\u001f\ufeff]"
"""A character that is white space neither in Python nor in ECMAScript, whose patterns JSON Schema uses."""


def _not_blank(words: str) -> str:
    if not re.search(NOT_BLANK, words):
        raise ValueError("must not be blank")
    return words


Words = str
Prompt = Annotated[Words, AfterValidator(_not_blank), Field(json_schema_extra={"pattern": NOT_BLANK})]
Seed = Annotated[
    int, Field(ge=0, le=2**53 - 1, description="any seed that a JavaScript number can hold exactly")
]
Deadline = float
LookedUp = Annotated[str, Field(pattern=r"^[^\x00]*$")]
"""A string that is passed to a database query: PostgreSQL's text cannot hold NUL."""
ALIASES = {"num_inference_steps": "steps", "guidance_scale": "cfg_scale"}
"""Fields that have a second name."""


OUTSIDE = ("title", "description", "default")
"""The keys that describe a field as a whole, and so stay outside of `anyOf`."""


def _nullable(field: dict[str, Any]) -> dict[str, Any]:
    """Add null to what a field's JSON schema allows."""
    if any(option.get("type") == "null" for option in field.get("anyOf", ())):
        return field
    whole = {key: field[key] for key in OUTSIDE if key in field}
    inner = {key: value for key, value in field.items() if key not in OUTSIDE}
    return {"anyOf": [*inner.pop("anyOf", ()), *([inner] if inner else ()), {"type": "null"}], **whole}


class Wire(BaseModel):
    """The base of every wire model. In a request, an optional field that is null counts as left out."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _leave_null_out(cls, value: Any) -> Any:
        if not isinstance(value, dict) or None not in value.values():
            return value
        optional = cls._optional_names()
        return {name: item for name, item in value.items() if item is not None or name not in optional}

    @classmethod
    def _optional_names(cls) -> set[str]:
        """Return the names, aliases too, of the fields that a request may leave out."""
        names = {field.alias or name for name, field in cls.model_fields.items() if not field.is_required()}
        return names | {ALIASES[name] for name in names & ALIASES.keys()}

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe each field that may be left out as nullable too, in requests only."""
        schema = handler(core)
        if handler.mode == "validation":
            shape = handler.resolve_ref_schema(schema)
            optional = cls._optional_names()
            for name, field in shape.get("properties", {}).items():
                if name in optional:
                    shape["properties"][name] = _nullable(field)
        return schema


class ErrorBody(Wire):
    type: str
    code: str
    message: str
    param: str | None
    request_id: str


class ErrorResponse(Wire):
    error: ErrorBody


CAST_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"


def _a_cast_name(name: str) -> str:
    if not re.fullmatch(CAST_NAME, name):
        raise ValueError(
            "must be 1 to 64 letters (A to Z), digits, `_`, `.` or `-`, and start with a letter or digit"
        )
    return name


CastName = Annotated[
    str, AfterValidator(_a_cast_name), Field(json_schema_extra={"pattern": f"^{CAST_NAME}$"})
]
"""ASCII only: it is used in paths, and in headers."""
