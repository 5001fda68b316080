"""Paint a scene with the bundled models, using the classes that a replica runs, without Ray."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path

from deployments.background import Background
from deployments.character import Character
from deployments.diffusion.model.model_config import ModelConfig
from deployments.generator import GeneratorConfig
from deployments.messages import LayerJob, LayerKind, MergeJob, OutputOptions

PROMPTS: dict[LayerKind, str] = {
    "character": "a knight in silver armor with a red cape holding a sword",
    "background": "a castle at sunset",
}
SIZES: dict[LayerKind, tuple[int, int]] = {"character": (384, 512), "background": (512, 384)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--small", action="store_true", help="in a few steps")
    asked = parser.parse_args()
    told: dict[str, object] = {}
    layers = {}
    for kind, replica in (("character", Character), ("background", Background)):
        began = time.perf_counter()
        made = replica(GeneratorConfig(ModelConfig(f"storybook-{kind}")))
        told[f"{kind}_load_s"] = round(time.perf_counter() - began, 2)
        for attempt in ("first", "second"):  # The first allocates memory.
            began = time.perf_counter()
            layers[kind] = asyncio.run(made.paint(_job(kind, 3 if asked.small else 25)))
            told[f"{kind}_{attempt}_s"] = round(time.perf_counter() - began, 3)
        told[f"{kind}_backend"] = layers[kind].backend
        asked.json.write_text(json.dumps(told), encoding="utf-8")
        print(kind, told)
    # Imported last: without OpenCV, the machine at least measures the layers.
    from deployments.merger import Merger

    job = MergeJob(request_id="gpu-day", output=OutputOptions(format="jpeg", quality=95))
    began = time.perf_counter()
    merged = asyncio.run(Merger().merge(job, layers["character"], layers["background"]))
    told["merge_s"] = round(time.perf_counter() - began, 3)
    (asked.out / "scene.jpg").write_bytes(merged.picture.data)
    asked.json.write_text(json.dumps(told), encoding="utf-8")
    print(f"scene.jpg, merged in {told['merge_s']} s")


def _job(kind: LayerKind, steps: int) -> LayerJob:
    width_px, height_px = SIZES[kind]
    return LayerJob(
        request_id="gpu-day",
        kind=kind,
        prompt=PROMPTS[kind],
        num_inference_steps=steps,
        guidance_scale=7.5,
        seed=42,
        width_px=width_px,
        height_px=height_px,
        deadline_at=time.monotonic() + 600,
        plain_backdrop=kind == "character",
        no_store=True,
    )


if __name__ == "__main__":
    main()
