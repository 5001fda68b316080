"""Inflate compressed bodies (RFC 9110, 8.4), never more than one piece at a time."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from .error_responses import CODING, Refusal

PIECE_BYTES = 64 << 10
MOST_EMPTY_BYTES = 1 << 20
"""How much longer than its content a compressed body may be."""
ZLIB, RAW, GZIP = zlib.MAX_WBITS, -zlib.MAX_WBITS, 16 + zlib.MAX_WBITS


class Inflated:
    """Inflates gzip (one member), and deflate with or without zlib's header: clients send both."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._head = b""
        self._inflating = zlib.decompressobj(GZIP) if coding == "gzip" else None

    def feed(self, sent: bytes) -> Iterator[bytes]:
        """Yield the inflated body in pieces."""
        if self._inflating is None:
            self._head += sent
            if len(self._head) < 2:
                return
            sent, self._head = self._head, b""
            self._inflating = zlib.decompressobj(ZLIB if _has_zlib_header(sent) else RAW)
        inflating = self._inflating
        if inflating.eof and sent:
            raise self._refused("has data after its end")
        while True:
            try:
                piece = inflating.decompress(sent, PIECE_BYTES)
            except zlib.error:
                raise self._refused("is not valid in that encoding") from None
            if piece:
                yield piece
            sent = inflating.unconsumed_tail
            if not sent and len(piece) < PIECE_BYTES:
                break
        if inflating.unused_data:
            raise self._refused("has data after its end")

    def finish(self) -> None:
        """Refuse a body that was cut short."""
        if self._inflating is None or not self._inflating.eof:
            raise self._refused("is cut short")

    def _refused(self, fault: str) -> Refusal:
        return Refusal(
            400,
            "invalid_request",
            f"the body is sent with Content-Encoding: {self._coding}, but {fault}",
            CODING,
        )


def _has_zlib_header(data: bytes) -> bool:
    return data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
