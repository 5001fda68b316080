"""The network, with a real ONNX file that this test writes; skipped without the `matting` extra."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from deployments.imaging.cutout.matting import cut_out
from deployments.imaging.cutout.neural_matting import MattingConfig, NeuralMatte
from deployments.merger import Merger, MergerConfig
from deployments.messages import LayerResult, LayerTimings, MergeJob, Pixels

pytest.importorskip("snipbg")
pytest.importorskip("onnxruntime")

SIDE_PX = 64


@pytest.fixture
def model(tmp_path: Path) -> MattingConfig:
    data = colourfulness(SIDE_PX)
    file = tmp_path / "colourful.onnx"
    file.write_bytes(data)
    return MattingConfig(str(file), hashlib.sha256(data).hexdigest(), SIDE_PX)


def busy(figure: bool = True) -> tuple[Pixels, Pixels]:
    """Return a colourful figure before grey stones, and its true mask (256, 192)."""
    coarse = np.random.default_rng(0).integers(0, 256, (16, 12), np.uint8)
    stones = Image.fromarray(coarse).resize((192, 256), Image.Resampling.NEAREST)
    pixels = np.array(stones.convert("RGB"))
    mask = np.zeros((256, 192), np.uint8)
    cv2.ellipse(mask, (96, 128), (40, 100), 0, 0, 360, 255, -1)
    if figure:
        pixels[mask > 0] = (255, 0, 0)
    return pixels, mask


def test_a_network_cuts_out_what_the_keyer_cannot(model: MattingConfig) -> None:
    pixels, mask = busy()
    assert cut_out(pixels).confidence < 0.5
    cutout = NeuralMatte(model).cut_out(pixels)
    found = cutout.alpha > 127
    assert (found & (mask > 0)).sum() / (found | (mask > 0)).sum() > 0.9
    assert cutout.confidence > 0.9
    stones = (cutout.alpha > 60) & (cutout.alpha < 250) & (np.ptp(pixels, axis=2) == 0)
    assert stones.any()
    assert np.median(np.ptp(cutout.foreground[stones], axis=1)) > 150  # Their grey is removed from the edge.


def test_what_it_does_not_see_it_does_not_trust(model: MattingConfig) -> None:
    assert NeuralMatte(model).cut_out(busy(figure=False)[0]).confidence == 0
    noise = np.random.default_rng(0).integers(0, 256, (256, 192, 3), np.uint8)
    assert NeuralMatte(model).cut_out(noise).confidence < 0.5


async def test_the_merger_says_who_cut_out(model: MattingConfig) -> None:
    character, place = (
        LayerResult("character", pixels, 1, "model", "diffusers", LayerTimings(0, 0, 0, 0))
        for pixels in (busy()[0], np.full((64, 128, 3), 90, np.uint8))
    )
    plain = await Merger().merge(MergeJob("r"), character, place)
    assert plain.mode == "paste"
    merged = await Merger(MergerConfig(matting=model)).merge(MergeJob("r"), character, place)
    assert merged.mode == "cutout"
    assert "matting model" in merged.warnings[0]


def test_another_file_is_not_run(model: MattingConfig) -> None:
    Path(model.model).write_bytes(b"something else")
    with pytest.raises(ValueError, match="does not match its known SHA-256"):
        NeuralMatte(model)


def test_a_model_that_was_not_fetched_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNIPBG_HOME", str(tmp_path))
    with pytest.raises(ValueError, match="snipbg download isnet-anime"):
        NeuralMatte(MattingConfig())
    assert list(tmp_path.iterdir()) == []


def test_an_own_file_needs_its_checksum(model: MattingConfig) -> None:
    with pytest.raises(ValueError, match="with its sha256"):
        NeuralMatte(MattingConfig(model.model))
    with pytest.raises(ValueError, match="neither one of"):
        NeuralMatte(MattingConfig("nonesuch"))


# A model small enough to write by hand, in protobuf's wire format; the numbers are those of onnx.proto.
def colourfulness(side_px: int) -> bytes:
    """Return a model from (1, 3, side, side) to (1, 1, side, side): largest minus smallest channel."""
    nodes = [
        _node("ReduceMax", ["picture"], "most"),
        _node("ReduceMin", ["picture"], "least"),
        _node("Sub", ["most", "least"], "alpha", axes=False),
    ]
    graph = b"".join(_field(1, node) for node in nodes) + _field(2, b"colourfulness")
    graph += _field(11, _value("picture", (1, 3, side_px, side_px)))
    graph += _field(12, _value("alpha", (1, 1, side_px, side_px)))
    return _number(1, 7) + _field(7, graph) + _field(8, _number(2, 13))


def _node(operator: str, inputs: list[str], output: str, axes: bool = True) -> bytes:
    node = b"".join(_field(1, name.encode()) for name in inputs) + _field(2, output.encode())
    node += _field(4, operator.encode())
    # AttributeProto: name 1, ints 8, type 20 (7 is INTS).
    return node + (_field(5, _field(1, b"axes") + _number(8, 1) + _number(20, 7)) if axes else b"")


def _value(name: str, shape: tuple[int, ...]) -> bytes:
    dimensions = b"".join(_field(1, _number(1, size)) for size in shape)
    tensor = _number(1, 1) + _field(2, dimensions)
    return _field(1, name.encode()) + _field(2, _field(1, tensor))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    data = bytearray()
    while value > 127:
        data.append(value & 127 | 128)
        value >>= 7
    return bytes([*data, value])
