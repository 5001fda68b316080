"""Describe what each environment variable sets."""

from __future__ import annotations

VARIABLES = {
    "DIFFUSION_MODEL": "`character.generator.model.source` and `background.generator.model.source`; one that a"
    " layer's `models` lists becomes its first instead",
    "CHARACTER_MODEL": "`character.generator.model.source`; wins over `DIFFUSION_MODEL`",
    "BACKGROUND_MODEL": "`background.generator.model.source`; wins over `DIFFUSION_MODEL`",
    "USE_XFORMERS": "`xformers` of all models",
    "ATTENTION_SLICING": "`attention_slicing` of all models",
    "DEFAULT_STEPS": "`defaults.num_inference_steps` of all models",
    "DEFAULT_GUIDANCE": "`defaults.guidance_scale` of all models",
    "MAX_IMAGE_SIZE": "`limits.max_image_size`",
    "SCENEWRIGHT_ALLOWED_HOSTS": "`allowed_hosts`, separated by commas",
    "SCENEWRIGHT_ALLOWED_ORIGINS": "`allowed_origins`, separated by commas",
    "SCENEWRIGHT_DATABASE": "`jobs.database`",
    "SCENEWRIGHT_PICTURES": "`jobs.pictures`",
    "SCENEWRIGHT_STATE_DIR": "`state_dir`",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "`tracing.endpoint`",
}
"""The settings that environment variables set. They override the file."""

PROXY_VARIABLES = {
    "SCENEWRIGHT_MAX_HEADER_BYTES": "Bytes of a request's header.",
    "SCENEWRIGHT_HEADER_TIMEOUT_S": "Seconds that a header may take to arrive.",
    "SCENEWRIGHT_MAX_CONNECTIONS": "Connections that a proxy holds.",
    "SCENEWRIGHT_MAX_CONNECTIONS_PER_ADDRESS": "Connections from one address. Loopback and trusted proxies are exempt.",
    "SCENEWRIGHT_TRUSTED_PROXIES": "Addresses or networks of trusted proxies, separated by commas.",
    "SCENEWRIGHT_CHECKED_HOSTS": "Host names that Ray Serve's own routes accept, separated by commas (docs/security.md).",
    "SCENEWRIGHT_HAPROXY": "Another HAProxy than Ray's: its absolute path (docs/security.md).",
    "RAY_SERVE_ENABLE_HA_PROXY": "1 or 0: overrides `ingress.haproxy`.",
}
"""Variables to set on every node before Ray starts, since proxies do not read our configuration."""
