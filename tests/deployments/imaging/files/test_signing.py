"""C2PA, with a certificate that the test makes; skipped if the `c2pa` extra is not installed."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deployments.imaging.files.signing import PictureSigner, SigningConfig
from deployments.merger import Merger, MergerConfig
from deployments.messages import (
    FigureOptions,
    LayerKind,
    LayerResult,
    LayerTimings,
    LoraUse,
    MergeJob,
    MergeMode,
    MergeOptions,
    OutputOptions,
    PictureFormat,
    Recipe,
    UploadJob,
)

c2pa = pytest.importorskip("c2pa")
x509 = pytest.importorskip("cryptography.x509")
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402

NOW = datetime.datetime.now(datetime.UTC)


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory) -> SigningConfig:
    """Return a leaf that may sign claims, from our own authority: C2PA accepts no self-signed leaf."""
    folder = tmp_path_factory.mktemp("keys")
    authority_key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("Authority", authority_key, "Authority", authority_key)
    leaf = _certificate("Leaf", leaf_key, "Authority", authority_key)
    pem = serialization.Encoding.PEM
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(leaf.public_bytes(pem) + authority.public_bytes(pem))
    plain = serialization.NoEncryption()
    key.write_bytes(leaf_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return SigningConfig(str(chain), str(key))


def _certificate(subject: str, key: Any, issuer: str, issuer_key: Any) -> Any:
    is_authority = subject == issuer
    names = [
        x509.Name(
            [
                x509.NameAttribute(x509.NameOID.COMMON_NAME, name),
                x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Scenewright tests"),
            ]
        )
        for name in (subject, issuer)
    ]
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    ) | {"digital_signature": not is_authority, "key_cert_sign": is_authority}
    authority_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(names[0])
        .issuer_name(names[1])
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(days=1))
        .not_valid_after(NOW + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(authority_id, critical=False)
    )
    if not is_authority:
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False
        )
    return builder.sign(issuer_key, hashes.SHA256())


def layer(kind: LayerKind) -> LayerResult:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    return LayerResult(kind, pixels, 1, "model", "diffusers", LayerTimings(0, 0, 0, 0))


@pytest.mark.parametrize("picture_format", ["jpeg", "png", "webp"])
async def test_a_signed_scene_names_both_layers(
    signing: SigningConfig, picture_format: PictureFormat
) -> None:
    job = MergeJob("r", output=OutputOptions(picture_format))
    layers = layer("character"), layer("background")
    signed = await Merger(MergerConfig(signing=signing)).merge(job, *layers)
    plain = await Merger().merge(job, *layers)
    pictures = [Image.open(BytesIO(merged.picture.data)) for merged in (signed, plain)]
    assert pictures[0].tobytes() == pictures[1].tobytes()

    with c2pa.Reader(f"image/{picture_format}", BytesIO(signed.picture.data)) as reader:
        report = json.loads(reader.json())
    manifest = report["manifests"][report["active_manifest"]]
    assert {(part["title"], part["relationship"]) for part in manifest["ingredients"]} == {
        ("character", "componentOf"),
        ("background", "componentOf"),
    }
    assertions = {assertion["label"]: assertion["data"] for assertion in manifest["assertions"]}
    made, *placed = assertions["c2pa.actions.v2"]["actions"]
    assert made["action"] == "c2pa.created"
    assert made["digitalSourceType"].endswith("/trainedAlgorithmicMedia")
    assert [action["action"] for action in placed] == ["c2pa.placed", "c2pa.placed"]
    # The authority is our own, so it is not trusted; everything else about the file must be valid.
    faults = {status["code"] for status in report.get("validation_status", [])}
    assert faults <= {"signingCredential.untrusted"}


async def test_a_signed_scene_names_every_figure(signing: SigningConfig) -> None:
    job = MergeJob("r", figures=(FigureOptions(),) * 3)
    characters = [layer("character")] * 3
    signed = await Merger(MergerConfig(signing=signing)).merge_group(job, layer("background"), *characters)
    with c2pa.Reader("image/jpeg", BytesIO(signed.picture.data)) as reader:
        report = json.loads(reader.json())
    manifest = report["manifests"][report["active_manifest"]]
    names = {part["title"] for part in manifest["ingredients"]}
    assert names == {"character-0", "character-1", "character-2", "background"}


async def test_a_signed_scene_names_what_its_layers_started_from(signing: SigningConfig) -> None:
    image, mask = "1f" * 32, "2e" * 32
    loras = (LoraUse(name="ink", sha256="3d" * 32), LoraUse(name="wash", sha256="4c" * 32, scale=0.5))
    recipe = Recipe("a", "", 4, 7.5, image=image, strength=0.6)
    varied = replace(layer("character"), recipe=replace(recipe, loras=loras))
    repainted = replace(layer("background"), recipe=replace(recipe, mask=mask))
    signed = await Merger(MergerConfig(signing=signing)).merge(MergeJob("r"), varied, repainted)
    with c2pa.Reader("image/jpeg", BytesIO(signed.picture.data)) as reader:
        report = json.loads(reader.json())
    manifest = report["manifests"][report["active_manifest"]]
    named = {part["title"]: (part["relationship"], part["instance_id"]) for part in manifest["ingredients"]}
    assert named == {
        "character": ("componentOf", "character"),
        "background": ("componentOf", "background"),
        "character image": ("inputTo", f"sha256:{image}"),
        "background image": ("inputTo", f"sha256:{image}"),
        "background mask": ("inputTo", f"sha256:{mask}"),
        "character LoRA ink": ("inputTo", f"sha256:{'3d' * 32}"),
        "character LoRA wash": ("inputTo", f"sha256:{'4c' * 32}"),
    }
    made = manifest["assertions"][0]["data"]["actions"][0]
    assert len(made["parameters"]["ingredients"]) == 5
    assert made["digitalSourceType"].endswith("/compositeWithTrainedAlgorithmicMedia")
    faults = {status["code"] for status in report.get("validation_status", [])}
    assert faults <= {"signingCredential.untrusted"}


async def test_a_picture_changed_after_signing_is_found_out(signing: SigningConfig) -> None:
    signed = await Merger(MergerConfig(signing=signing)).encode(OutputOptions("jpeg"), layer("character"))
    data = bytearray(signed.data)
    data[-20] ^= 1
    with c2pa.Reader("image/jpeg", BytesIO(bytes(data))) as reader:
        faults = {status["code"] for status in json.loads(reader.json())["validation_status"]}
    assert "assertion.dataHash.mismatch" in faults


def test_a_key_that_is_not_there_or_does_not_work_is_reported_at_the_start(
    signing: SigningConfig, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        PictureSigner(SigningConfig(str(tmp_path / "none.pem"), signing.key))
    (tmp_path / "key.pem").write_text("no key")
    with pytest.raises(ValueError, match="do not work"):
        PictureSigner(SigningConfig(signing.certificate, str(tmp_path / "key.pem")))


@pytest.mark.parametrize("mode", ["auto", "paste"])
async def test_signed_layers_give_their_scene_again(signing: SigningConfig, mode: MergeMode) -> None:
    merger = Merger(MergerConfig(signing=signing))
    options = MergeOptions(mode, "left", 128, 64, harmonize=1.0, contrast=1.2)
    job = MergeJob("r", options, OutputOptions("png"), layers=True)
    scene = await merger.merge(job, layer("character"), layer("background"))
    files = scene.layers["character"].data, scene.layers["background"].data
    upload = UploadJob(MergeJob("r", output=OutputOptions("png")), *files, max_pixels=1 << 20)
    again = await merger.merge_files(upload)
    assert (again.mode, again.box, again.confidence) == (scene.mode, scene.box, scene.confidence)
    pictures = [Image.open(BytesIO(merged.picture.data)) for merged in (again, scene)]
    assert pictures[0].tobytes() == pictures[1].tobytes()
