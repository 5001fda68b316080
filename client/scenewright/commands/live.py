"""Paint a scene while a terminal shows the progress of its layers and a folder receives their previews."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Generator, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from ..responses import LayerDone, Progress, Queued, Scene, SceneEvent, ScenePreview
from ..synchronous import Scenewright
from .output import make_folder, write

PREVIEWS = 10
NAMES = {"character": "character", "background": "place"}


def paint(service: Scenewright, request: dict[str, Any], previews: Path | None) -> Scene:
    """Paint a scene, with a progress bar for each layer on a terminal, and one line in a log."""
    watched = sys.stderr.isatty()
    if not watched:
        click.echo("painting…", err=True)
        if previews is None:
            return service.scene(**request)
    events: Iterable[SceneEvent]
    with closing(service.scene_events(previews=PREVIEWS if previews else 0, **request)) as events:
        kept = events if previews is None else _kept(events, previews)
        character = request["character"]
        figures = len(character) if isinstance(character, list) else None
        last = _with_bars(kept, figures) if watched else _last(kept)
    assert isinstance(last, Scene)  # noqa: S101 (the client raises where a stream ends without)
    return last


def _last(events: Iterable[SceneEvent]) -> SceneEvent | None:
    last = deque(events, maxlen=1)
    return last[0] if last else None


def _with_bars(events: Iterable[SceneEvent], figures: int | None) -> SceneEvent | None:
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
        names = {_name_of(layer, index): _shown(layer, index) for layer, index in _layers(figures)}
        tasks = {layer: bars.add_task(name, total=None, waits="") for layer, name in names.items()}
        for last in events:
            if isinstance(last, Queued):
                task = tasks[_name_of(last.layer, last.index)]
                bars.update(task, waits=f"{last.ahead} ahead" if last.ahead else "")
            elif isinstance(last, Progress):
                task = tasks[_name_of(last.layer, last.index)]
                bars.update(task, completed=last.step, total=last.steps, waits="")
            elif isinstance(last, LayerDone):
                bars.stop_task(tasks[_name_of(last.layer, last.index)])
    return last


def _layers(figures: int | None) -> list[tuple[str, int | None]]:
    """Return the layers in the order of their bars. `figures` None means a character without an index."""
    indices: Iterable[int | None] = (None,) if figures is None else range(figures)
    return [*(("character", index) for index in indices), ("background", None)]


def _name_of(layer: str, index: int | None) -> str:
    return layer if index is None else f"{layer}-{index}"


def _shown(layer: str, index: int | None) -> str:
    return NAMES[layer] if index is None else f"{NAMES[layer]} {index + 1}"


def _kept(events: Iterable[SceneEvent], folder: Path) -> Generator[SceneEvent, None, None]:
    """Write the previews into the folder, and pass the events on.

    character-007.jpg is the character after seven steps, and character-1-007.jpg the second of several
    characters. scene-2.jpg is the second preview of all layers together.
    """
    make_folder(folder)
    together = 0
    for event in events:
        if isinstance(event, Progress) and event.preview:
            write(folder / f"{_name_of(event.layer, event.index)}-{event.step:03}.jpg", event.preview)
        elif isinstance(event, ScenePreview):
            together += 1
            write(folder / f"scene-{together}.jpg", event.data)
        yield event
