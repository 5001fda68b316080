"""Check each prompt with a callable that the operator provides, before anything is painted."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from typing import Any

from deployments.errors import ContentRefused, NotReady
from deployments.imaging.safety_check import SafetyConfig, named_callable
from deployments.messages import LayerJob

from ..telemetry.logs import logger

TIMEOUT_S = 10.0
LONGEST_REASON = 200
TextCheck = Callable[[LayerJob, str], Coroutine[Any, Any, None]]


def text_check_of(config: SafetyConfig) -> TextCheck | None:
    """Return the check for a layer's prompt, or None if none is configured.

    Raises ValueError if the callable cannot be imported.
    """
    if config.text_check is None:
        return None
    own = named_callable(config.text_check, "safety.text_check")

    async def check(job: LayerJob, param: str) -> None:
        """Raise ContentRefused, or NotReady if the check fails: nothing is painted unchecked."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                reason = await _result_of(own, job.prompt, job.tenant)
        except Exception as error:
            logger.warning("safety.text_check failed: %s", type(error).__name__)
            raise NotReady("the prompt cannot be checked at present", retry_after_s=5) from None
        if reason is not None:
            raise ContentRefused(str(reason)[:LONGEST_REASON], param)

    return check


async def _result_of(own: Callable[..., Any], prompt: str, tenant: str) -> Any:
    """Await a coroutine function; run any other in a thread, since it may block."""
    if inspect.iscoroutinefunction(own):
        return await own(prompt, tenant)
    answer = await asyncio.to_thread(own, prompt, tenant)
    return await answer if inspect.isawaitable(answer) else answer
