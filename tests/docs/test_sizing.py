"""docs/sizing.md lists every published profile with its source."""

from __future__ import annotations

import re
from pathlib import Path

from serve.planning.published import PUBLISHED

PAGE = (Path(__file__).parents[2] / "docs/sizing.md").read_text(encoding="utf-8")


def test_every_published_profile_is_in_its_table() -> None:
    rows = re.findall(r"^\| `(\S+)` \| (.+?) \| (.+?) \| \[(.+?)\] \|$", PAGE, re.MULTILINE)
    links = dict(re.findall(r"^\[(.+?)\]: (\S+)$", PAGE, re.MULTILINE))
    assert {name: (device, model) for name, device, model, _ in rows} == {
        name: (each.device, each.character.model) for name, each in PUBLISHED.items()
    }
    for name, _, _, source in rows:
        assert links[source] in PUBLISHED[name].source
