"""Turn a story file into pictures: `python examples/storyboard.py examples/story.txt -o storyboard`.

All scenes are one job, which the service keeps. If this program is stopped, run it again, and it
continues with the same job.
"""

from __future__ import annotations

import argparse
import hashlib
import html
import json
import os
from pathlib import Path
from typing import Any

from scenewright import (
    STORY_SEED,
    Scenewright,
    ScenewrightError,
    StoryScene,
    read_story,
    story_requests,
)

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
  body {{ max-width: 60rem; margin: 2rem auto; padding: 0 1rem; background: #f7f1e4; color: #2c2620;
          font: 1.125rem/1.5 "Iowan Old Style", Palatino, P052, Georgia, serif; }}
  figure {{ margin: 0 0 3rem }}
  img {{ display: block; width: 100%; height: auto; box-shadow: 0 10px 28px #4a382033 }}
  figcaption {{ margin-top: 0.75rem; font-style: italic }}
</style>
<h1>{title}</h1>
{figures}
"""


def paint(service: Scenewright, scenes: list[dict[str, Any]], folder: Path) -> dict[int, Path]:
    """Return the picture files by scene number. A scene that fails is reported and left out."""
    key = hashlib.sha256(json.dumps([str(folder.resolve()), scenes]).encode()).hexdigest()
    job = service.submit_job(scenes, idempotency_key=key)["id"]
    pictures = {}
    for event in service.job_events(job):
        if event.name != "scene.ended":
            continue
        index = event.data["index"]
        if "url" not in event.data:
            print(f"scene {index + 1} failed: {event.data['error']['message']}")
            continue
        data, _ = service.job_picture(job, index)
        pictures[index] = folder / f"scene-{index + 1:02}.jpg"
        pictures[index].write_bytes(data)
        print(pictures[index])
    return pictures


def storyboard(title: str, frames: list[StoryScene], pictures: dict[int, Path]) -> str:
    figures = [
        f'<figure><img src="{picture.name}" '
        f'alt="{html.escape(frame.character)}, {html.escape(frame.background)}">'
        f"<figcaption>{html.escape(frame.words)}</figcaption></figure>"
        for index, frame in enumerate(frames)
        if (picture := pictures.get(index))
    ]
    return PAGE.format(title=html.escape(title), figures="\n".join(figures))


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Paint the pictures of a story file and write an HTML storyboard."
    )
    parser.add_argument("story", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("storyboard"))
    parser.add_argument("--seed", type=int, default=STORY_SEED, help="seed of the whole story")
    parser.add_argument("--url", default=os.environ.get("SCENEWRIGHT_URL") or "http://127.0.0.1:8000")
    arguments = parser.parse_args()
    try:
        print(make(arguments))
    # ValueError: a bad line in the story. OSError: a file cannot be read or written, or no service runs.
    except (ScenewrightError, ValueError, OSError) as error:
        hint = "; start one with scripts/serve" if getattr(error, "refused", False) else ""
        raise SystemExit(f"storyboard: {error}{hint}") from None


def make(arguments: argparse.Namespace) -> Path:
    """Write the page, and return its path."""
    frames = read_story(arguments.story.read_text(encoding="utf-8-sig"))
    arguments.output.mkdir(parents=True, exist_ok=True)
    with Scenewright(arguments.url, os.environ.get("SCENEWRIGHT_API_KEY")) as service:
        pictures = paint(service, story_requests(frames, arguments.seed), arguments.output)
    book = arguments.output / "index.html"
    title = arguments.story.stem.replace("_", " ").capitalize()
    book.write_text(storyboard(title, frames, pictures), encoding="utf-8")
    return book


if __name__ == "__main__":
    main()
