from __future__ import annotations

import pytest

from deployments.diffusion.model.weights import MissingShard, choose

UNET = "diffusion_pytorch_model"
PLAIN, FP16, BF16 = (f"{UNET}{variant}.safetensors" for variant in ("", ".fp16", ".bf16"))
MODERN = [f"{UNET}.fp16-0000{number}-of-00002.safetensors" for number in (1, 2)]
LEGACY = [f"{UNET}-0000{number}-of-00002.fp16.safetensors" for number in (1, 2)]
INDEXES = [
    f"{UNET}.safetensors.index.fp16.json",
    f"{UNET}.safetensors.fp16.index.json",
    f"{UNET}.fp16.safetensors.index.json",
]


@pytest.mark.parametrize(
    ("files", "on_cpu", "on_gpu", "in_bfloat16"),
    [
        ([PLAIN], PLAIN, PLAIN, PLAIN),
        ([FP16], FP16, FP16, FP16),
        ([BF16], BF16, BF16, BF16),
        ([PLAIN, FP16], PLAIN, FP16, FP16),
        ([PLAIN, BF16], PLAIN, BF16, BF16),
        ([PLAIN, FP16, BF16], PLAIN, FP16, BF16),
        ([FP16, BF16], FP16, FP16, BF16),
        (
            ["model.fp16.safetensors", "model.safetensors"],
            "model.safetensors",
            *["model.fp16.safetensors"] * 2,
        ),
        ([PLAIN, f"{UNET}.non_ema.safetensors", "openvino_model.safetensors"], PLAIN, PLAIN, PLAIN),
        (["diffusion_pytorch_model.bin", "model.onnx", "model.msgpack", FP16], FP16, FP16, FP16),
    ],
)
def test_the_variant_that_suits_the_precision(
    files: list[str], on_cpu: str, on_gpu: str, in_bfloat16: str
) -> None:
    for precision, expected in {"float32": on_cpu, "float16": on_gpu, "bfloat16": in_bfloat16}.items():
        chosen = choose(["config.json", *files], precision)
        assert chosen is not None and chosen.names == (expected,)


@pytest.mark.parametrize("shards", [MODERN, LEGACY])
@pytest.mark.parametrize("index", [*INDEXES, None])
def test_every_spelling_of_a_variant_in_shards(shards: list[str], index: str | None) -> None:
    chosen = choose([*shards, *([index] if index else [])], "float32")
    assert chosen is not None and chosen.variant == "fp16"
    assert (chosen.names, chosen.index) == (tuple(shards), index)
    for spelled in (MODERN, LEGACY):
        assert chosen.listed(spelled) == tuple(shards), "an index may use the other spelling"


def test_an_index_without_a_file_of_its_variant_counts_for_nothing() -> None:
    chosen = choose([f"{UNET}.safetensors.index.json", *INDEXES[:1], *MODERN], "float32")
    assert chosen is not None and (chosen.variant, chosen.index) == ("fp16", INDEXES[0])


def test_a_shard_that_is_missing_is_named() -> None:
    chosen = choose(MODERN[:1], "float16")
    assert chosen is not None
    with pytest.raises(MissingShard, match=rf"^{UNET}\.fp16-00002-of-00002\.safetensors$"):
        _ = chosen.names
    with pytest.raises(MissingShard, match=rf"^{UNET}-00002-of-00002\.safetensors$"):
        chosen.listed([f"{UNET}-00002-of-00002.safetensors"])


def test_shards_left_over_from_another_save_do_not_matter() -> None:
    chosen = choose([*MODERN, f"{UNET}.fp16-00003-of-00003.safetensors"], "float16")
    assert chosen is not None and chosen.names == tuple(MODERN)


def test_nothing_to_choose() -> None:
    assert choose(["config.json", "diffusion_pytorch_model.bin", "flax_model.msgpack"], "float32") is None
