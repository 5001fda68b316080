"""Give the meaning of each key of a layer: its models, how they are loaded, its defaults."""

from __future__ import annotations

LAYERS: dict[str, dict[str, str]] = {
    "LayerSettings": {
        "generator": "The model, and how it is run. Not required where `models` lists one.",
        "replicas": "Ray Serve's options of the deployment.",
        "defaults": "Values for requests that leave them out.",
        "models": "More models of the layer, each with `generator`, `replicas` and `defaults` of its own and a"
        " deployment of its own ([Models](models.md#several-models-for-a-layer)). Without a `generator` beside them the"
        " first of them is the layer's default.",
    },
    "ModelSettings": {
        "generator": "The model, and how it is run.",
        "replicas": "Ray Serve's options of the deployment.",
        "defaults": "Values for requests that leave them out.",
    },
    "GeneratorConfig": {
        "model": "The model, and how it fits its device.",
        "backend": "`simulated` paints plain figures without a model, and says so in each.",
        "simulated": "How long the simulated backend takes. Only with `backend: simulated`.",
        "quality_terms": "Whether descriptions are wrapped in Stable Diffusion's quality terms, with its negative"
        " prompt. null: only for Stable Diffusion 1, 2 and XL.",
        "generation": "How requests share the model, and what happens to a bad picture.",
    },
    "ModelConfig": {
        "source": "A diffusers folder, a single .safetensors file, or a hub id.",
        "family": "The family of the model (docs/models.md). null: read from the model's folder or known by its id.",
        "lora": "LoRA files laid over the model, for all its pictures.",
        "device": "`auto`: CUDA where there is a GPU.",
        "dtype": "`auto`: half precision on a GPU, float32 on a CPU.",
        "component_dtypes": "A precision for one part of the model, as in `{vae: float32}`.",
        "xformers": "Use xformers' attention. Needs the `gpu` extra.",
        "attention_slicing": "Compute attention in slices: less memory, more time.",
        "vae_slicing": "Decode one picture at a time.",
        "vae_tiling": "Decode one tile of a picture at a time.",
        "offload": "Move parts of the model to the GPU when they are needed: `model` one network at a time,"
        " `sequential` one layer at a time, which needs the least memory and takes longest.",
        "quantization": "Keep networks in fewer bits. null: as the model is.",
        "lazy_load": "Unload after the warm-up picture, and load again at the first request.",
        "unload_after_idle_s": "Unload the model after so long without a request. null: never.",
        "threads": "Threads of torch on a CPU. null: torch's own choice.",
        "exact": "Make each picture bitwise the same whatever shares its forward.",
        "exact_rows": "Rows that every forward is filled up to with `exact`.",
        "compile": "`true`: compile the denoiser before the replica is ready, which takes minutes. `auto`: compile it in a process"
        " beside the painting, and use each forward as soon as it is compiled; needs `device: cpu` ([the engine](engine.md#what-makes-it-fast)).",
        "prompt_cache": "Encoded prompts that are kept.",
        "painter": "`pipeline` runs any pipeline of diffusers unmodified, and every task of its family. `denoiser` paints"
        " Stable Diffusion 1, 2 and XL from words alone. `auto`: `pipeline`.",
        "preview_vae": "A small VAE that draws previews, as a folder or hub id. null: the one in the model's folder"
        " `preview_vae`, or a linear map.",
        "ip_adapter": "An IP-Adapter, which paints by reference pictures: Stable Diffusion 1, 2 and XL. null: none.",
        "pose_controlnet": "A ControlNet for poses, as a folder or hub id: Stable Diffusion 1, 2 and XL. null: none.",
        "lora_folder": "A folder of .safetensors files that requests may name in `loras`, each for its picture alone"
        " ([LoRAs](guides/lora.md)). Every node of the model's replicas needs it at this path. null: none.",
        "lora_budget_bytes": "Memory of each replica for the LoRAs of `lora_folder` that it holds. Those not used for"
        " longest make room.",
    },
    "IpAdapterConfig": {
        "source": "Its .safetensors file, or the path of one on the hub:"
        " `h94/IP-Adapter/models/ip-adapter_sd15.safetensors`.",
        "image_encoder": "The folder of the CLIP vision model that it was trained with, here or on the hub:"
        " `h94/IP-Adapter/models/image_encoder`.",
        "cached_pictures": "Reference pictures whose embeddings are kept.",
    },
    "LoraConfig": {
        "source": "A .safetensors file, or a folder of one.",
        "scale": "How strongly it is applied.",
    },
    "QuantizationConfig": {
        "backend": "diffusers' name of the backend. Its Python package must be installed.",
        "options": "Arguments of the backend's configuration class.",
        "components": "Networks that are quantized. Empty: the denoiser alone.",
    },
    "SimulatedConfig": {
        "load_s": "Seconds that loading takes.",
        "encode_s": "Seconds that encoding a prompt takes.",
        "step_s": "Seconds of one step of one guided picture alone.",
        "decode_s": "Seconds that decoding takes.",
        "shared_step_ratio": "What each further picture in the same forward adds, as a part of `step_s`.",
        "native_size": "Width and height of the simulated model in pixels.",
    },
    "GenerationConfig": {
        "max_attempts": "How often a bad picture is painted, in all.",
        "reduced_steps": "Steps after the device ran out of memory.",
        "reduced_guidance_scale": "Guidance after the device ran out of memory.",
        "warm_up_steps": "Steps of the picture that makes a replica ready.",
        "max_rows": "The most rows in one forward. A guided picture has two.",
        "calibration_s": "How long forwards of several rows are timed at the start.",
        "stretch": "A request may take so many times as long as alone before it goes first.",
        "max_jobs": "Requests that a replica holds. Beyond it: 429 `overloaded`.",
        "wedged_after_s": "A step that takes longer makes the replica unhealthy.",
        "result_cache_bytes": "Memory for finished layers, which serve equal requests. 0: none are kept.",
    },
    "LayerDefaults": {
        "num_inference_steps": "Steps. null: what suits the model.",
        "guidance_scale": "Guidance. null: what suits the model.",
        "width": "Width in pixels. null: what suits the model.",
        "height": "Height in pixels. null: what suits the model.",
    },
}
