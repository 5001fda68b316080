"""Set how many bytes the edge and the merger may hold at once, and check them against a replica's memory."""

from __future__ import annotations

from collections.abc import Iterator

from deployments.merge_work import FILE_BYTES_A_PX, UPSCALED_BYTES_A_PX, merge_memory_bytes
from deployments.merger import MergerConfig
from deployments.messages import MAX_FIGURES

from .request_limits import Limits
from .service_settings import ServiceSettings

BYTES_IN_FLIGHT = 128 << 20
LARGEST_AT_ONCE = 4
"""A budget for bodies must hold at least this many of the largest, since one tenant may use half of it."""
COPIES_OF_A_BODY = 2
"""The most copies of a body's bytes that exist while it is read from Ray Serve and parsed."""
PROCESS_BYTES = 225_000_000
"""The memory of an idle edge or merger replica."""


def largest_body_bytes(config: ServiceSettings) -> int:
    """Return the bytes of the largest body that any route accepts."""
    limits = config.limits
    return max(limits.max_upload_bytes, limits.max_json_bytes, config.jobs.max_json_bytes)


def bytes_in_flight(config: ServiceSettings) -> int:
    """Return the most bytes of request bodies that one edge replica holds."""
    given = config.limits.max_bytes_in_flight
    least = LARGEST_AT_ONCE * largest_body_bytes(config)
    return max(BYTES_IN_FLIGHT, least) if given is None else given


def layers_and_upscaling_bytes(limits: Limits) -> int:
    """Return the memory that a merge's layers and upscaling its picture may take together.

    It is enough for files as large as uploads may be, or for painted layers and the largest picture.
    """
    # All characters of a merge together have at most as many pixels as the background.
    uploaded = FILE_BYTES_A_PX * 2 * limits.max_upload_pixels
    painted = FILE_BYTES_A_PX * (MAX_FIGURES + 1) * limits.max_image_size**2
    return max(uploaded, painted + UPSCALED_BYTES_A_PX * limits.max_upscaled_size**2)


def largest_merge_bytes(config: ServiceSettings) -> int:
    """Return the memory that the largest merge within the limits takes."""
    limits = config.limits
    frame_px = (limits.max_frame_size or limits.max_image_size) ** 2
    layers = layers_and_upscaling_bytes(limits)
    return merge_memory_bytes(frame_px, 0, limits.max_upload_bytes, MAX_FIGURES) + layers


def work_bytes(config: ServiceSettings) -> int:
    """Return the memory for everything that one merger replica works on at once."""
    given = config.merger.work_bytes
    return max(MergerConfig.work_bytes, largest_merge_bytes(config)) if given is None else given


def memory_faults(config: ServiceSettings) -> Iterator[str]:
    """Yield a sentence for each budget that is too small for one request."""
    in_flight, body_bytes = bytes_in_flight(config), largest_body_bytes(config)
    if in_flight < LARGEST_AT_ONCE * body_bytes:
        yield (
            f"limits.max_bytes_in_flight must be at least {LARGEST_AT_ONCE * body_bytes}:"
            f" {LARGEST_AT_ONCE} times the largest body, which is limited to {body_bytes} bytes"
        )
    merging, largest = work_bytes(config), largest_merge_bytes(config)
    if merging < largest:
        yield (
            f"merger.work_bytes must be at least {largest}, which the largest merge needs: raise it, or"
            " lower limits.max_upload_pixels"
        )


def memory_warnings(config: ServiceSettings) -> Iterator[str]:
    """Yield a sentence for each replica that may take more memory than its node sets aside for it.

    This is no error: Ray places replicas by `memory_bytes` but does not enforce it, and small machines set
    less.
    """
    held = {
        "ingress": (COPIES_OF_A_BODY * bytes_in_flight(config), "limits.max_bytes_in_flight"),
        "merger": (work_bytes(config), "merger.work_bytes"),
    }
    for name, (held_bytes, setting) in held.items():
        has, needed = getattr(config, name).memory_bytes, PROCESS_BYTES + held_bytes
        if has is not None and has < needed:
            yield (
                f"{name}.memory_bytes should be at least {needed} for {setting}:"
                " raise it, or lower that setting"
            )
