"""Write a picture's origin into its file: the kind of source (IPTC), the software, the recipe.

The kind is IPTC's Digital Source Type (cv.iptc.org/newscodes/digitalsourcetype) in XMP; the recipe is the
`parameters` text that image tools read (PNG tEXt; EXIF UserComment in JPEG and WebP). Nothing in it changes
from one run to the next: the same picture gives the same file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from deployments import __version__
from deployments.messages import LayerResult, PictureFormat, Recipe

SOFTWARE = f"Scenewright {__version__}"
VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"
LONGEST_PROMPT = 3_000
"""The most characters of each of two layers' prompts, fewer for more: a JPEG's EXIF segment holds 64 kB."""

Source = Literal[
    "trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "algorithmicMedia", "composite"
]
TRAINED: Source = "trainedAlgorithmicMedia"
DRAWN: Source = "algorithmicMedia"

_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" \
xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmp:CreatorTool="{software}"{kind}/>\
</rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""
_DECLARED = re.compile(re.escape(VOCABULARY.encode()) + rb"(\w{1,60})")
_EXIF_SOFTWARE, _EXIF_IFD, _EXIF_USER_COMMENT = 0x0131, 0x8769, 0x9286


@dataclass(frozen=True)
class ProvenanceConfig:
    """Settings for what is written into files.

    `embed` false writes nothing into files; `prompts` false leaves out the prompts.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    embed: bool = True
    prompts: bool = True


@dataclass(frozen=True)
class Provenance:
    """Facts that a file states about itself, as far as known; `source` is None if no kind was declared.

    `prompts` (two lines) and `settings` (one) together are the `parameters` text. `inputs` are the files that
    layers were painted from, such as `character image`, each with its SHA-256.
    """

    source: Source | None = None
    prompts: str = ""
    settings: str = ""
    inputs: tuple[tuple[str, str], ...] = ()

    @property
    def parameters(self) -> str:
        return "\n".join(filter(None, (self.prompts, self.settings)))


def of_layers(*layers: LayerResult) -> Provenance:
    """Return the provenance of one painted layer, or of a scene's characters and its place."""
    source = combine(*map(_layer_source, layers))
    return Provenance(source, _prompts(layers), _settings(layers), tuple(_inputs(layers)))


def combine(*sources: Source | None) -> Source:
    """Return a picture's kind of source, from the kinds of its parts."""
    kinds = set(sources)
    if len(kinds) == 1 and (only := kinds.pop()) is not None:
        return only
    trained: set[Source | None] = {TRAINED, "compositeWithTrainedAlgorithmicMedia"}
    return "compositeWithTrainedAlgorithmicMedia" if kinds & trained else "composite"


def declared_source(picture: Image.Image) -> Source | None:
    """Return the kind of source that an opened file declares, or None if it declares none that we know."""
    xmp = picture.info.get("xmp")
    found = _DECLARED.search(xmp.encode() if isinstance(xmp, str) else xmp or b"")
    known: tuple[Source, ...] = (TRAINED, "compositeWithTrainedAlgorithmicMedia", DRAWN, "composite")
    return next((word for word in known if found and found[1] == word.encode()), None)


def save_arguments(
    provenance: Provenance | None, picture_format: PictureFormat, texts: dict[str, str]
) -> dict[str, Any]:
    """Return the arguments by which Pillow's `save` writes it. `texts` are further texts, only for PNG."""
    if picture_format == "png":
        return {"pnginfo": _png_texts(provenance, texts)}
    if provenance is None:
        return {}
    exif = Image.Exif()
    exif[_EXIF_SOFTWARE] = SOFTWARE
    if provenance.parameters:
        comment = b"UNICODE\0" + provenance.parameters.encode("utf-16-be")
        exif.get_ifd(_EXIF_IFD)[_EXIF_USER_COMMENT] = comment
    return {"exif": exif, "xmp": _xmp(provenance.source)}


def _png_texts(provenance: Provenance | None, texts: dict[str, str]) -> PngInfo:
    info = PngInfo()
    if provenance is not None:
        info.add_itxt("XML:com.adobe.xmp", _xmp(provenance.source).decode())
        info.add_text("Software", SOFTWARE)
        if provenance.parameters:
            info.add_text("parameters", provenance.parameters)
    for keyword, text in texts.items():
        info.add_text(keyword, text)
    return info


def _xmp(source: Source | None) -> bytes:
    kind = "" if source is None else f' Iptc4xmpExt:DigitalSourceType="{VOCABULARY}{source}"'
    return _XMP.format(software=SOFTWARE, kind=kind).encode()


def _layer_source(layer: LayerResult) -> Source:
    """Return a layer's kind of source.

    Plain code draws placeholders and simulated pictures: no model had a part in them. A layer that started
    from a picture is an edited picture, and the origin of the first one is not known.
    """
    drawn = layer.backend == "simulated" or "placeholder" in layer.degraded
    source = DRAWN if drawn else TRAINED
    started = layer.recipe is not None and layer.recipe.image is not None
    return combine(source, None) if started else source


def _prompts(layers: tuple[LayerResult, ...]) -> str:
    """Return the prompts that the models read, those of all layers as `character | background`."""
    recipes = [layer.recipe for layer in layers if layer.recipe is not None]
    if not recipes:
        return ""
    longest = 2 * LONGEST_PROMPT // max(2, len(recipes))
    words = " | ".join(_shortened(recipe.prompt, longest) for recipe in recipes)
    negative = " | ".join(_shortened(recipe.negative_prompt, longest) for recipe in recipes)
    return f"{words}\nNegative prompt: {negative}"


def _settings(layers: tuple[LayerResult, ...]) -> str:
    """Return `Steps: 25, CFG scale: 7.5, Seed: 42, ...`; a second layer's name is before each of its keys.

    This is the form of AUTOMATIC1111's stable-diffusion-webui, whose readers take any `Key: value` they find.
    """
    settings: list[str] = []
    for index, layer in enumerate(layers):
        again = sum(other.kind == layer.kind for other in layers[: index + 1])
        name = layer.kind.capitalize() + (f" {again}" if again > 1 else "")
        prefix = f"{name} " if settings else ""
        settings += [f"{prefix}{key}: {_quoted(value)}" for key, value in _layer_settings(layer)]
    return ", ".join(settings)


def _inputs(layers: tuple[LayerResult, ...]) -> Iterator[tuple[str, str]]:
    """Yield the files that layers were painted from: a name and a hash for each.

    With several layers of one kind, the name includes the layer's index.
    """
    for at, layer in enumerate(layers):
        alike = [index for index, other in enumerate(layers) if other.kind == layer.kind]
        name = layer.kind + (f"-{alike.index(at)}" if len(alike) > 1 else "")
        recipe = layer.recipe
        if recipe is None:
            continue
        if recipe.image is not None:
            yield f"{name} image", recipe.image
            if recipe.mask is not None:
                yield f"{name} mask", recipe.mask
        for number, reference in enumerate(recipe.references, 1):
            yield f"{name} reference {number}", reference
        if recipe.pose_image is not None:
            yield f"{name} pose", recipe.pose_image
        for lora in recipe.loras:
            yield f"{name} LoRA {lora.name}", lora.sha256


def _layer_settings(layer: LayerResult) -> Iterator[tuple[str, object]]:
    high, wide = layer.pixels.shape[:2]
    if layer.recipe is not None:
        yield "Steps", layer.recipe.num_inference_steps
        if layer.recipe.sampler:
            yield "Sampler", layer.recipe.sampler
        yield "CFG scale", layer.recipe.guidance_scale
        if layer.recipe.guidance_cache > 1:
            yield "CFG every", layer.recipe.guidance_cache
        if layer.recipe.image is not None:
            yield "Denoising strength", layer.recipe.strength
            yield "Image", layer.recipe.image
        if layer.recipe.mask is not None:
            yield "Mask", layer.recipe.mask
        yield from _guides(layer.recipe)
        if layer.recipe.loras:
            each = (f"{lora.name}: {lora.scale:g} {lora.sha256}" for lora in layer.recipe.loras)
            yield "LoRAs", ", ".join(each)
    yield "Seed", layer.seed
    yield "Size", f"{wide}x{high}"
    yield "Model", layer.model


def _guides(recipe: Recipe) -> Iterator[tuple[str, object]]:
    if recipe.references:
        yield "Reference scale", recipe.reference_scale
        yield "References", " ".join(recipe.references)
    if recipe.pose or recipe.pose_image is not None:
        yield "Pose scale", recipe.pose_scale
        points = " ".join(f"{number:.4g}" for point in recipe.pose for number in point)
        yield "Pose", recipe.pose_image or points


def _quoted(value: object) -> str:
    text = str(value)
    return json.dumps(text) if set(text) & set(',:\n"') else text


def _shortened(words: str, longest: int) -> str:
    return words if len(words) <= longest else words[: longest - 1] + "…"
