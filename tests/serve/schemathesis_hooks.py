"""Teach schemathesis what the OpenAPI page cannot express: varying Accept, and rules beyond a schema."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import schemathesis
from schemathesis import Case, HookContext
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response
from schemathesis.openapi.checks import RejectedPositiveData, UseAfterFree

ACCEPTED = cycle(("*/*", "application/json", "image/png", "text/event-stream"))
IN_WORDS_ALONE = {
    ("GET /v1/jobs", "after"),  # must be a cursor from this list
    ("GET /v1/usage", "after"),
    ("GET /v1/usage", "since"),  # must be recent enough, and before `until`
    *((f"GET /v1/stories/{{story_id}}/book.{form}", "language") for form in ("pdf", "epub", "zip")),
    ("POST /v1/jobs", "Idempotency-Key"),  # must not have been used with another body
    ("POST /v1/merges", "character"),  # must be a valid picture that is large enough for a figure
    ("POST /v1/merges", "background"),
    ("POST /v1/merges", "figures"),  # must be as many as the characters
    ("POST /v1/merges", "merge.position"),  # several characters have their own positions
    ("POST /v1/pictures", "file"),
    ("GET /v1/stories", "after"),
    ("POST /v1/stories", "title"),  # must not be blank
    ("PATCH /v1/stories/{story_id}", "title"),
    ("PATCH /v1/stories/{story_id}", "order"),  # must name each page at most once
    ("POST /v1/stories", "webhook.url"),  # must be a host that the operator allows
    ("POST /v1/jobs", "webhook.url"),
    ("PUT /v1/cast/{name}", "name"),  # must equal the path's
    ("POST /v1/images/generations", "body"),  # a stream has only one picture
    ("POST /v1/images/generations", "size"),  # must be the model's multiples, as text
    ("POST /v1/images/generations", "prompt"),  # for a scene, two descriptions separated by a bar
    ("POST /v1/images/generations", "character"),  # a scene needs both or neither
    ("POST /v1/images/generations", "background"),
    ("POST /v1/images/generations", "characters"),  # excludes `character`
    ("POST /v1/images/generations", "merge.position"),  # several characters have their own positions
    ("POST /v1/images/edits", "body"),  # a stream has only one picture
    ("POST /v1/images/edits", "size"),  # must be the model's multiples, as text
    ("POST /v1/images/edits", "prompt"),  # not blank; for a scene, two descriptions separated by a bar
    ("POST /v1/images/edits", "background"),  # only a character can be transparent
}
"""Parameters that may be refused (422) although they fit the schema, for the reason beside them."""
OF_PICTURES = {"image", "mask", "strength", "id", "b64_json"} | {
    *("references", "reference_scale", "pose", "pose_scale"),
}
"""Parts of the paths of a layer's pictures: they need an uploaded id, a readable file, equal sizes, and a
model that supports them."""
OF_PRINT = {"upscale"}
"""The factor must fit the picture's size."""
OF_ANSWERS = {"as"}
"""Links are only for immediate responses: a job keeps its pictures."""
OF_GUIDANCE = {"speed"}
"""The layer's guidance_scale must be high enough to use guidance."""
OF_THE_CAST = {"cast", "poses"}
"""The name must exist; a sheet's poses must have one size and different names."""
SHORTEST_DEADLINE_S = 5.0
"""A deadline shorter than the painting gets 504, as the page documents."""


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Request each format in turn, since OpenAPI does not describe Accept."""
    if case.headers is not None:
        case.headers.setdefault("Accept", next(ACCEPTED))


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case[Any], response: Response) -> bool:
    """Return whether the failure counts."""
    if response.status_code == 504:
        return not _in_a_hurry(case.body)
    if response.status_code == 412 and isinstance(failure, RejectedPositiveData):
        return False  # no member has a generated version
    if response.status_code == 422 and isinstance(failure, RejectedPositiveData):
        error = response.json()["error"]
        path = str(error["param"]).split(".")
        named = path[:-1] if path[-1].isdigit() else path  # `character.0` is one of several `character`
        in_words = (case.operation.label, ".".join(named)) in IN_WORDS_ALONE
        in_words |= not (OF_PICTURES | OF_THE_CAST | OF_PRINT | OF_ANSWERS | OF_GUIDANCE).isdisjoint(path)
        return not (in_words or error["code"] == "cutout_failed")
    # DELETE cancels a job, which can still be read.
    return not isinstance(failure, UseAfterFree)


def _in_a_hurry(body: object) -> bool:
    deadline_s = body.get("deadline_s") if isinstance(body, dict) else None
    return isinstance(deadline_s, int | float) and deadline_s < SHORTEST_DEADLINE_S
