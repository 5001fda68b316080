"""The command line, against a small server with canned responses, without Ray."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from tests.support.known_alpha.sets import samples
from tests.support.stub_service import JPEG, Stub, run


def test_help_lists_every_command() -> None:
    result = run("--help")
    assert result.exit_code == 0
    for name in (
        "serve",
        "scene",
        "merge",
        "models",
        "job",
        "story",
        "cast",
        "keys",
        "webhooks",
        "plan",
        "profile",
    ):
        assert f"\n  {name} " in result.output


def test_a_scene(server: Stub, tmp_path: Path) -> None:
    file = tmp_path / "scene.jpg"
    file.write_bytes(b"old")
    layers = ["--seed", 1, "--character-seed", 2, "--steps", 4, "--character-model", "some/model"]
    frame = ["--position", "left", "--mode", "paste", "--width", 512, "--height", 256]
    switches = ["--enhance", "--attribution", "--layers", "--fallback", "none"]
    result = run("scene", "a knight", "a castle", "-o", file, *layers, *frame, *switches, "--url", server.url)
    assert result.exit_code == 0, result.output
    assert server.requested == [
        {
            "character": {
                "prompt": "a knight",
                "seed": 2,
                "model": "some/model",
                "num_inference_steps": 4,
            },
            "background": {"prompt": "a castle", "num_inference_steps": 4},
            "seed": 1,
            "merge": {"position": "left", "mode": "paste", "width": 512, "height": 256},
            "enhance": True,
            "attribution": True,
            "layers": True,
            "fallback": "none",
            "output": {"format": "jpeg"},
        }
    ]
    assert file.read_bytes() == JPEG
    assert (tmp_path / "scene-mask.png").read_bytes() == b"m"
    assert "painting…" in result.stderr
    for said in (
        str(file),
        "character 42, background 7",
        "degraded: character: reduced",
        "warning: character: storybook-character does not know: unicorn",
        "merge 3",
    ):
        assert said in result.stdout


def test_a_scene_requests_no_more_than_was_given(server: Stub, tmp_path: Path) -> None:
    assert run("scene", "a", "b", "-o", tmp_path / "s.PNG", "--url", server.url).exit_code == 0
    assert server.requested == [
        {"character": {"prompt": "a"}, "background": {"prompt": "b"}, "output": {"format": "png"}}
    ]


def test_a_scene_of_several_figures(server: Stub, tmp_path: Path) -> None:
    requested = ["scene", "a knight", "a castle", "--character", "a dragon", "--url", server.url]
    assert run(*requested, "-o", tmp_path / "s.png", "--steps", 4, "--character-seed", 7).exit_code == 0
    placed = run(*requested, "-o", tmp_path / "s.png", "--position", "left", "--position", "0.7")
    assert placed.exit_code == 0
    assert [request["characters"] for request in server.requested] == [
        [
            {"prompt": "a knight", "seed": 7, "num_inference_steps": 4},
            {"prompt": "a dragon", "num_inference_steps": 4},
        ],
        [
            {"prompt": "a knight", "position": "left"},
            {"prompt": "a dragon", "position": {"x": 0.7}},
        ],
    ]
    assert all("character" not in request and "merge" not in request for request in server.requested)
    for wrong in (["--position", "left"], ["--character", "a", "--character", "b", "--character", "c"]):
        result = run(*requested, "-o", tmp_path / "s.png", *wrong)
        assert result.exit_code == 2
        assert "figures" in result.stderr
    assert len(server.requested) == 2


def test_a_position_may_be_a_share_of_the_width(server: Stub, tmp_path: Path) -> None:
    requested = ("scene", "a", "b", "-o", tmp_path / "s.png", "--url", server.url, "--position")
    assert run(*requested, "0.3").exit_code == 0
    assert server.requested[0]["merge"] == {"position": {"x": 0.3}}
    for wrong in ("up", "1.1", "-1", "nan"):
        result = run(*requested, wrong)
        assert result.exit_code == 2
        assert "or a number from 0 to 1" in result.stderr


def test_format_wins_over_the_suffix(server: Stub, tmp_path: Path) -> None:
    assert (
        run("scene", "a", "b", "-o", tmp_path / "s.bin", "--format", "webp", "--url", server.url).exit_code
        == 0
    )
    assert server.requested[0]["output"] == {"format": "webp"}


def test_a_refusal_is_reported(server: Stub, tmp_path: Path) -> None:
    error = {"code": "invalid_request", "message": "too small", "param": "merge.width", "request_id": "r9"}
    server.responses["/v1/scenes"] = (422, {"error": error})
    result = run("scene", "a", "b", "-o", tmp_path / "s.png", "--url", server.url)
    assert result.exit_code == 1
    for said in ("too small", "merge.width", "r9"):
        assert said in result.stderr
    assert not (tmp_path / "s.png").exists()


@pytest.mark.parametrize("command", [("scene", "a", "b", "-o", "s.png"), ("models",)])
def test_nobody_there(command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*command, "--url", "http://127.0.0.1:9")
    assert result.exit_code == 3
    assert "no Scenewright at http://127.0.0.1:9; start one with `scenewright serve`" in result.stderr


@pytest.mark.parametrize("file", ["no/such/folder/s.jpg", ".", "s.bmp", "s"])
def test_a_file_that_cannot_be_is_refused_before_painting(
    server: Stub, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("scene", "a", "b", "-o", file, "--url", server.url).exit_code == 2
    assert server.requested == []


@pytest.mark.parametrize("more", [[], ["-o", "s.jpg", "--steps", "many"], ["-o", "s.jpg", "--url", "here"]])
def test_wrong_usage(more: list[str]) -> None:
    assert run("scene", "a", "b", *more).exit_code == 2


def test_models(server: Stub) -> None:
    result = run("models", "--url", server.url)
    assert result.exit_code == 0
    assert "storybook-character" in result.output
    assert "Apache-2.0" in result.output
    assert "character (default)" in result.output


def test_serve_checks_a_file_and_starts_nothing(tmp_path: Path) -> None:
    result = run("serve", "--config", "serve/simulated.yaml", "--check")
    assert result.exit_code == 0, result.output
    assert result.output.endswith("serve/simulated.yaml is valid\n")
    file = tmp_path / "serve.yaml"
    file.write_text("http_optons: {}\n")
    result = run("serve", "--config", str(file), "--check")
    assert result.exit_code == 1
    assert "http_optons is not a known key; did you mean http_options?" in result.output


def test_serve_names_an_unknown_key(tmp_path: Path) -> None:
    file = tmp_path / "odd.yaml"
    file.write_text("aplications: []")
    result = run("serve", "--config", file)
    assert result.exit_code == 1
    assert f"{file}: aplications is not a known key; did you mean applications?" in result.stderr


def test_merge_pastes_as_pillow_does(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 48, 4), np.uint8)
    character = Image.fromarray(noise)
    character.save(tmp_path / "c.png")
    background = Image.fromarray(noise[..., :3])
    background.save(tmp_path / "b.png")
    result = run("merge", tmp_path / "c.png", tmp_path / "b.png", "-o", tmp_path / "m.png", "--mode", "paste")
    assert result.exit_code == 0, result.output

    expected = background.resize((1024, 512), Image.Resampling.LANCZOS)
    figure = character.resize((512, 512), Image.Resampling.LANCZOS)
    expected.paste(figure, (512, 0), figure)
    expected = ImageEnhance.Contrast(expected).enhance(1.1)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "m.png")), np.asarray(expected))


def test_merge_sets_in_several_figures(tmp_path: Path) -> None:
    Image.fromarray(next(samples("plain", 1, held_out=True)).pixels).save(tmp_path / "c.png")
    Image.effect_noise((64, 48), 50).convert("RGB").save(tmp_path / "b.png")
    requested = ["merge", tmp_path / "c.png", tmp_path / "b.png", "--width", 256, "--height", 128]
    two = [*requested, "--character", tmp_path / "c.png", "-o"]
    result = run(*two, tmp_path / "m.png", "--layers", tmp_path)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("merge: cutout, confidence") == 2
    placed = run(*two, tmp_path / "p.png", "--position", "0.2", "--position", "right")
    assert placed.exit_code == 0, placed.output
    layers = [tmp_path / f"{name}.png" for name in ("character-0", "background", "character-1")]
    again = run("merge", *layers[:2], "--character", layers[2], "-o", tmp_path / "again.png")
    assert again.exit_code == 0, again.output
    pictures = [Image.open(tmp_path / name).tobytes() for name in ("m.png", "again.png", "p.png")]
    assert pictures[0] == pictures[1] != pictures[2]

    one_position = run(*two, tmp_path / "p.png", "--position", "0.2")
    assert one_position.exit_code == 2
    assert "there are 2 figures and 1 positions" in one_position.stderr
    assert run(*two, tmp_path / "p.png", *["--character", tmp_path / "c.png"] * 3).exit_code == 2
    broken = run(*requested, "--character", tmp_path / "b.txt", "-o", tmp_path / "p.png")
    assert broken.exit_code == 2


def test_merge_gives_a_scene_again_from_the_layers_it_wrote(tmp_path: Path) -> None:
    Image.fromarray(next(samples("plain", 1, held_out=True)).pixels).save(tmp_path / "c.png")
    Image.effect_noise((64, 48), 50).convert("RGB").save(tmp_path / "b.webp")
    (tmp_path / "layers").mkdir()
    requested = ["--mode", "cutout", "--position", "left", "--width", 256, "--height", 128, "--scale", 0.8]
    light = ["--harmonize", 0.9, "--no-shadow", "--layers", tmp_path / "layers"]
    result = run(
        "merge", tmp_path / "c.png", tmp_path / "b.webp", "-o", tmp_path / "m.png", *requested, *light
    )
    assert result.exit_code == 0, result.output
    assert "merge: cutout, confidence" in result.stdout
    layers = [tmp_path / "layers" / f"{name}.png" for name in ("character", "background", "mask")]
    again = run("merge", *layers[:2], "-o", tmp_path / "again.png")
    assert again.exit_code == 0, again.output
    pictures = [Image.open(tmp_path / name) for name in ("m.png", "again.png")]
    assert pictures[0].tobytes() == pictures[1].tobytes()
    assert {part.suffix for part in (tmp_path / "layers").iterdir()} == {".png"}
    with Image.open(layers[2]) as mask:
        assert mask.mode == "L"


def test_merge_says_why_it_pasted(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "red").save(tmp_path / "flat.png")
    result = run("merge", tmp_path / "flat.png", tmp_path / "flat.png", "-o", tmp_path / "m.jpg")
    assert result.exit_code == 0, result.output
    assert "could not be cut out" in result.stdout
    insisting = run(
        "merge", tmp_path / "flat.png", tmp_path / "flat.png", "-o", tmp_path / "n.jpg", "--mode", "cutout"
    )
    assert insisting.exit_code == 1
    assert not (tmp_path / "n.jpg").exists()


def test_merge_refuses_what_is_no_picture(tmp_path: Path) -> None:
    whole = BytesIO()
    Image.effect_noise((64, 64), 50).save(whole, "PNG")
    (tmp_path / "words.png").write_text("not a picture")
    (tmp_path / "cut.png").write_bytes(whole.getvalue()[:900])
    (tmp_path / "good.png").write_bytes(whole.getvalue())
    for name in ("words.png", "cut.png", "missing.png"):
        result = run("merge", tmp_path / name, tmp_path / "good.png", "-o", tmp_path / "m.png")
        assert result.exit_code == 2, name
        assert name in result.stderr


@pytest.mark.parametrize("side", [8_100, 14_000, 20_000])
def test_merge_refuses_a_picture_too_large_before_decoding_it(side: int, tmp_path: Path) -> None:
    Image.new("1", (side, side)).save(tmp_path / "huge.png")
    result = run("merge", tmp_path / "huge.png", tmp_path / "huge.png", "-o", tmp_path / "m.png")
    assert result.exit_code == 2
    assert "64 million" in result.stderr
