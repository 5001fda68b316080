"""Choose what the fork server imports: the modules of Ray Serve's processes and the service's replicas."""

from __future__ import annotations

from pathlib import Path

from deployments.diffusion.model.painter_choice import uses_denoiser

from ..config.service_config import ServiceConfig
from .fork_server.process import DEVICES

SERVE = ("ray.serve._private.controller", "ray.serve._private.proxy", "serve.http.proxy_hook")
"""The modules of Serve's own processes."""
REPLICAS = ("ray.serve._private.replica", "serve.app")


def of_replicas(config: ServiceConfig) -> tuple[str, ...]:
    """Return the replicas' modules, without torch and those that need it if this machine has a GPU."""
    if any(Path(device).exists() for device in DEVICES):
        return REPLICAS
    painters = {
        "denoiser" if uses_denoiser(settings.generator.model) else "pipeline_painter"
        for settings in config.generators.values()
        if settings.generator.backend == "diffusers"
    }
    return (*REPLICAS, *sorted(f"deployments.diffusion.model.{name}" for name in painters))
