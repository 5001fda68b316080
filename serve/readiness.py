"""Ready means: every generator has painted a picture. Anything less is told with its reason."""

from __future__ import annotations

import asyncio

from deployments.messages import Readiness

from .scene import Graph, Response

PROBE_TIMEOUT_S = 2.0


async def unready_reasons(graph: Graph) -> list[str]:
    """One sentence for each generator that cannot paint yet; empty when all can."""
    named = {"character": graph.character, "background": graph.background}

    async def reason(name: str) -> str:
        response: Response = None
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                response = named[name].readiness.remote()
                readiness: Readiness = await response
        except TimeoutError:
            response.cancel()
            return f"{name}: no replica has loaded its model yet"
        except Exception:
            # Whatever a replica died of, it is not ready; the cause stands in the replica's own log.
            return f"{name}: its replica is restarting"
        return "" if readiness.ready else f"{name}: {readiness.reason}"

    return [text for text in await asyncio.gather(*map(reason, named)) if text]
