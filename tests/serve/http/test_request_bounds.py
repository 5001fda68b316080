"""Limits on what a request sends besides its body, tested without a connection."""

from __future__ import annotations

import pytest

from serve.http.connection_limits import ConnectionLimits
from serve.http.request_bounds import (
    FRAMING_TO_BODY,
    MALFORMED,
    PIECE_BYTES,
    HeaderTooLarge,
    RequestBounds,
)

LIMITS = ConnectionLimits(header_bytes=4_096, header_fields=3)


@pytest.fixture
def bounds() -> RequestBounds:
    made = RequestBounds(LIMITS)
    made.begin_piece()
    made.begin_request()
    return made


def test_a_header_is_bounded_in_bytes(bounds: RequestBounds) -> None:
    bounds.count_header(4_000)
    with pytest.raises(HeaderTooLarge):
        bounds.count_header(97)
    assert bounds.refusal().status == 431


def test_a_header_is_bounded_in_fields(bounds: RequestBounds) -> None:
    for _ in range(3):
        bounds.count_field()
    with pytest.raises(HeaderTooLarge):
        bounds.count_field()
    assert bounds.refusal().status == 431


def test_what_the_parser_keeps_in_silence_counts_too(bounds: RequestBounds) -> None:
    assert bounds.end_piece(PIECE_BYTES) is None
    refused = bounds.end_piece(LIMITS.header_bytes + 1)
    assert refused is not None and refused.status == 431


def test_too_many_trailers_are_no_long_header(bounds: RequestBounds) -> None:
    bounds.end_header()
    with pytest.raises(HeaderTooLarge):
        bounds.count_header(5_000)
    assert bounds.refusal() is MALFORMED


def test_framing_is_bounded_by_the_body_that_it_frames(bounds: RequestBounds) -> None:
    bounds.end_header()
    bounds.begin_piece()
    bounds.count_body(1_000)
    assert bounds.end_piece(1_000 + LIMITS.header_bytes + FRAMING_TO_BODY * 1_000) is None
    assert bounds.end_piece(1_001) is MALFORMED


def test_nothing_counts_between_two_requests(bounds: RequestBounds) -> None:
    bounds.end_header()
    bounds.end_request()
    assert bounds.between and not bounds.is_request
    assert bounds.end_piece(1 << 20) is None
    bounds.begin_piece()
    bounds.begin_request()
    bounds.count_header(4_096)  # the previous request's header is forgotten
