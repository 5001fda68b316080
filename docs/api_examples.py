"""Give examples for each route, in curl and in Python: docs/api.md shows them, and the tests run them."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from typing import Any

URL = "http://127.0.0.1:8000"


@dataclass(frozen=True)
class Example:
    """One request. `path` may hold ids (`{story}`, `{job}`, `{picture}`) and names (`{member}`, `{result}`).

    `save` is the file to which the response is written. `by_key` sends a key even to a service that requires
    none.
    """

    method: str
    route: str
    path: str
    json: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    form: dict[str, str] = field(default_factory=dict)
    save: str | None = None
    by_key: bool = False

    def curl(self) -> str:
        """Return the example for a POSIX shell. `$story`, `$job`, `$picture` are ids, `$member` is a name."""
        words = ["curl", "--fail-with-body", "--silent", "--show-error", "--no-buffer"]
        implied = "POST" if self.json is not None or self.files or self.form else "GET"
        if self.method != implied:
            words += ["-X", self.method]
        names = {name: f"${name}" for name in ("story", "job", "picture", "member", "result")}
        words.append(f'"{URL}{self.path.format(**names)}"')
        if self.by_key:
            words += ["-H", '"Authorization: Bearer $key"']
        for name, value in self.headers.items():
            words += ["-H", shlex.quote(f"{name}: {value}")]
        if self.json is not None:
            words += ["-H", "'Content-Type: application/json'", "-d", shlex.quote(json.dumps(self.json))]
        for name, file in self.files.items():
            words += ["-F", f"{name}=@{file}"]
        for name, text in self.form.items():
            words += ["-F", shlex.quote(f"{name}={text}")]
        if self.save:
            words += ["-o", self.save]
        return " ".join(words)

    def python(self) -> str:
        """Return the example with httpx. `story`, `job`, `picture` are ids, `member` a name, `key` a key."""
        quote = "f" if "{" in self.path else ""
        arguments = [f'{quote}"{URL}{self.path}"']
        if self.json is not None:
            arguments.append(f"json={self.json!r}")
        if self.headers:
            arguments.append(f"headers={self.headers!r}")
        if self.by_key:
            arguments.append('headers={"Authorization": f"Bearer {key}"}')
        if self.files:
            read = (f'"{name}": ("{file}", Path("{file}").read_bytes())' for name, file in self.files.items())
            arguments.append(f"files={{{', '.join(read)}}}")
        if self.form:
            arguments.append(f"data={self.form!r}")
        arguments.append("timeout=150")
        lines = ["import httpx", ""]
        if self.save or self.files:
            lines[1:1] = ["from pathlib import Path"]
        lines += [
            f"response = httpx.{self.method.lower()}({', '.join(arguments)})",
            "response.raise_for_status()",
            f'Path("{self.save}").write_bytes(response.content)' if self.save else "print(response.text)",
        ]
        return "\n".join(lines)


SCENE = {"character": "a knight in silver armor", "background": "a castle at sunset", "seed": 42}
SEVERAL = {
    "characters": [
        {"prompt": "a knight in silver armor", "position": {"x": 0.3}},
        {"prompt": "a green dragon", "position": {"x": 0.65}, "scale": 0.9, "depth": 1},
    ],
    "background": "a castle at sunset",
    "seed": 42,
}
MIRA = {"name": "mira", "description": "a girl with red hair and a green cloak", "seed": 7}
STORY = {
    "title": "Mira and the rain",
    "cast": {"mira": {"description": "a girl in a red coat", "seed": 7}},
    "pages": [
        {
            "text": "Mira liked the rain.",
            "characters": [{"cast": "mira", "prompt": "waves"}],
            "background": "a street in the rain",
        },
        {
            "text": "Then the sun came out.",
            "characters": [{"cast": "mira", "prompt": "jumps"}],
            "background": "a meadow",
        },
    ],
    "frame": {"width": 512, "height": 384},
}
EXAMPLES = (
    Example("POST", "/v1/scenes", "/v1/scenes", SCENE, save="scene.jpg"),
    Example("POST", "/v1/scenes", "/v1/scenes", SEVERAL, save="several.jpg"),
    Example("POST", "/v1/scenes", "/v1/scenes?previews=2", SCENE, {"Accept": "text/event-stream"}),
    Example(
        "POST", "/v1/characters", "/v1/characters", {"prompt": "a knight"}, {"Accept": "application/json"}
    ),
    Example("POST", "/v1/backgrounds", "/v1/backgrounds", {"prompt": "a castle"}, save="background.jpg"),
    Example(
        "POST",
        "/v1/merges",
        "/v1/merges",
        files={"character": "character.png", "background": "background.jpg"},
        form={"options": json.dumps({"merge": {"position": "left"}})},
        save="merged.jpg",
    ),
    Example(
        "POST",
        "/v1/images/generations",
        "/v1/images/generations",
        {"model": "scene", "prompt": "a knight | a castle at sunset", "size": "512x256"},
    ),
    Example(
        "POST",
        "/v1/images/edits",
        "/v1/images/edits",
        files={"image": "background.jpg"},
        form={"prompt": "a castle in winter", "seed": "7"},
    ),
    Example("POST", "/v1/jobs", "/v1/jobs", {"scenes": [SCENE]}, {"Idempotency-Key": "order-17"}),
    Example("GET", "/v1/jobs", "/v1/jobs?limit=5"),
    Example("GET", "/v1/jobs/{job_id}", "/v1/jobs/{job}"),
    Example("GET", "/v1/jobs/{job_id}/events", "/v1/jobs/{job}/events"),
    Example("GET", "/v1/jobs/{job_id}/scenes/{index}", "/v1/jobs/{job}/scenes/0", save="scene-0.jpg"),
    Example("POST", "/v1/jobs/{job_id}/release", "/v1/jobs/{job}/release"),
    Example("DELETE", "/v1/jobs/{job_id}", "/v1/jobs/{job}"),
    Example("GET", "/v1/usage", "/v1/usage?limit=31"),
    Example("POST", "/v1/stories", "/v1/stories", STORY, {"Idempotency-Key": "book-17"}),
    Example("GET", "/v1/stories", "/v1/stories?limit=5"),
    Example("GET", "/v1/stories/{story_id}", "/v1/stories/{story}"),
    Example("PATCH", "/v1/stories/{story_id}", "/v1/stories/{story}", {"order": [1, 0]}),
    Example("GET", "/v1/stories/{story_id}/events", "/v1/stories/{story}/events"),
    Example("GET", "/v1/stories/{story_id}/pages/{index}", "/v1/stories/{story}/pages/0", save="page-0.jpg"),
    Example("GET", "/v1/stories/{story_id}/book.pdf", "/v1/stories/{story}/book.pdf", save="book.pdf"),
    Example("GET", "/v1/stories/{story_id}/book.epub", "/v1/stories/{story}/book.epub", save="book.epub"),
    Example("GET", "/v1/stories/{story_id}/book.zip", "/v1/stories/{story}/book.zip", save="book.zip"),
    Example(
        "GET",
        "/v1/stories/{story_id}/pages/{index}/page.psd",
        "/v1/stories/{story}/pages/0/page.psd",
        save="page.psd",
    ),
    Example(
        "PATCH",
        "/v1/stories/{story_id}/pages/{index}",
        "/v1/stories/{story}/pages/0",
        {"text": {"en": "Mira liked the rain.", "de": "Mira mochte den Regen."}},
    ),
    Example(
        "POST",
        "/v1/stories/{story_id}/pages/{index}/repaint",
        "/v1/stories/{story}/pages/1/repaint",
        {"background": "a lake"},
    ),
    Example("DELETE", "/v1/stories/{story_id}", "/v1/stories/{story}"),
    Example("POST", "/v1/pictures", "/v1/pictures", files={"file": "character.png"}),
    Example(
        "GET",
        "/v1/pictures/{picture_id}",
        "/v1/pictures/{picture}",
        headers={"Accept": "image/png"},
        save="picture.png",
    ),
    Example("DELETE", "/v1/pictures/{picture_id}", "/v1/pictures/{picture}"),
    Example("GET", "/v1/results/{name}", "/v1/results/{result}", save="linked.jpg"),
    Example(
        "POST",
        "/v1/tokens",
        "/v1/tokens",
        {"ttl_s": 600, "scopes": ["generate"], "budget": {"requests": 20, "megapixel_steps": 200}},
        by_key=True,
    ),
    Example("POST", "/v1/cast", "/v1/cast", MIRA),
    Example("GET", "/v1/cast", "/v1/cast?limit=5"),
    Example("GET", "/v1/cast/{name}", "/v1/cast/{member}"),
    Example("PUT", "/v1/cast/{name}", "/v1/cast/{member}", {"description": "a girl with short red hair"}),
    Example("DELETE", "/v1/cast/{name}", "/v1/cast/{member}"),
    Example(
        "GET",
        "/v1/cast/{name}/sheet",
        "/v1/cast/{member}/sheet?pose=standing&pose=waving",
        headers={"Accept": "image/png"},
        save="mira.png",
    ),
    Example(
        "POST",
        "/v1/cast/{name}/sheet",
        "/v1/cast/{member}/sheet",
        {"poses": [{"name": "idle", "prompt": "standing"}, "waving"]},
        {"Accept": "application/json"},
    ),
    Example("GET", "/v1/models", "/v1/models"),
    Example("GET", "/v1/models/{model_id}", "/v1/models/storybook-character"),
    Example("GET", "/healthz", "/healthz"),
    Example("GET", "/readyz", "/readyz"),
)
