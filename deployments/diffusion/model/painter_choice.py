"""Choose the painter of a model, and list the tasks that it can do."""

from __future__ import annotations

from deployments.diffusion.model.family import ModelTask
from deployments.diffusion.model.model_config import ModelConfig
from deployments.diffusion.model.registry import card_of


def uses_denoiser(config: ModelConfig) -> bool:
    """Return whether the denoiser paints this model. If not, the pipeline painter does, which paints any."""
    return config.painter == "denoiser"


def tasks_of(config: ModelConfig) -> tuple[ModelTask, ...]:
    """Return the tasks that a configured model can do. The denoiser paints from words alone."""
    if uses_denoiser(config):
        return ("text_to_image",)
    card = card_of(config)
    family, tasks = card.family, list[ModelTask](card.tasks)
    if family.reference_argument or (family.ip_adapter and config.ip_adapter is not None):
        tasks.append("references")
    if family.controlled and config.pose_controlnet is not None:
        tasks.append("pose")
    if family.takes_loras and config.lora_folder is not None:
        tasks.append("loras")
    return tuple(tasks)
