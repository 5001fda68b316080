"""Give the meaning of each key of the configuration, by the model that declares it."""

from __future__ import annotations

REPLICAS = {
    "num_replicas": "How many replicas run. `autoscaling` takes its place.",
    "num_cpus": "Processors that Ray reserves for each replica. 0 reserves none.",
    "num_gpus": "GPUs that each replica gets for itself. A fraction lets replicas share one.",
    "memory_bytes": "Memory that Ray reserves for each replica. null reserves none.",
    "resources": "Custom Ray resources that each replica reserves, by name.",
    "labels": 'Labels of the nodes that replicas may run on: `{accelerator: gpu}`, or `"!gpu"` for all others.',
    "max_ongoing_requests": "Requests that a replica works on at once.",
    "max_queued_requests": "Requests that may wait for a replica in each caller. Beyond it: 429 `overloaded`.",
    "surge_percent": "How many more replicas an upgrade may start, in percent. With 0 old replicas stop first.",
    "autoscaling": "Ray Serve's `autoscaling_config`: `min_replicas`, `max_replicas`, and the rest of its keys.",
}

MEANINGS: dict[str, dict[str, str]] = {
    "ServiceConfig": {
        "character": "The layer of figures: its model, its replicas, its defaults.",
        "background": "The layer of places.",
        "merger": "The deployment that cuts figures out and sets them into the place.",
        "ingress": "The HTTP deployment.",
        "worker": "The deployment that works jobs off.",
        "merge": "Defaults of a scene's merge.",
        "provenance": "What is written into picture files about how they were made.",
        "matting": "A network that cuts figures out where the backdrop is not plain. null: none.",
        "consistency": "How figures of the cast are compared with their references.",
        "signing": "The certificate that signs pictures by C2PA. null: pictures are not signed.",
        "safety": "What is refused or flagged for its content ([Moderation](moderation.md)).",
        "limits": "Limits of requests.",
        "jobs": "Where jobs are kept, and how they are worked off.",
        "books": "What books are set in, and how many are made at once.",
        "pictures": "How many uploaded pictures are kept, and for how long. They lie where the jobs' pictures do.",
        "cast": "How many members of the cast are kept. Their pictures are uploaded ones.",
        "results": "How long links to results last. The pictures lie where the jobs' pictures do.",
        "webhooks": "Where webhooks may be sent.",
        "logs": "What is logged, and in which form.",
        "tracing": "Where traces are sent.",
        "authentication": "`required`: every request needs a key. `off`: none does. null: required, unless"
        " `scenewright serve` itself listens on loopback.",
        "allowed_hosts": "Names and addresses by which the service may be reached, without ports. Where no key is"
        " needed, loopback names are allowed besides. `*` allows every name.",
        "allowed_origins": "Origins of pages that may use the service from another address, such as"
        " `https://game.example` ([Browsers](guides/browsers.md)). Empty: none.",
        "price_per_device_hour": "What an hour of a device costs, in any currency: `GET /v1/usage` then has `cost`."
        " null: no cost is reported.",
        "state_dir": "The folder of jobs, pictures, keys and logs.",
    },
    "SafetyConfig": {
        "mode": "Whether pictures are judged, those that are painted or merged and those that are uploaded. `flag`: answers"
        " say what was found. `refuse`: what is over the threshold is 422 `content_refused`.",
        "threshold": "The score from which a picture is flagged.",
        "picture_check": "A callable of your own in place of open_nsfw, `package.module:name`, which takes (h, w, 3) RGB"
        " and returns a score from 0 to 1.",
        "blocked_words": "Words that no prompt may have, whatever the mode: whole words, without case and accents.",
        "text_check": "A callable of your own, `package.module:name`, which takes a prompt and the tenant's name and"
        " returns None, or why it is refused.",
    },
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
        "compile": "Compile the denoiser before the replica is ready. Takes minutes.",
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
        "result_cache_bytes": "Memory for finished layers, which answer equal requests. 0: none are kept.",
    },
    "LayerDefaults": {
        "num_inference_steps": "Steps. null: what suits the model.",
        "guidance_scale": "Guidance. null: what suits the model.",
        "width": "Width in pixels. null: what suits the model.",
        "height": "Height in pixels. null: what suits the model.",
    },
    "GeneratorReplicaOptions": {
        "must_load": "Whether a replica whose model does not load does not start. Otherwise it starts, gets no"
        " requests and tries again. null: true with `surge_percent` above 0.",
    },
    "CpuReplicaOptions": {},
    "IngressOptions": {
        "haproxy": "Whether HAProxy listens instead of Ray Serve's own proxies (docs/cluster.md)."
        " RAY_SERVE_ENABLE_HA_PROXY overrides it.",
    },
    "MergerOptions": {
        "at_once": "Merges that a replica runs at once. Others wait, by tenant.",
        "work_bytes": "Memory for all merges that run at once. null: 700 MB, or what the largest allowed merge needs.",
    },
    "MergeDefaults": {
        "mode": "`auto`: cut out, else paste. `cutout`: refuse a poor cut-out. `paste`: the plain paste.",
        "position": "Where the figure stands.",
        "width": "Width of the picture in pixels.",
        "height": "Height of the picture in pixels.",
        "quality": "JPEG and WebP quality, of a layer alone too.",
        "background_size": "`frame`: a background without a size is painted in the frame's shape."
        " `default`: in its layer's default size.",
    },
    "ProvenanceConfig": {
        "embed": "Write the recipe and the source type into files.",
        "prompts": "Write the prompts too.",
    },
    "MattingConfig": {
        "model": "A name of snipbg's list, or an ONNX file of your own.",
        "sha256": "The SHA-256 of your own file.",
        "input_px": "The side of the square that your own network takes.",
    },
    "SigningConfig": {
        "certificate": "A PEM file of the whole chain, leaf first.",
        "key": "A PEM file of the leaf's private key, PKCS #8.",
        "algorithm": "The signature's algorithm.",
    },
    "Limits": {
        "max_image_size": "The longest side of a layer in pixels.",
        "max_frame_size": "The longest side of a merged picture. null: as `max_image_size`.",
        "max_upscaled_size": "The longest side of a picture that `output.upscale` makes larger for print.",
        "min_image_size": "The shortest side in pixels.",
        "max_steps": "Steps of a layer.",
        "max_guidance": "Guidance scale of a layer.",
        "max_prompt_chars": "Characters of a prompt.",
        "max_json_bytes": "Size of a JSON body.",
        "max_json_values": "Values in a JSON body: commas and opening brackets are counted.",
        "max_inline_bytes": "Picture files inside of one JSON body, in base64, all together. They do not count "
        "in `max_json_bytes`; the whole body is at most `max_upload_bytes` long.",
        "max_upload_bytes": "Size of an uploaded file.",
        "max_upload_pixels": "Pixels of an uploaded picture.",
        "max_deadline_s": "The longest `deadline_s`.",
        "max_bytes_in_flight": "Request bodies that one ingress replica holds, in all. A tenant may have half of it."
        " null: 128 MiB, or four of the largest body.",
        "body_timeout_s": "How long a body may take to arrive. Beyond it: 408.",
        "max_streams": "Event streams of jobs that one ingress replica holds open.",
        "max_streams_per_tenant": "Those of one tenant.",
    },
    "BookConfig": {
        "fonts": "Files of fonts, or folders of them, that books are set in beside the bundled ones. They come"
        " before the open fonts that are found on the machine.",
        "max_making": "Books that one ingress replica makes at once. Of one tenant it makes one less.",
    },
    "PictureConfig": {
        "max_kept": "Uploaded pictures that one tenant keeps at once.",
        "retention_s": "Seconds that a picture is kept after its last upload. What waits for it keeps it longer.",
    },
    "CastConfig": {
        "max_members": "Members of the cast that one tenant keeps at once.",
    },
    "ConsistencyConfig": {
        "embedder": "The folder of a vision network, such as CLIP or DINO, in transformers' form. null: figures are"
        " compared by their colours and silhouettes alone.",
        "unlike_cosine": "The cosine of its embeddings that counts as 0: about 0.6 for CLIP, 0 for DINO.",
    },
    "JobConfig": {
        "database": "SQLAlchemy's URL of PostgreSQL or of a SQLite file. null: a SQLite file in the state folder.",
        "pictures": "A folder or a URL that fsspec knows, such as `s3://bucket/folder`. null: a folder in the state"
        " folder.",
        "concurrency": "Scenes that a worker paints at once.",
        "lease_s": "A worker that has not renewed its scenes for so long loses them to another.",
        "poll_s": "How often a worker looks for new scenes.",
        "max_attempts": "How often a scene that failed is tried, in all.",
        "max_losses": "How often a scene may lose its worker before it fails.",
        "max_repaints": "How often a scene whose kept picture is damaged is painted again.",
        "max_waiting_scenes": "Scenes of one tenant that may wait.",
        "max_json_bytes": "Size of a job's body.",
        "max_json_values": "Values in a job's body.",
        "min_free_bytes": "New jobs are refused while the disk has less than this free: 507.",
        "max_stored_bytes": "Bytes that one tenant's jobs may keep.",
        "max_stored_scenes": "Scenes of jobs, and uploaded pictures, that one tenant may keep.",
        "retention_s": "How long a job is kept after it has ended.",
        "ended_keys": "What happens to waiting scenes of a key that was revoked or has expired: `hold` until the"
        " tenant or an admin decides, `cancel`, or `finish`.",
    },
    "ResultConfig": {
        "link_ttl_s": "Seconds for which a link leads to its picture.",
        "max_kept": "Results of a tenant that are kept at once, within `jobs.max_stored_bytes`. Beyond it: 507.",
        "base_url": "The address that links begin with, such as `https://paint.example.com/prefix`. null: as the"
        " request names the service (`Host`, `X-Forwarded-Host`, `X-Forwarded-Proto`, `X-Forwarded-Prefix`).",
    },
    "WebhookConfig": {
        "allowed_hosts": "Hosts that webhooks may be sent to, such as `hooks.example.com` or `*.example.com`."
        " Empty: a job with a webhook is refused.",
        "private_network": "Also allow plain http, and hosts of this machine or of a private network.",
        "timeout_s": "How long a receiver may take to answer.",
    },
    "LogConfig": {
        "encoding": "The form of log lines.",
        "level": "The least severe level that is logged.",
        "access": "Write a line for each request and each call between deployments.",
        "folder": "A folder on each node. null: Ray's own session folder.",
    },
    "TracingConfig": {
        "endpoint": "The OTLP collector's address, without `/v1/traces`. null: no traces are sent.",
        "sampled": "The part of traces that is kept, of those that begin here.",
    },
}
