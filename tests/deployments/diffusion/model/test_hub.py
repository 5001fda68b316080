"""Fetch whole models from a hub: here a folder, served on a local socket."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import pytest
import torch
from diffusers import StableDiffusionPipeline

from deployments.diffusion.model.hub import fetch_index, fetch_model
from deployments.diffusion.model.loader import load
from deployments.diffusion.model.model_config import ModelConfig
from deployments.errors import ModelUnusable, NotReady

NAME = "someone/dragons"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
UNET = "diffusion_pytorch_model"
NEVER = (".bin", ".ckpt", ".onnx", ".msgpack", ".pt", ".py", ".md", ".png")


class Hub(ThreadingHTTPServer):
    """Serve the files under `root` as one repository, called NAME. `fetched`: the downloaded files."""

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.root = root
        self.fetched: list[str] = []
        self.status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def names(self) -> list[str]:
        return sorted(str(file.relative_to(self.root)) for file in self.root.rglob("*") if file.is_file())


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self.response(with_body=False)

    def do_GET(self) -> None:
        self.response(with_body=True)

    def response(self, with_body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        if self.server.status != 200 or NAME not in path:
            self.send_response(404 if self.server.status == 200 else self.server.status)
            self.send_header("X-Error-Code", "RepoNotFound" if self.server.status == 200 else "Broken")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif path.startswith(f"/api/models/{NAME}/tree/"):
            self.send([self.entry(name) for name in self.server.names()], with_body)
        elif path.startswith(f"/api/models/{NAME}"):
            self.send({"id": NAME, "sha": COMMIT, "siblings": self.siblings()}, with_body)
        else:
            self.send_file(path.removeprefix(f"/{NAME}/resolve/").partition("/")[2], with_body)

    def siblings(self) -> list[dict[str, str]]:
        return [{"rfilename": name} for name in self.server.names()]

    def entry(self, name: str) -> dict[str, object]:
        content = (self.server.root / name).read_bytes()
        return {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}  # noqa: S324

    def send(self, content: object, with_body: bool) -> None:
        self.write(json.dumps(content).encode(), with_body, {"Content-Type": "application/json"})

    def send_file(self, name: str, with_body: bool) -> None:
        content = (self.server.root / name).read_bytes()
        if with_body:
            self.server.fetched.append(name)
        etag = hashlib.sha256(content).hexdigest()
        self.write(content, with_body, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT})

    def write(self, content: bytes, with_body: bool, headers: dict[str, str]) -> None:
        self.send_response(200)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def halves(tiny_sd1: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that saves the whole model as a variant."""
    done: dict[str, Path] = {}

    def save(variant: str) -> Path:
        if variant not in done:
            dtype = {"fp16": torch.float16, "bf16": torch.bfloat16}[variant]
            done[variant] = tmp_path_factory.mktemp("halves") / variant
            StableDiffusionPipeline.from_pretrained(tiny_sd1, dtype=dtype).save_pretrained(
                done[variant], variant=variant
            )
        return done[variant]

    return save


@pytest.fixture
def hub(tiny_sd1: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Serve the plain model, with the other files that such repositories contain."""
    root = tmp_path / "repository"
    shutil.copytree(tiny_sd1, root)
    for name in (
        "README.md",
        "v1-5-pruned.ckpt",
        "v1-5-pruned-emaonly.safetensors",
        "picture.png",
        "text_encoder/pytorch_model.bin",
        "text_encoder/flax_model.msgpack",
        "text_encoder/model.onnx",
        f"unet/{UNET}.bin",
        f"unet/{UNET}.non_ema.safetensors",
        "unet/model.onnx",
        "unet/custom.py",
        "vae_decoder/model.onnx",
        "safety_checker/model.safetensors",
        "safety_checker/config.json",
    ):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"not to be fetched")
    served = Hub(root)
    thread = threading.Thread(target=served.serve_forever, args=(0.05,))
    thread.start()
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", served.url)
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
        served.url + "/{repo_id}/resolve/{revision}/{filename}",
    )
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    # The library waits 23 s between attempts if the hub is unreachable.
    monkeypatch.setattr("huggingface_hub.utils._http.time", SimpleNamespace(sleep=lambda seconds: None))
    yield served
    served.shutdown()
    thread.join()
    served.server_close()


def add(hub: Hub, variant: Path, *parts: str) -> None:
    for part in parts or ("unet", "vae", "text_encoder"):
        for file in (variant / part).glob("*.safetensors"):
            shutil.copy(file, hub.root / part)


def weights(hub: Hub) -> set[str]:
    assert not [name for name in hub.fetched if name.endswith(NEVER)]
    return {name for name in hub.fetched if name.endswith(".safetensors")}


def refusal(kind: type[NotReady], **config: str) -> str:
    with pytest.raises(NotReady) as raised:
        load(ModelConfig(**({"source": NAME, "device": "cpu"} | config)))  # type: ignore[arg-type]
    assert type(raised.value) is kind
    return raised.value.message


PLAIN = {f"unet/{UNET}.safetensors", f"vae/{UNET}.safetensors", "text_encoder/model.safetensors"}
HALF = {
    f"unet/{UNET}.fp16.safetensors",
    f"vae/{UNET}.fp16.safetensors",
    "text_encoder/model.fp16.safetensors",
}


def test_a_cpu_fetches_the_plain_weights_alone_and_loads_them(
    hub: Hub, halves: Callable[[str], Path]
) -> None:
    add(hub, halves("fp16"))
    assert load(ModelConfig(NAME, device="cpu")).unet.dtype == torch.float32
    assert weights(hub) == PLAIN
    configs = {
        "model_index.json",
        "unet/config.json",
        "scheduler/scheduler_config.json",
        "tokenizer/tokenizer.json",
    }
    assert configs < set(hub.fetched) and "safety_checker/config.json" not in hub.fetched
    hub.fetched.clear()
    load(ModelConfig(NAME, device="cpu"))
    assert hub.fetched == [], "it is in the cache already"


def test_a_gpu_fetches_the_half_precision_alone(
    hub: Hub, halves: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    add(hub, halves("fp16"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("deployments.diffusion.model.loader.fit", lambda pipeline, config, device: None)
    assert load(ModelConfig(NAME)).unet.dtype == torch.float16
    assert weights(hub) == HALF


@pytest.mark.parametrize(
    ("precision", "there", "fetched"),
    [
        ("float16", [], PLAIN),
        ("bfloat16", [], PLAIN),
        ("bfloat16", ["fp16"], HALF),
        ("bfloat16", ["fp16", "bf16"], {name.replace("fp16", "bf16") for name in HALF}),
        ("float16", ["fp16", "bf16"], HALF),
    ],
)
def test_what_a_precision_fetches(
    hub: Hub, halves: Callable[[str], Path], precision: str, there: list[str], fetched: set[str]
) -> None:
    for variant in there:
        add(hub, halves(variant))
    fetch_model(fetch_index(NAME), NAME, precision)
    assert weights(hub) == fetched


def test_a_variant_of_one_part_alone(hub: Hub, halves: Callable[[str], Path]) -> None:
    add(hub, halves("fp16"), "unet")
    fetch_model(fetch_index(NAME), NAME, "float16")
    assert weights(hub) == (PLAIN - {f"unet/{UNET}.safetensors"}) | {f"unet/{UNET}.fp16.safetensors"}


def test_shards_and_their_index(hub: Hub, tiny_sd1: Path) -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(tiny_sd1, dtype=torch.float16)
    pipeline.unet.save_pretrained(hub.root / "unet", variant="fp16", max_shard_size="60KB")
    (hub.root / f"unet/{UNET}.safetensors").unlink()
    load(ModelConfig(NAME, device="cpu"))
    shards = {name for name in hub.names() if "-of-" in name}
    assert len(shards) > 1 and weights(hub) == (PLAIN - {f"unet/{UNET}.safetensors"}) | shards


def test_pickles_alone_are_not_fetched(hub: Hub) -> None:
    (hub.root / f"unet/{UNET}.safetensors").unlink()
    assert refusal(NotReady) == f"{NAME}/unet has no .safetensors file"
    assert f"unet/{UNET}.bin" not in hub.fetched


def test_another_task_is_refused_before_its_weights_are_fetched(hub: Hub) -> None:
    config = json.loads((hub.root / "unet/config.json").read_text()) | {"in_channels": 9}
    (hub.root / "unet/config.json").write_text(json.dumps(config))
    assert f"{NAME} is for inpainting" in refusal(ModelUnusable)
    assert weights(hub) == set()


def test_another_kind_of_pipeline_is_refused_before_the_rest_is_fetched(hub: Hub) -> None:
    (hub.root / "model_index.json").write_text('{"_class_name": "FluxFillPipeline"}')
    assert "is not a text-to-image model of a supported family (docs/models.md): it is a Flux" in refusal(
        ModelUnusable
    )
    assert hub.fetched == ["model_index.json"]


def test_without_the_hub_what_is_here_is_used(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    load(ModelConfig(NAME, device="cpu"))
    hub.status = 503
    load(ModelConfig(NAME, device="cpu"))
    fetch_model(fetch_index(NAME), NAME, "float16")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    load(ModelConfig(NAME, device="cpu"))


def test_without_the_hub_another_variant_does(hub: Hub, halves: Callable[[str], Path]) -> None:
    add(hub, halves("fp16"))
    fetch_model(fetch_index(NAME), NAME, "float16")
    hub.status = 503
    assert load(ModelConfig(NAME, device="cpu")).unet.dtype == torch.float32
    assert weights(hub) == HALF


def test_a_hub_that_is_away_may_come_back(hub: Hub) -> None:
    hub.status = 503
    why = "the hub cannot be reached, and not all of it is on this machine"
    assert refusal(NotReady) == f"the model {NAME} could not be loaded: {why}"
    hub.status = 200
    load(ModelConfig(NAME, device="cpu"))


def test_a_hub_that_cannot_be_connected(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    assert "the hub cannot be reached" in refusal(NotReady)


def test_offline_is_honoured(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "not all of it is on this machine" in refusal(NotReady)
    assert hub.fetched == []


def test_another_family_is_fetched_whole_once_its_family_is_named(
    hub: Hub, tiny_model: Callable[[str], Path]
) -> None:
    shutil.rmtree(hub.root)
    shutil.copytree(tiny_model("z-image"), hub.root)
    said = refusal(ModelUnusable)
    assert said.startswith(f"the model {NAME} is a ZImagePipeline: set its family to ")
    assert said.endswith(" to z-image-turbo or z-image in the configuration")
    assert not weights(hub)
    pipeline = load(ModelConfig(NAME, device="cpu", family="z-image"))
    assert type(pipeline).__name__ == "ZImagePipeline"
    assert "tokenizer/chat_template.jinja" in hub.fetched


def test_a_model_that_the_hub_has_not(hub: Hub) -> None:
    message = refusal(ModelUnusable, source="someone/else")
    assert message.startswith("the model someone/else could not be loaded: the hub has no such model")


@pytest.mark.parametrize(
    "source", ["/no/such/dragons", "./dragons", "../a/dragons", "here/dragons.safetensors"]
)
def test_a_source_that_is_nothing(hub: Hub, source: str) -> None:
    name = Path(source).name
    assert refusal(NotReady, source=source) == f"the model {name} is neither a local model nor one on the hub"
    assert hub.fetched == []
