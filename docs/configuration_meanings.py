"""Give the meaning of each key of the configuration, by the model that declares it."""

from __future__ import annotations

from .configuration_of_layers import LAYERS

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

MEANINGS: dict[str, dict[str, str]] = LAYERS | {
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
        "mode": "Whether pictures are judged, those that are painted or merged and those that are uploaded. `flag`:"
        " responses say what was found. `refuse`: what is over the threshold is 422 `content_refused`.",
        "threshold": "The score from which a picture is flagged.",
        "picture_check": "A callable of your own in place of open_nsfw, `package.module:name`, which takes (h, w, 3) RGB"
        " and returns a score from 0 to 1.",
        "blocked_words": "Words that no prompt may have, whatever the mode: whole words, without case and accents.",
        "text_check": "A callable of your own, `package.module:name`, which takes a prompt and the tenant's name and"
        " returns None, or why it is refused.",
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
        "timeout_s": "How long a receiver may take to respond.",
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
