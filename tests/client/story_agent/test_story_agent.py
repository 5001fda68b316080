"""Story Agent's classes against a live service with simulated generators, and against none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
from PIL import Image

from deployments.background import background_prompt
from deployments.character import character_prompt
from deployments.imaging.composite.enhancing import enhance
from deployments.imaging.composite.pasting import paste
from deployments.imaging.files.decoding import open_upright
from deployments.imaging.quality import flaw
from deployments.messages import MergeOptions
from scenewright import InvalidRequest, NotSent, Retries, Scenewright, ServerUnreachable
from scenewright.story_agent import (
    AgentSettings,
    ImageEnhancer,
    ImageGenerationService,
    ImageMergeService,
    add_attribution,
    create_placeholder_image,
    validate_image_quality,
)
from scenewright.story_agent.files import open_picture
from scenewright.story_agent.settings import MergeSettings
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from tests.support.local_service import listening, served

DJANGO = SimpleNamespace(
    STABLE_DIFFUSION_CONFIG={"default_steps": 3, "default_guidance": 7.0, "max_resolution": 384},
    IMAGE_MERGE_CONFIG={"target_size": (512, 256), "character_position": "left", "blend_mode": "alpha"},
)


@pytest.fixture(scope="module")
def url(config: ServiceConfig, graph: Graph) -> Iterator[str]:
    with listening(served(build_http(config, graph))) as address:
        yield address


@pytest.fixture
def requested() -> list[httpx.Request]:
    return []


@pytest.fixture
def settings() -> AgentSettings:
    return AgentSettings.from_django(DJANGO)


@pytest.fixture
def service(url: str, requested: list[httpx.Request]) -> Iterator[Scenewright]:
    """Yield a client that records the requests it sends."""

    class Noting(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            requested.append(request)
            return super().handle_request(request)

    with Scenewright(url, transport=Noting()) as client:
        yield client


@pytest.fixture
def nobody() -> Iterator[Scenewright]:
    with Scenewright("http://127.0.0.1:9", retries=Retries(most=0)) as client:
        yield client


@pytest.fixture
def painter(service: Scenewright, settings: AgentSettings) -> ImageGenerationService:
    return ImageGenerationService(service, settings)


def body(request: httpx.Request) -> str:
    return request.read().decode()


def test_layers_are_painted_as_the_project_requests(
    painter: ImageGenerationService, requested: list[httpx.Request], tmp_path: Path
) -> None:
    figure = painter.generate_character_image("a knight", tmp_path / "deep/figure.png")
    place = painter.generate_background_image("a castle", str(tmp_path / "place.jpg"))
    assert (figure, place) == (str(tmp_path / "deep/figure.png"), str(tmp_path / "place.jpg"))
    with Image.open(figure) as picture:
        assert (picture.format, picture.size) == ("PNG", (384, 384))
    with Image.open(place) as picture:
        assert picture.format == "JPEG"
    assert [request.url.path for request in requested] == ["/v1/characters", "/v1/backgrounds"]
    assert '"seed":42' in body(requested[0]) and '"num_inference_steps":3' in body(requested[0])
    assert '"seed":123' in body(requested[1]) and '"guidance_scale":7.0' in body(requested[1])


def test_words_are_wrapped_once(
    painter: ImageGenerationService, requested: list[httpx.Request], tmp_path: Path
) -> None:
    wrapped = painter.optimize_character_prompt("a knight")
    assert wrapped == character_prompt("a knight")
    assert painter.optimize_background_prompt("a castle") == background_prompt("a castle")
    for prompt in ("a knight", wrapped):
        painter.generate_character_image(prompt, tmp_path / "figure.png")
        assert f'"prompt":"{wrapped}"' in body(requested[-1])
        assert '"enhance_prompt":false' in body(requested[-1])


def test_a_figure_to_be_cut_out_has_a_plain_backdrop(service: Scenewright) -> None:
    auto = ImageGenerationService(service, AgentSettings())
    assert auto.optimize_character_prompt("a knight") == character_prompt("a knight", plain_backdrop=True)


def test_many(painter: ImageGenerationService, tmp_path: Path) -> None:
    paths = painter.generate_multiple_images(["a knight", "a fox", "a cook"], tmp_path / "all")
    assert [Path(path).name for path in paths] == ["image_1.png", "image_2.png", "image_3.png"]
    assert all(validate_image_quality(path) for path in paths)


def test_nobody_there_is_a_placeholder_at_last(nobody: Scenewright, tmp_path: Path) -> None:
    painter = ImageGenerationService(nobody, AgentSettings())
    with pytest.raises(ServerUnreachable):
        painter.generate_character_image("a knight", tmp_path / "x.png")
    path = painter.generate_with_fallback("a knight", tmp_path / "figure.png")
    with Image.open(path) as picture:
        assert picture.size == (384, 512)
    other = create_placeholder_image("a fox", tmp_path / "other.png", 384, 512, kind="character")
    assert validate_image_quality(path) and Path(other).read_bytes() != Path(path).read_bytes()
    place = painter.generate_with_fallback("a castle", tmp_path / "place.png", kind="background")
    with Image.open(place) as picture:
        assert picture.size == (512, 384)


def test_what_is_refused_is_reported(painter: ImageGenerationService, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest) as caught:
        painter.generate_character_image("a knight", tmp_path / "x.png", seed=-1)
    assert caught.value.param == "seed"
    with pytest.raises(ValueError, match=r"must end in"):
        painter.generate_character_image("a knight", tmp_path / "x.bmp")


@pytest.mark.parametrize("there", [True, False])
def test_merging(
    there: bool, service: Scenewright, nobody: Scenewright, settings: AgentSettings, tmp_path: Path
) -> None:
    character = create_placeholder_image("a knight", tmp_path / "c.png", 128, 192, kind="character")
    background = create_placeholder_image("a castle", tmp_path / "b.png", 192, 128)
    merger = ImageMergeService(service if there else nobody, settings)
    path = merger.merge_images(character, background, tmp_path / "scene.jpg")
    with Image.open(path) as picture:
        assert (picture.format, picture.size) == ("JPEG", (512, 256))
        left, right = picture.crop((0, 0, 256, 256)), picture.crop((256, 0, 512, 256))
        # The pasted figure has a plain backdrop, the sky does not.
        assert np.asarray(left)[4, 4].std() < 5 < np.asarray(right)[4, -4].std()


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("STABLE_DIFFUSION_CONFIG", "default_step", 30),
        ("STABLE_DIFFUSION_CONFIG", "max_resolution", 10**9),
        ("IMAGE_MERGE_CONFIG", "target_size", (10**6, 10**6)),
        ("IMAGE_MERGE_CONFIG", "quality", 0),
    ],
)
def test_a_setting_that_cannot_be_is_named(name: str, key: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"^{name}\['{key}'\] "):
        AgentSettings.from_django(SimpleNamespace(**{name: {key: value}}))


@pytest.fixture
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Act as if the client were installed without the service."""
    monkeypatch.setattr("scenewright.story_agent.merging.entry_points", lambda group: ())


@pytest.mark.usefixtures("_alone")
@pytest.mark.parametrize("position", ["left", "center", "right"])
def test_without_the_service_s_code_it_pastes_as_the_service_would(
    position: str, nobody: Scenewright, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 48, 4), np.uint8)
    Image.fromarray(noise).save(tmp_path / "c.png")
    Image.fromarray(noise[..., :3]).save(tmp_path / "b.png")
    requested = AgentSettings(merging=MergeSettings("paste", position, 255, 128))
    ImageMergeService(nobody, requested).merge_images(
        tmp_path / "c.png", tmp_path / "b.png", tmp_path / "m.png"
    )
    expected, _ = paste(noise, noise[..., :3], MergeOptions("paste", position, 255, 128))  # type: ignore[arg-type]
    with Image.open(tmp_path / "m.png") as picture:
        assert np.array_equal(np.asarray(picture), np.asarray(expected))


@pytest.mark.usefixtures("_alone")
def test_without_the_service_s_code_nothing_is_cut_out(nobody: Scenewright, tmp_path: Path) -> None:
    file = create_placeholder_image("a castle", tmp_path / "p.png")
    requested = AgentSettings(merging=MergeSettings("cutout"))
    with pytest.raises(ServerUnreachable):
        ImageMergeService(nobody, requested).merge_images(file, file, tmp_path / "m.png")
    assert not (tmp_path / "m.png").exists()


@pytest.mark.parametrize("words", ["a knight", "ein Ritter für Æthelred", "騎士"])
def test_the_client_s_words_are_the_service_s(words: str) -> None:
    assert background_prompt(words) == background_prompt(words)
    for plain in (True, False):
        assert character_prompt(words, plain) == character_prompt(words, plain)


@pytest.mark.parametrize("colour", [(9, 9, 9), (10, 10, 10), (246, 246, 246), (3, 200, 90)])
def test_the_check_is_the_service_s(colour: tuple[int, int, int], tmp_path: Path) -> None:
    picture = Image.new("RGB", (64, 64), colour)
    picture.save(tmp_path / "c.png")
    assert validate_image_quality(tmp_path / "c.png") == (flaw(np.asarray(picture)) is None)


def test_a_picture_is_opened_as_the_service_opens_it(tmp_path: Path) -> None:
    """Pictures are turned upright; small or broken files are refused."""
    wide = Image.effect_noise((64, 32), 50).convert("RGB")
    exif = wide.getexif()
    exif[0x0112] = 6
    wide.save(tmp_path / "turned.png", exif=exif)
    opened = open_picture(tmp_path / "turned.png")
    theirs = open_upright((tmp_path / "turned.png").read_bytes(), "image", 10_000)
    assert opened.size == (32, 64) and opened.tobytes() == theirs.tobytes()
    Image.new("RGB", (15, 64)).save(tmp_path / "small.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "turned.png").read_bytes()[:900])
    Image.new("1", (9_000, 9_000)).save(tmp_path / "huge.png")
    for name, why in (("small", "at least 16"), ("cut", "not a valid"), ("huge", "64 million")):
        with pytest.raises(OSError, match=why):
            open_picture(tmp_path / f"{name}.png")


def test_enhancing_the_mark_and_the_check(tmp_path: Path) -> None:
    path = create_placeholder_image("a castle", tmp_path / "p.png", 512, 384)
    with Image.open(path) as picture:
        before = picture.convert("RGB")
    assert ImageEnhancer.enhance_image(path, tmp_path / "e.png") == str(tmp_path / "e.png")
    with Image.open(tmp_path / "e.png") as picture:
        assert np.array_equal(np.asarray(picture), np.asarray(enhance(before)))
    add_attribution(path)
    with Image.open(path) as picture:
        changed = np.any(np.asarray(picture) != np.asarray(before), axis=2)
    assert changed[-40:, -200:].any() and not changed[:300].any()
    assert validate_image_quality(path)
    Image.new("RGB", (64, 64)).save(tmp_path / "black.png")
    (tmp_path / "no.png").write_bytes(b"no")
    assert not validate_image_quality(tmp_path / "black.png")
    assert not validate_image_quality(tmp_path / "no.png")
    assert not validate_image_quality(tmp_path / "missing.png")


def test_settings_without_the_dictionaries_are_the_defaults() -> None:
    bare = AgentSettings.from_django(
        SimpleNamespace(SCENEWRIGHT_URL="http://scenes:1", SCENEWRIGHT_API_KEY="k")
    )
    assert bare == AgentSettings("http://scenes:1", "k")
    assert bare.layer("character") == bare.layer("background") == {}, "the service knows its models' defaults"
    assert bare.merge() == {"mode": "auto", "position": "right", "width": 1024, "height": 512}


def test_what_holds_a_placeholder_is_known(
    nobody: Scenewright, painter: ImageGenerationService, tmp_path: Path
) -> None:
    alone = ImageGenerationService(nobody, AgentSettings())
    path = alone.generate_with_fallback("a \ud83d knight", tmp_path / "figure.png")
    assert alone.placeholders == [path]
    painter.generate_with_fallback("a knight", tmp_path / "painted.png")
    assert painter.placeholders == []


@pytest.mark.parametrize("file", ["nowhere.png", "."])
def test_a_file_that_is_not_there_is_an_oserror(
    service: Scenewright, file: str, settings: AgentSettings, tmp_path: Path
) -> None:
    with pytest.raises(OSError, match=r"No such file|Is a directory"):
        ImageMergeService(service, settings).merge_images(
            tmp_path / file, tmp_path / file, tmp_path / "m.png"
        )


def test_settings_that_cannot_be_are_reported_without_the_key() -> None:
    odd = AgentSettings("http://scenes:1", "sup3rsecret\nx")
    assert "sup3rsecret" not in repr(odd)
    for settings in (odd, AgentSettings("here"), AgentSettings("http://u:sup3rsecret@h")):
        for make in (ImageGenerationService, ImageMergeService):
            with pytest.raises(NotSent) as caught:
                make(settings=settings)
            assert "sup3rsecret" not in str(caught.value)
    assert AgentSettings.from_django(SimpleNamespace(SCENEWRIGHT_URL="")).url == "http://127.0.0.1:8000"
