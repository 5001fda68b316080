"""The wire format of an uploaded picture."""

from __future__ import annotations

from pydantic import Field

from .response_schema import SafetyBody
from .wire import Wire


class PictureAnswer(Wire):
    """An uploaded picture as the service keeps it: decoded, upright, in sRGB, and encoded as PNG."""

    id: str = Field(description="the same whenever a tenant uploads the same picture")
    width: int
    height: int
    safety: SafetyBody | None = Field(
        None, description="present after an upload, if this service judges pictures"
    )
    expires_at: int = Field(
        description="seconds since 1970; uploading the picture again renews it, and a job, a story or a "
        "member of the cast that uses the picture keeps it longer"
    )
