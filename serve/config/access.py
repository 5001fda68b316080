"""Define the choices for keys: whether one is needed, what it may do, what happens to its work."""

from __future__ import annotations

from typing import Literal, get_args

Authentication = Literal["required", "off"]
Scope = Literal["generate", "jobs", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
EndedWork = Literal["hold", "cancel", "finish"]
ENDED_WORK: tuple[EndedWork, ...] = get_args(EndedWork)
Signed = Literal["links", "tokens"]
SIGNED: tuple[Signed, ...] = get_args(Signed)
"""The kinds of message that the service signs with its own secrets."""
