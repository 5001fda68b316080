"""Teach schemathesis what the page cannot say: how to vary Accept, and what a schema has no words for."""

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
    ("GET /v1/jobs", "after"),  # A cursor is one that this list has given.
    ("GET /v1/usage", "after"),
    ("GET /v1/usage", "since"),  # Not so long ago, and before `until`.
    *((f"GET /v1/stories/{{story_id}}/book.{form}", "language") for form in ("pdf", "epub", "zip")),
    ("POST /v1/jobs", "Idempotency-Key"),  # Not one that came with another body.
    ("POST /v1/merges", "character"),  # A picture that can be decoded, and is large enough for a figure.
    ("POST /v1/merges", "background"),
    ("POST /v1/merges", "figures"),  # As many as there are characters.
    ("POST /v1/merges", "merge.position"),  # Of several, each has its own.
    ("POST /v1/pictures", "file"),
    ("GET /v1/stories", "after"),
    ("POST /v1/stories", "title"),  # Not blank.
    ("PATCH /v1/stories/{story_id}", "title"),
    ("PATCH /v1/stories/{story_id}", "order"),  # Each of its pages, once.
    ("POST /v1/stories", "webhook.url"),  # A host that the operator allows.
    ("POST /v1/jobs", "webhook.url"),
    ("PUT /v1/cast/{name}", "name"),  # That of the path.
    ("POST /v1/images/generations", "body"),  # A stream holds one picture.
    ("POST /v1/images/generations", "size"),  # The model's multiples, as text.
    ("POST /v1/images/generations", "prompt"),  # Of a scene, two descriptions with a bar between them.
    ("POST /v1/images/generations", "character"),  # Of a scene, both or neither.
    ("POST /v1/images/generations", "background"),
    ("POST /v1/images/generations", "characters"),  # Not with a character too.
    ("POST /v1/images/generations", "merge.position"),  # Of several, each has its own.
    ("POST /v1/images/edits", "body"),  # A stream holds one picture.
    ("POST /v1/images/edits", "size"),  # The model's multiples, as text.
    ("POST /v1/images/edits", "prompt"),  # Not blank; of a scene, two descriptions with a bar between them.
    ("POST /v1/images/edits", "background"),  # Only a character is transparent.
}
"""Parameters that may be refused (422) though they fit the schema, for the reason given beside them."""
OF_PICTURES = {"image", "mask", "strength", "id", "b64_json"} | {
    *("references", "reference_scale", "pose", "pose_scale"),
}
"""Parts of the paths of a layer's pictures: an id that was uploaded, a readable file, sizes that are one, and
a model that can do it."""
OF_PRINT = {"upscale"}
"""A factor that this picture's size leaves room for."""
OF_ANSWERS = {"as"}
"""A link is for what is answered at once: a job keeps its pictures."""
OF_GUIDANCE = {"speed"}
"""A layer's guidance_scale must be one that guides."""
OF_THE_CAST = {"cast", "poses"}
"""A name that is kept; and the poses of a sheet, of one size and of names that differ."""
SHORTEST_DEADLINE_S = 5.0
"""Whoever gives less time than painting takes is answered 504, as the page says."""


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """One request in four for each kind of answer: OpenAPI describes no Accept."""
    if case.headers is not None:
        case.headers.setdefault("Accept", next(ACCEPTED))


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case[Any], response: Response) -> bool:
    """Return whether it counts as one."""
    if response.status_code == 504:
        return not _in_a_hurry(case.body)
    if response.status_code == 412 and isinstance(failure, RejectedPositiveData):
        return False  # Made-up versions are of no member.
    if response.status_code == 422 and isinstance(failure, RejectedPositiveData):
        error = response.json()["error"]
        path = str(error["param"]).split(".")
        named = path[:-1] if path[-1].isdigit() else path  # One of several: `character.0` is a `character`.
        in_words = (case.operation.label, ".".join(named)) in IN_WORDS_ALONE
        in_words |= not (OF_PICTURES | OF_THE_CAST | OF_PRINT | OF_ANSWERS | OF_GUIDANCE).isdisjoint(path)
        return not (in_words or error["code"] == "cutout_failed")
    # DELETE cancels a job, which stays to be looked at.
    return not isinstance(failure, UseAfterFree)


def _in_a_hurry(body: object) -> bool:
    deadline_s = body.get("deadline_s") if isinstance(body, dict) else None
    return isinstance(deadline_s, int | float) and deadline_s < SHORTEST_DEADLINE_S
