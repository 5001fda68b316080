"""FastAPI and diffusers in one process, as in diffusers' example: a lock per model, a thread per request."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

import painting
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool

app = FastAPI()
pipelines = {kind: painting.load(kind) for kind in ("character", "background")}
locks = {kind: threading.Lock() for kind in pipelines}  # A pipeline's scheduler keeps its own step count.


@app.get("/healthz")
def healthz() -> dict[str, str]:
    return {"status": "alive"}


@app.post("/v1/scenes")
async def scene(request: Request) -> Response:
    arguments = await request.json()
    character, background = await asyncio.gather(
        *(run_in_threadpool(paint, kind, arguments) for kind in ("character", "background"))
    )
    return Response(
        await run_in_threadpool(painting.merge, character, background, arguments), media_type="image/jpeg"
    )


def paint(kind: str, arguments: dict[str, Any]) -> Any:
    with locks[kind]:
        return painting.paint(pipelines[kind], kind, arguments)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
