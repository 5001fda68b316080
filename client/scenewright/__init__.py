"""A client: `Scenewright("http://127.0.0.1:8000").scene("a knight", "a castle").save("scene.jpg")`.

It depends only on the service's HTTP contract, and needs httpx. `.image` also needs Pillow.
`AsyncScenewright` is the same client with `await`.
"""

from .asynchronous import AsyncScenewright
from .errors import (
    Conflict,
    CutoutFailed,
    DeadlineExceeded,
    Forbidden,
    GenerationFailed,
    Gone,
    InvalidRequest,
    NotFound,
    NotReady,
    NotScenewright,
    NotSent,
    OutOfMemory,
    Overloaded,
    ScenewrightError,
    ServerUnreachable,
    Unauthenticated,
)
from .responses import JobEvent, Layer, LayerDone, Progress, Queued, Scene, ScenePreview
from .retries import Retries
from .stories import STORY_SEED, StoryScene, description_seed, read_story, story_requests
from .story_calls import Story
from .synchronous import Scenewright

__version__ = "0.2.0"
"""The version of the client's distribution. Its pyproject.toml reads it from here."""

__all__ = [
    "STORY_SEED",
    "AsyncScenewright",
    "Conflict",
    "CutoutFailed",
    "DeadlineExceeded",
    "Forbidden",
    "GenerationFailed",
    "Gone",
    "InvalidRequest",
    "JobEvent",
    "Layer",
    "LayerDone",
    "NotFound",
    "NotReady",
    "NotScenewright",
    "NotSent",
    "OutOfMemory",
    "Overloaded",
    "Progress",
    "Queued",
    "Retries",
    "Scene",
    "ScenePreview",
    "Scenewright",
    "ScenewrightError",
    "ServerUnreachable",
    "Story",
    "StoryScene",
    "Unauthenticated",
    "description_seed",
    "read_story",
    "story_requests",
]
