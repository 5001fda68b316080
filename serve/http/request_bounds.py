"""Count what a request sends besides its body, against the limits of its header and of its framing."""

from __future__ import annotations

from .connection_limits import ConnectionLimits
from .error_responses import Refusal

PIECE_BYTES = 4 << 10
"""The bytes parsed at once. An excess in one piece is noticed before the next."""
FRAMING_TO_BODY = 16
"""The most bytes of chunk sizes, extensions and trailers for each byte of a body. Clients that send chunks of
one byte have six."""
MALFORMED = Refusal(400, "invalid_request", "this is not an HTTP request")


class HeaderTooLarge(Exception):
    """Raised in a parser's callback to stop the parser."""


class RequestBounds:
    """Count the requests of one connection, one after the other.

    `in_head`: a header is expected or arriving. `between`: a request has just ended and no other has begun.
    `is_request`: part of a request has arrived. `raw_bytes`: the bytes of a header that the parser has got.
    """

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self.in_head, self.between, self.is_request = True, False, False
        self.raw_bytes = 0
        self._header_is_too_large = False
        self._head_bytes = self._head_fields = 0
        self._framing_bytes = self._body_bytes = self._piece_body_bytes = 0

    def begin_piece(self) -> None:
        """Record that the parser is about to get the next bytes."""
        self._piece_body_bytes, self.between = 0, False

    def begin_request(self) -> None:
        self.between, self.is_request = False, True
        self._head_bytes = self._head_fields = 0

    def count_header(self, received: int) -> None:
        """Count bytes of a header. Raises HeaderTooLarge."""
        self._head_bytes += received
        if self._head_bytes > self._limits.header_bytes:
            self._raise_too_large()

    def count_field(self) -> None:
        """Count a field, of a header or a trailer. Raises HeaderTooLarge."""
        self._head_fields += 1
        if self._head_fields > self._limits.header_fields:
            self._raise_too_large()

    def end_header(self) -> None:
        self.in_head, self.raw_bytes = False, 0
        self._framing_bytes = self._body_bytes = 0

    def count_body(self, received: int) -> None:
        self._body_bytes += received
        self._piece_body_bytes += received

    def end_request(self) -> None:
        self.in_head, self.raw_bytes, self._head_bytes, self._head_fields = True, 0, 0, 0
        self.between, self.is_request = True, False

    def end_piece(self, received: int) -> Refusal | None:
        """Count what the parser buffers without a callback: an endless header or chunk extension.

        Return the refusal if it is too much.
        """
        if self.between:
            return None  # A request ended with these bytes and no other has begun.
        if self.in_head:
            self.raw_bytes += received
            over = self.raw_bytes > self._limits.header_bytes + PIECE_BYTES
            return self.header_too_large() if over else None
        self._framing_bytes += received - self._piece_body_bytes
        over = self._framing_bytes > self._limits.header_bytes + FRAMING_TO_BODY * self._body_bytes
        return MALFORMED if over else None

    def refusal(self) -> Refusal:
        """Return the refusal of input that the parser rejected."""
        return self.header_too_large() if self._header_is_too_large else MALFORMED

    def header_too_large(self) -> Refusal:
        most = f"{self._limits.header_bytes} bytes and {self._limits.header_fields} fields"
        return Refusal(431, "header_too_large", f"a request's header is limited to {most}")

    def _raise_too_large(self) -> None:
        self._header_is_too_large = self.in_head
        raise HeaderTooLarge
