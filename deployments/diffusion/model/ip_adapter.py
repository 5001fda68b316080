"""Guide painting by reference pictures: read an IP-Adapter's weights, and lay it over a UNet."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import safetensors.torch
import torch
from diffusers.models.attention_processor import AttnProcessor2_0
from diffusers.models.embeddings import ImageProjection
from PIL import Image
from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

from deployments.diffusion.guide_pictures import References
from deployments.diffusion.model.batched_calls import OfOneRow
from deployments.diffusion.model.family import Family
from deployments.diffusion.model.load_errors import blamed
from deployments.diffusion.model.model_config import IpAdapterConfig, ModelConfig
from deployments.diffusion.model.model_files import check_single_file
from deployments.diffusion.model.networks import denoiser_of
from deployments.diffusion.model.reference_attention import (
    OF_ROWS,
    Given,
    ReferenceAttention,
    ReferenceRows,
    Tokens,
    row_group,
)
from deployments.diffusion.model.side_networks import local_file, read_network, shown_name
from deployments.errors import ModelUnusable

KINDS = ("image_proj.", "ip_adapter.")
OF_PICTURES = ("image_proj.proj.weight", "image_proj.proj.3.weight", "image_proj.latents")
"""Weights of adapters that read pictures. Others read the output of a face detector."""


class IpAdapter:
    """An adapter over a pipeline's UNet, and the encoder of its pictures.

    `capacity` is how many pictures' embeddings are kept. `exact`: each row is computed alone.
    """

    def __init__(self, pipeline: Any, encoder: Any, projection: Any, capacity: int, exact: bool) -> None:
        # These have the names that the pipeline's own `encode_image` reads.
        self.image_encoder = encoder
        size = encoder.config.image_size
        self.feature_extractor = CLIPImageProcessor(size=size, crop_size=size)
        self._encode_image = type(pipeline).encode_image
        self._unet = pipeline.unet
        self._device = pipeline._execution_device
        self._projection = projection
        self._capacity = capacity
        self._exact = exact
        self._embeddings: OrderedDict[str, tuple[torch.Tensor, torch.Tensor]] = OrderedDict()
        self.given = Given()

    def arguments(self, references: References, guided: bool) -> dict[str, Any]:
        """Return the argument of a pipeline's call with the embeddings of these pictures."""
        images = references.images()
        pairs = [self._embedded(*named) for named in zip(references.names, images, strict=True)]
        own, none = (torch.cat(embeddings)[None] for embeddings in zip(*pairs, strict=True))
        return {"ip_adapter_image_embeds": [torch.cat([none, own]) if guided else own]}

    def of_one(self, scale: float) -> ReferenceRows:
        """Return the reader that takes the references out of one pipeline's calls."""
        return ReferenceRows(self._projection, scale)

    def run(self, *positional: Any, **keywords: Any) -> Any:
        """Run the UNet. The argument OF_ROWS has the references of each row."""
        rows: list[OfOneRow] = keywords.pop(OF_ROWS)
        with self._giving([row.value for row in rows]):
            return self._unet(*positional, **keywords)

    @contextmanager
    def _giving(self, rows: Sequence[Tokens | None]) -> Iterator[None]:
        alike: dict[object, list[int]] = {}
        for index, row in enumerate(rows):
            if row is not None and row.scale:
                alike.setdefault(index if self._exact else len(row.tokens), []).append(index)
        self.given.groups = [row_group(indices, rows) for indices in alike.values()]
        try:
            yield
        finally:
            self.given.groups = ()

    def _embedded(self, name: str, image: Image.Image) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the embeddings, (1, ...), of a picture and of no picture, from the cache if kept."""
        if name not in self._embeddings:
            hidden = not isinstance(self._projection, ImageProjection)
            self._embeddings[name] = self._encode_image(self, image, self._device, 1, hidden)
        self._embeddings.move_to_end(name)
        found = self._embeddings[name]
        while len(self._embeddings) > self._capacity:
            self._embeddings.popitem(last=False)
        return found


def ip_adapter(config: ModelConfig, family: Family, pipeline: Any, exact: bool) -> IpAdapter | None:
    """Lay the configured IP-Adapter over a pipeline's UNet, and return it. None if none is configured.

    Raises NotReady or ModelUnusable, naming what is wrong with it.
    """
    settings = config.ip_adapter
    if settings is None:
        return None
    shown = f"the IP-Adapter {shown_name(settings.source)}"
    if not family.ip_adapter:
        raise ModelUnusable(f"{shown} cannot be used: {family.title} does not support IP-Adapters")
    with blamed(shown):
        return _laid_over(settings, shown, pipeline, exact)


def _laid_over(settings: IpAdapterConfig, shown: str, pipeline: Any, exact: bool) -> IpAdapter:
    unet, weights = pipeline.unet, _weights(settings.source, shown)
    dtype = denoiser_of(pipeline).dtype
    encoder = read_network(
        CLIPVisionModelWithProjection, settings.image_encoder, "the image encoder", dtype
    ).to(pipeline._execution_device)
    plain = dict(unet.attn_processors)
    unet.set_attn_processor(AttnProcessor2_0())  # diffusers rebuilds the others, and not all allow that.
    try:
        adapted = unet._convert_ip_adapter_attn_to_diffusers([weights], low_cpu_mem_usage=False)
        projection = unet._convert_ip_adapter_image_proj_to_diffusers(
            weights["image_proj"], low_cpu_mem_usage=False
        )
    except KeyError as error:
        raise ModelUnusable(f"{shown} does not fit the model: it lacks {error.args[0]}") from error
    finally:
        unet.set_attn_processor(dict(plain))  # A copy, since the call empties it.
    laid = sum(hasattr(each, "to_k_ip") for each in adapted.values())
    if laid != sum(name.endswith("to_k_ip.weight") for name in weights["ip_adapter"]):
        raise ModelUnusable(f"{shown} does not fit the model: it is for one with other attention layers")
    projection = projection.to(pipeline._execution_device, dtype).requires_grad_(False)
    made = IpAdapter(pipeline, encoder.requires_grad_(False), projection, settings.cached_pictures, exact)
    _try(made, shown)
    where = next(unet.parameters()).device
    for name, processor in adapted.items():
        if hasattr(processor, "to_k_ip"):
            laid_over = ReferenceAttention(plain[name], processor, made.given)
            adapted[name] = laid_over.to(where, dtype).requires_grad_(False)
        else:
            adapted[name] = plain[name]
    unet.set_attn_processor(adapted)
    return made


def _weights(source: str, shown: str) -> dict[str, dict[str, torch.Tensor]]:
    """Return the weights in diffusers' two parts. Raises NotReady or ModelUnusable."""
    file = local_file(source, "the IP-Adapter")
    names = check_single_file(file).names
    if not all(any(name.startswith(kind) for name in names) for kind in KINDS):
        raise ModelUnusable(f"{shown} is not an IP-Adapter")
    if not any(name in names for name in OF_PICTURES):
        raise ModelUnusable(f"{shown} cannot be used: it does not read pictures (adapters for faces do not)")
    weights = safetensors.torch.load_file(file)
    return {
        kind.removesuffix("."): {
            name.removeprefix(kind): weight for name, weight in weights.items() if name.startswith(kind)
        }
        for kind in KINDS
    }


@torch.no_grad()
def _try(made: IpAdapter, shown: str) -> None:
    """Encode a test picture. Raises ModelUnusable if the adapter was trained with another encoder."""
    picture = Image.new("RGB", (64, 64), "gray")
    try:
        (embedded,) = made._encode_image(
            made, picture, made._device, 1, not isinstance(made._projection, ImageProjection)
        )[:1]
        made._projection(embedded)
    except RuntimeError as error:
        message = f"{shown} was not trained with the configured image encoder"
        raise ModelUnusable(message) from error
