"""LoRAs per picture: with any peers each picture equals stock diffusers' with its LoRAs alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from deployments.diffusion.lora_weights import PictureLora
from deployments.diffusion.model.families import FAMILIES, family_named, family_of
from deployments.diffusion.model.loader import load
from deployments.diffusion.model.lora_layers import layer_changes
from deployments.diffusion.model.model_config import LoraConfig, ModelConfig
from deployments.diffusion.model.pipeline_painter import PipelinePainter
from deployments.diffusion.model.pipeline_painting import PipelinePainting
from deployments.diffusion.painter import PaintRequest
from deployments.diffusion.start_picture import StartPicture
from deployments.errors import InvalidRequest, UnsupportedTask
from deployments.messages import LoraUse
from tests.support.lora_files import TEXT, UNET, pair, write_lora
from tests.support.tiny_families import TINY
from tests.support.trained_loras import save_trained

CLOSE = 2e-5
"""On a scale of 0 to 1. Rounding alone reaches 1.05e-5 with torch's AVX-512; an 8-bit level is 3.9e-3."""
UNETS = ("tiny_sd1", "tiny_sd2", "tiny_sdxl")
FAMILIES_OF_WORDS = (name for name in TINY if family_named(name).from_words)
WITH_LORAS = [*UNETS, *(name for name in FAMILIES_OF_WORDS if family_named(name).takes_loras)]
PLAIN = PaintRequest("a red knight", None, 4, 3.0, 11, 64, 96)
Floats = np.ndarray[Any, Any]
Folder = Callable[[str], Path]
Scales = dict[str, float]


@pytest.fixture
def folder_of(request: pytest.FixtureRequest) -> Folder:
    return lambda name: (
        request.getfixturevalue(name) if name in UNETS else request.getfixturevalue("tiny_model")(name)
    )


def config_of(folder: Path, name: str, **more: Any) -> ModelConfig:
    family = None if name in UNETS else name
    return ModelConfig(
        str(folder), family=family, device="cpu", threads=1, lora_folder=str(loras_of(folder)), **more
    )


def loras_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}-loras")


@cache
def painter_of(folder: Path, name: str, exact: bool = False) -> PipelinePainter:
    """Return a painter with LoRAs 0 and 1, of every layer, and `words`, which changes a text encoder too."""
    pipeline = load(ModelConfig(str(folder), family=None if name in UNETS else name, device="cpu"))
    denoiser = family_of(type(pipeline).__name__).denoiser
    for seed in range(2):
        save_trained(pipeline, denoiser, loras_of(folder) / f"{seed}.safetensors", seed, rank=2 + seed)
    if name in UNETS:
        layer = UNET.replace("down_blocks_0", "down_blocks_1") if name == "tiny_sdxl" else UNET
        width = 64 if name == "tiny_sdxl" else 32
        words = TEXT.replace("lora_te_", "lora_te1_") if name == "tiny_sdxl" else TEXT
        write_lora(loras_of(folder), "words", **pair(layer, width=width, alpha=2), **pair(words, alpha=1))
    made = PipelinePainter(config_of(folder, name, exact=exact, exact_rows=8))
    made.load()
    return made


def read(painter: PipelinePainter, name: str, scale: float) -> PictureLora:
    folder = Path(str(painter._config.lora_folder))
    use = LoraUse(name=name, sha256=sha256((folder / f"{name}.safetensors").read_bytes()).hexdigest())
    use = replace(use, scale=scale)
    return PictureLora(use, painter.read_lora(use))


def request_of(painter: PipelinePainter, scales: Scales, request: PaintRequest = PLAIN) -> PaintRequest:
    return replace(request, loras=tuple(read(painter, name, scale) for name, scale in scales.items()))


def stock(folder: Path, name: str, request: PaintRequest) -> Floats:
    """Load the picture's LoRAs as diffusers documents, and paint it alone."""
    pipeline = load(ModelConfig(str(folder), family=None if name in UNETS else name, device="cpu"))
    for lora in request.loras:
        file = f"{lora.use.name}.safetensors"
        pipeline.load_lora_weights(str(loras_of(folder)), weight_name=file, adapter_name=f"a{lora.use.name}")
    if request.loras:
        names = [f"a{lora.use.name}" for lora in request.loras]
        pipeline.set_adapters(names, adapter_weights=[lora.use.scale for lora in request.loras])
    painter = PipelinePainter(ModelConfig(str(folder), family=None if name in UNETS else name, device="cpu"))
    painter.adopt(pipeline)
    return painted(painter, [replace(request, loras=())])[0]


def painted(
    painter: PipelinePainter, requests: Sequence[PaintRequest], rows: list[int] | None = None
) -> list[Floats]:
    """Begin one picture per step, and step them together. `rows` receives the rows of each forward."""

    def look(network: Any, positional: Any, named: Any) -> None:
        if rows is not None:
            rows.append(len(positional[0] if positional else next(iter(named.values()))))

    hook = painter._denoiser.register_forward_pre_hook(look, with_kwargs=True)
    paintings: list[PipelinePainting] = []
    try:
        waiting = list(requests)
        while waiting or any(painting.done < painting.steps for painting in paintings):
            if waiting:
                paintings.append(painter.begin(waiting.pop(0)))
            under_way = [painting for painting in paintings if painting.done < painting.steps]
            painter.step(under_way)
            assert [painting.fault for painting in under_way] == [None] * len(under_way)
    finally:
        hook.remove()
    for painting in paintings:
        painter.decode([painting])
    return [painting.run.output.images[0] for painting in paintings]


@pytest.mark.parametrize("name", WITH_LORAS)
def test_each_row_has_its_own_loras_or_none(name: str, folder_of: Folder) -> None:
    folder = folder_of(name)
    painter = painter_of(folder, name)
    kinds: list[Scales] = [{}, {"0": 0.7}, {"0": 0.4, "1": -0.5}]
    if name in UNETS:
        kinds += [{"words": 0.8, "0": 0.5}]
    requests = [request_of(painter, scales) for scales in kinds]
    rows: list[int] = []
    pictures = painted(painter, requests, rows)
    for scales, request, picture in zip(kinds, requests, pictures, strict=True):
        difference = np.abs(picture - stock(folder, name, request)).max()
        assert difference < CLOSE, (scales, difference)
    apart = [np.abs(one - pictures[0]).max() for one in pictures[1:]]
    assert min(apart) > 1e-3, "each LoRA changes the picture"
    assert max(rows) > rows[0], "some of them shared a forward"


@pytest.mark.filterwarnings("ignore:The following alpha_pattern keys")  # peft about diffusers' input.
def test_ranks_and_alphas_of_each_layers_own(tiny_sd1: Path) -> None:
    from safetensors.torch import load_file, save_file

    painter, folder = painter_of(tiny_sd1, "tiny_sd1"), loras_of(tiny_sd1)
    tensors: dict[str, torch.Tensor] = {}
    for number, seed in enumerate((0, 1)):  # Two ranks, in alternate layers.
        each = load_file(folder / f"{seed}.safetensors")
        layers = sorted({name.partition(".lora_")[0] for name in each})[number::2]
        tensors |= {name: value for name, value in each.items() if name.partition(".lora_")[0] in layers}
    tensors |= {
        f"{name.partition('.lora_')[0]}.alpha": torch.tensor(float(1 + len(name) % 3))
        for name in tensors
        if name.endswith("lora_A.weight")
    }
    kohya = {
        name.replace(".lora_A.", ".lora_down.").replace(".lora_B.", ".lora_up."): value
        for name, value in tensors.items()
    }
    renamed = {
        f"lora_unet_{name.removeprefix('unet.').partition(part)[0].replace('.', '_')}{part}{end}": value
        for name, value in kohya.items()
        for part, end in [(".lora_" if ".lora_" in name else ".alpha", name.partition(".lora_")[2])]
    }
    save_file(renamed, folder / "mixed.safetensors")
    request = request_of(painter, {"mixed": 0.9})
    changed = painted(painter, [request])[0]
    assert np.abs(changed - stock(tiny_sd1, "tiny_sd1", request)).max() < CLOSE
    assert np.abs(changed - painted(painter, [PLAIN])[0]).max() > 1e-3
    changes = request.loras[0].weights.networks["unet"].values()
    assert {len(change.down) for change in changes} == {2, 3}
    assert len({change.scale for change in changes}) > 2


@pytest.mark.filterwarnings("ignore:Adapter 'default'. 16 LoRA tensor")  # It mistakes biases for shards.
def test_one_of_another_scaling_and_with_biases(tiny_sd1: Path) -> None:
    from peft import LoraConfig as Trained
    from peft.utils import get_peft_model_state_dict

    painter = painter_of(tiny_sd1, "tiny_sd1")
    pipeline = load(ModelConfig(str(tiny_sd1), device="cpu"))
    torch.manual_seed(4)
    trained = Trained(
        r=4, lora_alpha=6, use_rslora=True, lora_bias=True, target_modules=["to_out.0", "conv1"]
    )
    trained.init_lora_weights = False
    pipeline.unet.add_adapter(trained)
    pipeline.save_lora_weights(
        loras_of(tiny_sd1),
        unet_lora_layers=get_peft_model_state_dict(pipeline.unet),
        weight_name="biased.safetensors",
        unet_lora_adapter_metadata=trained.to_dict(),
    )
    request = request_of(painter, {"biased": 0.3})
    changed = painted(painter, [request])[0]
    assert np.abs(changed - stock(tiny_sd1, "tiny_sd1", request)).max() < CLOSE
    assert {change.scale for change in request.loras[0].weights.networks["unet"].values()} == {3.0}


def test_eight_loras_share_one_forward(tiny_sd1: Path) -> None:
    painter = painter_of(tiny_sd1, "tiny_sd1")
    for seed in range(8):
        write_lora(loras_of(tiny_sd1), f"style {seed}", seed)
    requests = [request_of(painter, {f"style {seed}": 0.1 * (seed + 1)}) for seed in range(8)]
    paintings, rows = [painter.begin(request) for request in requests], list[int]()
    hook = painter._denoiser.register_forward_pre_hook(lambda network, given: rows.append(len(given[0])))
    while paintings[0].done < paintings[0].steps:
        painter.step(paintings)
    hook.remove()
    assert set(rows) == {16}, "two rows for each of the eight"
    painter.decode(paintings)
    for request, painting in zip(requests, paintings, strict=True):
        alone = painted(painter, [request])[0]
        assert np.abs(painting.run.output.images[0] - alone).max() < CLOSE


@pytest.mark.parametrize("name", ["tiny_sd1", "tiny_sdxl", "flux-dev", "z-image"])
def test_exactly_not_one_bit_depends_on_the_peers(name: str, folder_of: Folder) -> None:
    painter = painter_of(folder_of(name), name, exact=True)
    one = request_of(painter, {"0": 0.8, "1": 0.3})
    alone = painted(painter, [one])[0]
    others = [request_of(painter, {"0": 0.8}), one, PLAIN, one]
    company = painted(painter, [replace(other, seed=seed) for seed, other in enumerate(others)] + [one])[-1]
    assert (alone == company).all()
    plain = painted(painter, [PLAIN])[0]
    assert (painted(painter, [one, PLAIN, one])[1] == plain).all(), "the same holds without LoRAs"


def test_image_to_image_and_inpainting_have_them_too(tiny_sd1: Path) -> None:
    painter = painter_of(tiny_sd1, "tiny_sd1")
    tints = np.random.default_rng(3).integers(0, 255, (96, 64, 3)).astype(np.uint8)
    start = StartPicture(name="tints", strength=0.8, pixels=tints)
    left = np.tile(np.arange(64) < 32, (96, 1))
    for begin in (start, replace(start, mask_name="left", mask=left)):
        request = replace(PLAIN, start=begin)
        with_one = request_of(painter, {"words": 1.0}, request)
        plain, changed, again = painted(painter, [request, with_one, request])
        assert np.abs(plain - again).max() < CLOSE < 1e-3 < np.abs(plain - changed).max()
        assert np.abs(changed - painted(painter, [with_one])[0]).max() < CLOSE


def test_the_models_own_lora_stays_below_those_of_pictures(tiny_sd1: Path) -> None:
    painter_of(tiny_sd1, "tiny_sd1")
    own = LoraConfig(str(loras_of(tiny_sd1) / "1.safetensors"), 0.6)
    painter = PipelinePainter(replace(config_of(tiny_sd1, "tiny_sd1"), lora=(own,)))
    painter.load()
    one, plain = painted(painter, [request_of(painter, {"0": 0.8}), PLAIN])
    both = request_of(painter, {"1": 0.6, "0": 0.8})
    assert np.abs(one - stock(tiny_sd1, "tiny_sd1", both)).max() < CLOSE
    below = replace(both, loras=both.loras[:1])
    assert np.abs(plain - stock(tiny_sd1, "tiny_sd1", below)).max() < CLOSE


def test_a_model_that_was_unloaded_reads_and_uses_them_again(tiny_sd1: Path) -> None:
    painter = PipelinePainter(config_of(tiny_sd1, "tiny_sd1"))
    painter_of(tiny_sd1, "tiny_sd1")
    painter.load()
    before = painted(painter, [request_of(painter, {"words": 1.0})])[0]
    painter.unload()
    request = request_of(painter, {"words": 1.0})  # While no model is loaded.
    painter.load()
    assert np.abs(painted(painter, [request])[0] - before).max() < CLOSE


@pytest.mark.parametrize("type_", [torch.float16, torch.bfloat16, torch.float32])
def test_a_file_in_another_precision_is_read_into_the_models(tiny_sd1: Path, type_: torch.dtype) -> None:
    from safetensors.torch import load_file, save_file

    painter = painter_of(tiny_sd1, "tiny_sd1")
    folder = loras_of(tiny_sd1)
    tensors = load_file(folder / "0.safetensors")
    save_file({name: value.to(type_) for name, value in tensors.items()}, folder / "half.safetensors")
    request = request_of(painter, {"half": 1.0})
    weights = request.loras[0].weights
    changes = [change for layers in weights.networks.values() for change in layers.values()]
    assert {change.down.dtype for change in changes} == {torch.float32}
    assert weights.size_bytes == 4 * sum(value.numel() for value in tensors.values())
    assert np.abs(painted(painter, [request])[0] - stock(tiny_sd1, "tiny_sd1", request)).max() < CLOSE


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        (pair(UNET, width=48), "does not fit tiny-sd1: its weight"),
        (pair("lora_unet_down_blocks_7_attentions_0_proj_in"), "does not fit tiny-sd1"),
        (pair(UNET) | {f"{UNET}.dora_scale": np.zeros(4, np.float32)}, "it is a DoRA"),
        (pair("lora_te2_text_model_encoder_layers_0_self_attn_q_proj"), "is for Stable Diffusion XL"),
        (
            {name: np.full_like(value, np.nan) for name, value in pair(UNET).items()},
            "its weights are not all finite",
        ),
    ],
)
def test_one_that_does_not_fit_is_refused_and_leaves_no_trace(
    tensors: dict[str, Any], said: str, tiny_sd1: Path
) -> None:
    painter = painter_of(tiny_sd1, "tiny_sd1")
    before = painted(painter, [PLAIN])[0]
    write_lora(loras_of(tiny_sd1), "misfit", **tensors)
    with pytest.raises(InvalidRequest, match=said) as raised:
        read(painter, "misfit", 1.0)
    assert str(tiny_sd1.parent) not in raised.value.message
    assert (painted(painter, [PLAIN])[0] == before).all()


def test_one_that_enlarges_a_layer_is_refused_and_leaves_it_as_it_was(folder_of: Folder) -> None:
    folder = folder_of("flux-dev")
    painter = painter_of(folder, "flux-dev")
    outputs, inputs = painter._denoiser.x_embedder.weight.shape
    for name, width in (("wide", 2 * inputs), ("fitting", inputs)):
        down, up = (np.ones(shape, np.float32) for shape in ((2, width), (outputs, 2)))
        layer = "transformer.x_embedder"
        tensors: dict[str, Any] = {f"{layer}.lora_A.weight": down, f"{layer}.lora_B.weight": up}
        write_lora(loras_of(folder), name, **tensors)
    with pytest.raises(InvalidRequest, match="it makes x_embedder larger"):
        read(painter, "wide", 1.0)
    assert read(painter, "fitting", 1.0).weights.networks["transformer"].keys() == {"x_embedder"}


def test_one_whose_file_is_overwritten_while_it_is_held_stays_as_it_was(tiny_sd1: Path) -> None:
    painter = painter_of(tiny_sd1, "tiny_sd1")
    file = write_lora(loras_of(tiny_sd1), "held", 3)
    held = read(painter, "held", 1.0).weights.networks["unet"]
    before = {name: change.down.clone() for name, change in held.items()}
    with file.open("r+b") as stream:  # In place, as cp does.
        stream.seek(-2_000, 2)
        stream.write(bytes(2_000))
    assert all((change.down == before[name]).all() for name, change in held.items())
    file.unlink()


@pytest.mark.parametrize("rank", [0, 3])
def test_a_rank_that_no_layer_can_have(rank: int) -> None:
    from peft import LoraConfig as Trained

    network = torch.nn.Sequential(torch.nn.Conv2d(4, 4, 1, groups=2))
    tensors = {
        "0.lora_A.weight": torch.ones(rank, 4, 1, 1),
        "0.lora_B.weight": torch.ones(4, rank // 2, 1, 1),
    }
    config = Trained(r=2)
    config.r = rank
    with pytest.raises(ValueError, match="its rank for 0"):
        layer_changes(network, config, tensors)


def test_one_that_is_gone_or_replaced(tiny_sd1: Path) -> None:
    painter = painter_of(tiny_sd1, "tiny_sd1")
    for use in (LoraUse(name="nowhere", sha256="1"), LoraUse(name="0", sha256="1")):
        for act in (painter.lora_size, painter.read_lora):
            with pytest.raises(InvalidRequest, match="was removed or replaced"):
                act(use)


def test_a_model_without_a_folder_takes_none(tiny_sd1: Path) -> None:
    painter = PipelinePainter(ModelConfig(str(tiny_sd1), device="cpu"))
    painter.load()
    for act in (painter.lora_size, painter.read_lora):
        with pytest.raises(UnsupportedTask, match="does not support LoRAs"):
            act(LoraUse(name="0", sha256="1"))


def test_the_table_knows_which_families_have_loras() -> None:
    import diffusers

    for family in FAMILIES:
        kind = getattr(diffusers, family.pipelines[0])
        assert family.takes_loras == hasattr(kind, "load_lora_weights"), family.name
        if family.takes_loras:
            assert family.denoiser in kind._lora_loadable_modules
