"""Define the base of every part of the settings, which is frozen and refuses unknown keys."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    model_config = ConfigDict(
        # Errors hide their input, since a refused value may be a database URL with its password.
        extra="forbid",
        frozen=True,
        protected_namespaces=(),
        hide_input_in_errors=True,
    )
