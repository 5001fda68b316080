"""Several figures in the terminal and in the folder of previews: each by its index."""

from __future__ import annotations

from pathlib import Path

from scenewright import LayerDone, Progress, Queued, ScenePreview
from scenewright.commands import live
from scenewright.responses import SceneEvent

EVENTS: list[SceneEvent] = [
    Queued("character", 2, 0),
    Progress("character", 1, 2, b"a", 0),
    Progress("character", 1, 2, b"b", 1),
    Progress("background", 1, 2, b"c"),
    LayerDone("character", 43, [], 1),
    ScenePreview(b"d"),
]


def test_each_figure_has_a_bar_of_its_own() -> None:
    assert live._with_bars(EVENTS, 2) == ScenePreview(b"d")
    assert [live._shown(*layer) for layer in live._layers(2)] == ["character 1", "character 2", "place"]
    assert [live._shown(*layer) for layer in live._layers(None)] == ["character", "place"]


def test_each_figures_previews_have_names_of_their_own(tmp_path: Path) -> None:
    assert list(live._kept(EVENTS, tmp_path)) == EVENTS
    written = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert written == {
        "character-0-001.jpg": b"a",
        "character-1-001.jpg": b"b",
        "background-001.jpg": b"c",
        "scene-1.jpg": b"d",
    }
