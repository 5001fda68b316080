"""Read the provenance in files back with Pillow."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from deployments.imaging.files.picture_encoding import encode
from deployments.imaging.marks.provenance import (
    SOFTWARE,
    VOCABULARY,
    Provenance,
    Source,
    combine,
    declared_source,
    of_layers,
)
from deployments.messages import (
    LayerResult,
    LayerTimings,
    LoraUse,
    OutputOptions,
    PictureFormat,
    Recipe,
)

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XMP = "http://ns.adobe.com/xap/1.0/"
IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
FORMATS: tuple[PictureFormat, ...] = ("jpeg", "png", "webp")
RECIPE = Recipe("a knight, Größe, рыцарь", "blurry", 25, 7.5, "DPMSolverMultistep")
CHARACTER = LayerResult(
    "character",
    np.zeros((64, 48, 3), np.uint8),
    42,
    "storybook-character",
    "diffusers",
    LayerTimings(0, 0, 0, 0),
    recipe=RECIPE,
)
BACKGROUND = replace(
    CHARACTER,
    kind="background",
    pixels=np.zeros((48, 96, 3), np.uint8),
    seed=123,
    model="fine, tuned",
    recipe=Recipe("a castle", "people", 20, 6.0),
)
IMAGE, MASK = "1f" * 32, "2e" * 32
PICTURE = Image.new("RGB", (32, 16), "green")


def written(reported: Provenance | None, picture_format: PictureFormat) -> Image.Image:
    return Image.open(BytesIO(encode(PICTURE, OutputOptions(picture_format), provenance=reported).data))


def xmp_of(picture: Image.Image) -> dict[str, str]:
    """Return the attributes of its one description. Pillow's `getxmp` requires an unneeded package."""
    packet = picture.info["xmp"]
    description = ElementTree.fromstring(packet).find(f".//{{{RDF}}}Description")  # noqa: S314
    assert description is not None
    return description.attrib


def parameters_of(picture: Image.Image) -> str:
    if picture.format == "PNG":
        return str(picture.info.get("parameters", ""))
    comment = picture.getexif().get_ifd(0x8769).get(0x9286, b"UNICODE\0")
    assert comment.startswith(b"UNICODE\0")
    return str(comment[8:].decode("utf-16-be"))


@pytest.mark.parametrize("picture_format", FORMATS)
def test_a_scene_reports_its_source_its_software_and_its_recipe(picture_format: PictureFormat) -> None:
    picture = written(of_layers(CHARACTER, BACKGROUND), picture_format)
    assert xmp_of(picture) == {
        f"{{{IPTC}}}DigitalSourceType": VOCABULARY + "trainedAlgorithmicMedia",
        f"{{{XMP}}}CreatorTool": SOFTWARE,
        f"{{{RDF}}}about": "",
    }
    software = picture.info["Software"] if picture_format == "png" else picture.getexif()[0x0131]
    assert software == SOFTWARE
    assert parameters_of(picture) == (
        "a knight, Größe, рыцарь | a castle\n"
        "Negative prompt: blurry | people\n"
        "Steps: 25, Sampler: DPMSolverMultistep, CFG scale: 7.5, Seed: 42, Size: 48x64, "
        "Model: storybook-character, Background Steps: 20, Background CFG scale: 6.0, Background Seed: 123, "
        'Background Size: 96x48, Background Model: "fine, tuned"'
    )


@pytest.mark.parametrize("picture_format", FORMATS)
def test_the_recipe_names_the_pictures_that_layers_started_from(picture_format: PictureFormat) -> None:
    varied = replace(CHARACTER, recipe=replace(RECIPE, image=IMAGE, strength=0.6))
    repainted = replace(BACKGROUND, recipe=replace(RECIPE, image=IMAGE, mask=MASK))
    reported = of_layers(varied, repainted)
    assert reported.inputs == (
        ("character image", IMAGE),
        ("background image", IMAGE),
        ("background mask", MASK),
    )
    told = parameters_of(written(replace(reported, prompts=""), picture_format))
    assert f"CFG scale: 7.5, Denoising strength: 0.6, Image: {IMAGE}, Seed: 42" in told
    assert f"Background Denoising strength: 1.0, Background Image: {IMAGE}, Background Mask: {MASK}" in told
    several = of_layers(CHARACTER, varied, BACKGROUND)
    assert several.inputs == (("character-1 image", IMAGE),)
    assert "Image" not in of_layers(CHARACTER, BACKGROUND).settings and not of_layers(CHARACTER).inputs


def test_the_recipe_says_where_guidance_was_cached() -> None:
    reported = of_layers(replace(CHARACTER, recipe=replace(RECIPE, guidance_cache=2)), BACKGROUND)
    assert "CFG scale: 7.5, CFG every: 2, Seed: 42" in reported.settings
    assert "Background CFG every" not in reported.settings


@pytest.mark.parametrize("picture_format", FORMATS)
def test_the_recipe_names_references_and_poses(picture_format: PictureFormat) -> None:
    pose = ((0.5, 0.125, 1.0),) * 18
    alike = replace(
        CHARACTER, recipe=replace(RECIPE, references=(IMAGE, MASK), reference_scale=0.5, pose=pose)
    )
    posed = replace(BACKGROUND, recipe=replace(RECIPE, image=IMAGE, pose_image=MASK, pose_scale=0.8))
    reported = of_layers(alike, posed)
    assert reported.inputs == (
        ("character reference 1", IMAGE),
        ("character reference 2", MASK),
        ("background image", IMAGE),
        ("background pose", MASK),
    )
    told = parameters_of(written(replace(reported, prompts=""), picture_format))
    assert f"CFG scale: 7.5, Reference scale: 0.5, References: {IMAGE} {MASK}, Pose scale: 1.0, " in told
    assert f"Pose: {'0.5 0.125 1 ' * 17}0.5 0.125 1, Seed: 42" in told
    assert f"Background Pose scale: 0.8, Background Pose: {MASK}, " in told


@pytest.mark.parametrize("picture_format", FORMATS)
def test_the_recipe_names_the_loras_of_each_layer(picture_format: PictureFormat) -> None:
    ink, wash = (LoraUse(name=name, sha256=IMAGE, scale=scale) for name, scale in (("ink", 1), ("wash", 0.5)))
    drawn = replace(CHARACTER, recipe=replace(RECIPE, loras=(ink, wash)))
    reported = of_layers(drawn, replace(BACKGROUND, recipe=replace(RECIPE, loras=(ink,))))
    assert reported.inputs == (
        ("character LoRA ink", IMAGE),
        ("character LoRA wash", IMAGE),
        ("background LoRA ink", IMAGE),
    )
    told = parameters_of(written(replace(reported, prompts=""), picture_format))
    assert f'CFG scale: 7.5, LoRAs: "ink: 1 {IMAGE}, wash: 0.5 {IMAGE}", Seed: 42' in told
    assert f'Background LoRAs: "ink: 1 {IMAGE}", Background Seed' in told
    assert reported.source == "trainedAlgorithmicMedia"


def test_what_starts_from_a_picture_is_not_said_to_be_a_models_alone() -> None:
    varied = replace(CHARACTER, recipe=replace(RECIPE, image=IMAGE))
    assert of_layers(varied).source == "compositeWithTrainedAlgorithmicMedia"
    assert of_layers(varied, BACKGROUND).source == "compositeWithTrainedAlgorithmicMedia"
    assert of_layers(replace(varied, backend="simulated")).source == "composite"
    assert of_layers(replace(CHARACTER, degraded=("placeholder",), recipe=None)).source == "algorithmicMedia"


@pytest.mark.parametrize("picture_format", FORMATS)
def test_without_provenance_nothing_is_written(picture_format: PictureFormat) -> None:
    picture = written(None, picture_format)
    assert not {"xmp", "exif", "Software", "parameters"} & picture.info.keys()


@pytest.mark.parametrize("picture_format", FORMATS)
def test_the_words_can_be_left_out(picture_format: PictureFormat) -> None:
    reported = parameters_of(written(replace(of_layers(CHARACTER), prompts=""), picture_format))
    assert reported.startswith("Steps: 25, ")
    assert "knight" not in reported


@pytest.mark.parametrize("picture_format", FORMATS)
def test_the_pixels_are_untouched_and_the_bytes_repeat(picture_format: PictureFormat) -> None:
    reported, output = of_layers(CHARACTER, BACKGROUND), OutputOptions(picture_format)
    assert encode(PICTURE, output, provenance=reported) == encode(PICTURE, output, provenance=reported)
    assert written(reported, picture_format).tobytes() == written(None, picture_format).tobytes()


@pytest.mark.parametrize("picture_format", FORMATS)
def test_no_prompt_is_too_long_for_the_file(picture_format: PictureFormat) -> None:
    dragons = "🐉" * 100_000
    endless = replace(CHARACTER, recipe=replace(RECIPE, prompt=dragons, negative_prompt=dragons))
    reported = parameters_of(written(of_layers(endless, endless), picture_format))
    assert reported.count("…") == 4
    assert reported.endswith("Model: storybook-character")


def test_what_no_model_painted_does_not_claim_one() -> None:
    simulated = replace(CHARACTER, backend="simulated")
    placeholder = replace(BACKGROUND, degraded=("placeholder",), recipe=None)
    assert of_layers(simulated, placeholder).source == "algorithmicMedia"
    assert of_layers(CHARACTER, placeholder).source == "compositeWithTrainedAlgorithmicMedia"
    assert of_layers(CHARACTER, placeholder).prompts.count(" | ") == 0
    assert "Background Seed: 123" in of_layers(CHARACTER, placeholder).settings


@pytest.mark.parametrize(
    ("sources", "whole"),
    [
        (("trainedAlgorithmicMedia",) * 2, "trainedAlgorithmicMedia"),
        (("trainedAlgorithmicMedia", None), "compositeWithTrainedAlgorithmicMedia"),
        (("composite", "compositeWithTrainedAlgorithmicMedia"), "compositeWithTrainedAlgorithmicMedia"),
        (("algorithmicMedia", None), "composite"),
        ((None, None), "composite"),
    ],
)
def test_a_composite_is_of_what_it_is_made_of(sources: tuple[Source | None, ...], whole: Source) -> None:
    assert combine(*sources) == whole


@pytest.mark.parametrize("picture_format", FORMATS)
def test_what_a_file_declares_is_read_back(picture_format: PictureFormat) -> None:
    assert declared_source(written(Provenance("algorithmicMedia"), picture_format)) == "algorithmicMedia"
    assert declared_source(written(Provenance(None), picture_format)) is None
    assert declared_source(written(None, picture_format)) is None
