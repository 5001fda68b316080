"""Texts that are set in a book: one text, or one for each language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

LANGUAGE = r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$"
"""BCP 47, such as `en`, `pt-BR` or `zh-Hant`."""
MAX_LANGUAGES = 32
MAX_TEXT_CHARS = 10_000
NO_LETTER = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]"
"""Characters that no book can show: control characters, and those that XML does not allow."""

Language = Annotated[str, StringConstraints(pattern=LANGUAGE)]


def _printable(text: str) -> str:
    if found := re.search(NO_LETTER, text):
        raise ValueError(f"must not contain the control character U+{ord(found[0]):04X}")
    return text.replace("\r\n", "\n").replace("\r", "\n")


SHOWN = f"^[^{NO_LETTER[1:]}*$"
Line = Annotated[
    str,
    AfterValidator(_printable),
    Field(max_length=MAX_TEXT_CHARS, json_schema_extra={"pattern": SHOWN}),
]
Lines = Annotated[
    dict[Language, Line],
    Field(min_length=1, max_length=MAX_LANGUAGES, json_schema_extra={"additionalProperties": False}),
]
_LINE, _LINES = TypeAdapter[str](Line), TypeAdapter[dict[str, str]](Lines)


def _text(value: Any, plain: ValidatorFunctionWrapHandler) -> str | dict[str, str]:
    """Validate one text or several. A plain union would add its members' names to the path of an error."""
    return _LINES.validate_python(value) if isinstance(value, dict) else _LINE.validate_python(value)


Text = Annotated[Line | Lines, WrapValidator(_text)]
"""One text, in the story's own language, or a map of languages."""


def languages_of(texts: list[str | Mapping[str, str]], own: str) -> list[str]:
    """Return the languages that every text has, the story's own first. An empty text has all."""
    found: dict[str, None] = {own: None}
    for text in texts:
        if isinstance(text, Mapping):
            found |= dict.fromkeys(text)
    return [
        language for language in found if all(in_language(text, language, own) is not None for text in texts)
    ]


def in_language(text: str | Mapping[str, str], language: str, own: str) -> str | None:
    """Return a text in a language; None if it is missing. A plain text is in the story's `own` language."""
    if isinstance(text, Mapping):
        return text.get(language)
    return text if language == own or not text else None
