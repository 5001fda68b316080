"""The headers that are fuzzed."""

from __future__ import annotations

HEADERS = (
    *("host", "origin", "accept", "accept-encoding", "content-type", "content-encoding", "content-length"),
    *("authorization", "x-request-id", "x-session-id", "serve_multiplexed_model_id", "idempotency-key"),
    *(
        "last-event-id",
        "traceparent",
        "tracestate",
        "sec-fetch-site",
        "x-forwarded-host",
        "x-forwarded-prefix",
    ),
    *("x-request-timeout-seconds", "x-request-disconnect-disabled", "if-none-match", "range", "expect"),
)


SEEN = (b"application/json", b"*/*", b"image/png;q=0.5", b"text/event-stream", b"localhost", b"gzip", b"1")


def plain(value: bytes) -> bytes:
    """Remove the bytes that no parser accepts in a header's value."""
    return value.translate(None, b"\r\n\0")
