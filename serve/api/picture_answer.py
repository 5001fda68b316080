"""The wire format of an uploaded picture."""

from __future__ import annotations

from pydantic import Field

from .response_schema import SafetyBody
from .wire import Wire


class PictureAnswer(Wire):
    """An uploaded picture as it is kept: read once, upright, in sRGB, PNG."""

    id: str = Field(description="the same for the same picture of the same tenant")
    width: int
    height: int
    safety: SafetyBody | None = Field(None, description="of an upload, where pictures are judged")
    expires_at: int = Field(
        description="seconds since 1970; uploading it again lets it last anew, and what holds it, longer"
    )
