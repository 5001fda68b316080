"""Fake Serve's handles and responses, without Serve."""

from __future__ import annotations

import asyncio
from typing import Any

from ray.exceptions import ActorDiedError

from serve.graph.scene import Graph

NEVER = "never"


class Response:
    """A response like Serve's: it can be awaited, and must be cancelled explicitly."""

    def __init__(self, outcome: Any) -> None:
        self.outcome = outcome
        self.cancelled = False

    def __await__(self) -> Any:
        return self._wait().__await__()

    async def _wait(self) -> Any:
        await asyncio.sleep(0)
        if self.outcome == NEVER:
            await asyncio.Event().wait()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def cancel(self) -> None:
        self.cancelled = True


class Method:
    """A method of a handle: one outcome per call, the last one for all further calls."""

    def __init__(self, *outcomes: Any) -> None:
        self.outcomes = list(outcomes)
        self.calls: list[tuple[Any, ...]] = []
        self.responses: list[Response] = []

    def remote(self, *arguments: Any) -> Response:
        self.calls.append(arguments)
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        self.responses.append(Response(outcome))
        return self.responses[-1]


class Handle:
    def __init__(self, **methods: Method) -> None:
        vars(self).update(methods)


class Fakes:
    def __init__(self, character: Any = ("C",), background: Any = ("B",), merge: Any = ("M",)) -> None:
        self.character, self.background = Method(*character), Method(*background)
        self.merge, self.encode = Method(*merge), Method("file")
        self.graph: Any = Graph(
            Handle(paint=self.character),  # type: ignore[arg-type]
            Handle(paint=self.background),  # type: ignore[arg-type]
            Handle(merge=self.merge, encode=self.encode),  # type: ignore[arg-type]
        )


def died() -> ActorDiedError:
    return ActorDiedError()
