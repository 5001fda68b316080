"""Painting a scene while a terminal shows how far both layers are, and a folder takes their previews."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Generator, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from ..answers import LayerDone, Progress, Queued, Scene, SceneEvent, ScenePreview
from ..synchronous import Scenewright
from .output import make_folder, write

PREVIEWS = 10
NAMES = {"character": "character", "background": "place"}


def paint(service: Scenewright, request: dict[str, Any], previews: Path | None) -> Scene:
    """A bar for each layer on a terminal; elsewhere one line, since a log wants no animation."""
    watched = sys.stderr.isatty()
    if not watched:
        click.echo("painting…", err=True)
        if previews is None:
            return service.scene(**request)
    events: Iterable[SceneEvent]
    with closing(service.scene_events(previews=PREVIEWS if previews else 0, **request)) as events:
        kept = events if previews is None else _kept(events, previews)
        last = _with_bars(kept) if watched else _last(kept)
    assert isinstance(last, Scene)  # noqa: S101 (the client raises where a stream ends without)
    return last


def _last(events: Iterable[SceneEvent]) -> SceneEvent | None:
    last = deque(events, maxlen=1)
    return last[0] if last else None


def _with_bars(events: Iterable[SceneEvent]) -> SceneEvent | None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:<9}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[waits]}"),
    )
    last = None
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks = {layer: bars.add_task(name, total=None, waits="") for layer, name in NAMES.items()}
        for last in events:
            if isinstance(last, Queued):
                bars.update(tasks[last.layer], waits=f"{last.ahead} before it" if last.ahead else "")
            elif isinstance(last, Progress):
                bars.update(tasks[last.layer], completed=last.step, total=last.steps, waits="")
            elif isinstance(last, LayerDone):
                bars.stop_task(tasks[last.layer])
    return last


def _kept(events: Iterable[SceneEvent], folder: Path) -> Generator[SceneEvent, None, None]:
    """FOLDER/character-007.jpg is the character after seven steps; scene-2.jpg the second of both."""
    make_folder(folder)
    together = 0
    for event in events:
        if isinstance(event, Progress) and event.preview:
            write(folder / f"{event.layer}-{event.step:03}.jpg", event.preview)
        elif isinstance(event, ScenePreview):
            together += 1
            write(folder / f"scene-{together}.jpg", event.data)
        yield event
