from __future__ import annotations

import pickle

import pytest

from deployments import errors

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.ScenewrightError)
]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_survives_the_way_through_a_handle(kind: type[errors.ScenewrightError]) -> None:
    back = pickle.loads(pickle.dumps(kind("too small", "merge.width", 2.5)))  # noqa: S301
    assert type(back) is kind
    assert (str(back), back.message, back.param, back.retry_after_s) == (
        "too small",
        "too small",
        "merge.width",
        2.5,
    )


def test_the_drawing_shows_every_class() -> None:
    assert errors.__doc__ is not None
    assert [kind.__name__ for kind in KINDS if kind.__name__ not in errors.__doc__] == []
