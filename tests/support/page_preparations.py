"""Prepare what a page's commands expect from their reader: files, ids and names."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import django.conf
import django.http.response
import pytest
from django.conf import UserSettingsHolder, global_settings
from django.http import HttpResponse
from PIL import Image
from standardwebhooks import Webhook

from serve.auth.key_store import open_keys
from serve.planning.device_profile import LayerProfile, Profile
from tests.support.documented_service import DocumentedService
from tests.support.page_blocks import REPOSITORY

Names = Mapping[str, Any]
Prepare = Callable[[DocumentedService, Path, pytest.MonkeyPatch], Names]


def nothing(service: DocumentedService, folder: Path, patch: pytest.MonkeyPatch) -> Names:
    return {}


@dataclass(frozen=True)
class Preparation:
    """The preparation of one page.

    `pictures` are files that its reader has. `replaced` maps placeholders of the page, or parts that take
    too long, to their text in the test. `printed` are words that its commands print. `keyed` means that its
    service requires a key, `own_state` that its commands use the service's own state folder. `names` returns
    names for its programs; those with a string value are also shell variables.
    """

    pictures: str = ""
    replaced: Mapping[str, str] = field(default_factory=dict)
    printed: tuple[str, ...] = ()
    keyed: bool = False
    own_state: bool = False
    names: Prepare = nothing

    def open_pictures(self, folder: Path) -> None:
        """Draw a white figure on a transparent canvas, into each of the files."""
        figure = Image.new("RGBA", (96, 128))
        figure.paste("white", (30, 20, 66, 120))
        for name in self.pictures.split():
            figure.convert("RGB" if name.endswith("jpg") else "RGBA").save(folder / name)


LAYER = LayerProfile(steps=20, encode_s=0.0, step_s={1: 0.03}, decode_s=0.0)


def command_line(service: DocumentedService, folder: Path, patch: pytest.MonkeyPatch) -> Names:
    (folder / "scenes.json").write_text('[{"character": "a king", "background": "a meadow"}]')
    pose(folder)
    return {"job": service.job(service.keyed)}


def client(service: DocumentedService, folder: Path, patch: pytest.MonkeyPatch) -> Names:
    pose(folder)
    shutil.copy(REPOSITORY / "examples/story.txt", folder)
    return {}


def pose(folder: Path) -> None:
    """Write the keypoints of docs/guides/references-and-poses.md into `pose.json`."""
    page = (REPOSITORY / "docs/guides/references-and-poses.md").read_text(encoding="utf-8")
    (keypoints,) = re.findall(r'"keypoints": (\[\[.*?\]\])', page, re.DOTALL)
    (folder / "pose.json").write_text(keypoints)


def poses(service: DocumentedService, folder: Path, patch: pytest.MonkeyPatch) -> Names:
    page = (REPOSITORY / "docs/guides/cast.md").read_text(encoding="utf-8")
    (listed,) = re.findall(r"```yaml\n(- \{name: idle.*?)```", page, re.DOTALL)
    (folder / "poses.yaml").write_text(listed)
    return {}


def security(service: DocumentedService, folder: Path, patch: pytest.MonkeyPatch) -> Names:
    keys = open_keys(folder / "state")
    kept, _ = keys.create("acme", ("generate",))
    return {"id": kept.id}


def sizing(service: DocumentedService, folder: Path, patch: pytest.MonkeyPatch) -> Names:
    profile = Profile(device="a card", backend="diffusers", character=LAYER, background=LAYER, merge_s=0.1)
    (folder / "profile.json").write_text(profile.model_dump_json())
    return {}


def webhooks(service: DocumentedService, folder: Path, patch: pytest.MonkeyPatch) -> Names:
    """Make a key, and the signed event of a job that ended for the page's receiver."""
    open_keys(service.state).create("the web site", ("generate", "jobs"))
    secret, body, now = "whsec_c2NlbmV3cmlnaHQ=", '{"type": "job.ended", "data": {}}', datetime.now(UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", now, body),
    }
    return {"secret": secret, "body": body, "headers": headers}


def story_agent(service: DocumentedService, folder: Path, patch: pytest.MonkeyPatch) -> Names:
    """Set up a Django project, whose view gets an unsigned event that a book ended."""
    (folder / "media").mkdir()
    settings = UserSettingsHolder(global_settings)
    settings.SCENEWRIGHT_URL, settings.SCENEWRIGHT_WEBHOOK_SECRET = service.url, "whsec_c2NlbmV3cmlnaHQ="
    patch.setattr(django.conf, "settings", settings)
    patch.setattr(django.http.response, "settings", settings)
    request = SimpleNamespace(body=b"{}", headers={})
    return {
        "book": SimpleNamespace(pk="book-17"),
        "request": request,
        "settings": settings,
        "HttpResponse": HttpResponse,
    }


def project(service: DocumentedService, folder: Path, patch: pytest.MonkeyPatch) -> Names:
    """Copy the Django project, which writes files into its own folder."""
    (folder / "examples").unlink()
    ours = shutil.ignore_patterns("media", "stories.sqlite3", "__pycache__")
    shutil.copytree(REPOSITORY / "examples/story_agent", folder / "examples/story_agent", ignore=ours)
    return {}


def docker(service: DocumentedService, folder: Path, patch: pytest.MonkeyPatch) -> Names:
    (folder / "docker").mkdir()
    return {}


def upgrading(service: DocumentedService, folder: Path, patch: pytest.MonkeyPatch) -> Names:
    shutil.copy(REPOSITORY / "serve/simulated.yaml", folder / "my.yaml")
    return {}


def typescript(service: DocumentedService, folder: Path, patch: pytest.MonkeyPatch) -> Names:
    (folder / "client-js").mkdir()
    return {}
