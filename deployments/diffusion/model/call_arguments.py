"""Build the call of a family's pipeline, with the pipeline's names for the arguments."""

from __future__ import annotations

from typing import Any

from deployments.diffusion.guide_pictures import at_most
from deployments.diffusion.model.family import Family, Task
from deployments.diffusion.painter import WHOLE, PaintRequest
from deployments.errors import InvalidRequest, UnsupportedTask

READ_PX = 1024 * 1024
"""The most pixels that a model reads of a picture: about the area of the sizes Kontext was trained at."""


def task_of(family: Family, request: PaintRequest) -> Task:
    """Return the task of a request."""
    start = request.start
    return family.task_of(start is not None, start is not None and start.mask_name is not None)


def checked_task(family: Family, request: PaintRequest, scheduler: Any, takes_poses: bool) -> Task:
    """Return the task of a request. Raises InvalidRequest or UnsupportedTask if the model cannot do it."""
    check_steps(request, scheduler)
    if family.guidance != "classifier_free":
        refuse_rows_of_guidance(request)
    task = task_of(family, request)
    if task not in family.tasks:
        raise UnsupportedTask(f"this model cannot do {task}")
    if request.pose is not None and not takes_poses:
        raise UnsupportedTask("this model cannot do pose")
    if request.pose is not None and task not in family.controlled:
        raise UnsupportedTask(f"this model cannot do pose together with {task}")
    return task


def call_arguments(family: Family, request: PaintRequest) -> dict[str, Any]:
    """Return the arguments of the pipeline's call, except for its generator and output type.

    The caller must drop those that the task's pipeline does not take.
    """
    scale = request.guidance_scale if family.takes_guidance_scale else family.guidance_scale
    arguments: dict[str, Any] = {
        "prompt": request.prompt,
        "num_inference_steps": request.num_inference_steps,
        family.guidance_argument: scale,
        "width": request.width_px,
        "height": request.height_px,
        **family.arguments,
    }
    if request.start is not None:
        start = request.start.at(request.width_px, request.height_px)
        arguments |= {**start.images(), "strength": start.strength_of(request.num_inference_steps)}
    if request.pose is not None:
        pose = request.pose.at(request.width_px, request.height_px)
        control = "image" if request.start is None else "control_image"
        arguments |= {control: pose.image(), "controlnet_conditioning_scale": float(pose.scale)}
    masked = request.start is not None and request.start.mask is not None
    if request.references is not None and family.reference_argument and not masked:
        edited = [] if request.start is None else [arguments["image"]]
        arguments[family.reference_argument] = [*edited, *request.references.images(request.read_scale)]
    if request.references is not None and family.masked_reference_argument and masked:
        reference = request.references.images(request.read_scale)[0]
        arguments[family.masked_reference_argument] = at_most(reference, READ_PX)
    if family.area_argument:
        arguments[family.area_argument] = request.width_px * request.height_px
        # Kontext scales the picture that it reads to a megapixel. With a mask it would paint at that size.
        arguments |= {"_auto_resize": False} if masked or request.read_scale < 1 else {}
    negative_prompt = request.negative_prompt
    if negative_prompt is None and is_guided(family, request):
        negative_prompt = family.no_negative_prompt
    if family.takes_negative_prompt and negative_prompt is not None:  # Else the pipeline's own default holds.
        arguments["negative_prompt"] = negative_prompt
    return arguments


def first_forwards(family: Family, request: PaintRequest) -> list[int]:
    """Return the rows of each forward in the first step of such a request alone."""
    if not is_guided(family, request) or request.guidance_interval[0] > 0:
        return [1]
    return [1] * family.guided_calls if family.guided_calls > 1 else [2]


def is_guided(family: Family, request: PaintRequest) -> bool:
    """Return whether the request's guided steps also compute a prediction without the prompt."""
    return family.guidance == "classifier_free" and request.guidance_scale > family.guided_above


def check_steps(request: PaintRequest, scheduler: Any) -> None:
    """Raise InvalidRequest for more steps than a latent consistency model's scheduler has."""
    most = scheduler.config.get("original_inference_steps")
    if most is not None and request.steps > most:
        raise InvalidRequest(f"this model's scheduler supports at most {most} steps", "num_inference_steps")


def refuse_rows_of_guidance(request: PaintRequest) -> None:
    """Raise InvalidRequest if a model without rows for guidance is asked to leave some out."""
    if request.guidance_interval != WHOLE:
        raise InvalidRequest("this model cannot leave out guidance in any step", "guidance_interval")
    if request.guidance_cache > 1:
        raise InvalidRequest("this model's guidance cannot be cached", "speed.cache")
