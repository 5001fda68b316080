"""Paint without a model, one step whenever the test allows it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from deployments.diffusion.painter import Painting, PaintRequest, guided_rows
from deployments.messages import Backend, Pixels


class FakePainter:
    """Paint each job's seed. If there is a gate, each step waits for it, so that the test decides when.

    `forwards` holds the (prompt, step) pairs of each forward. `before` and `on_decode` may raise.
    """

    model = "fake"
    backend: Backend = "simulated"
    native_size = (64, 64)
    example_start = None
    latent_factor = 8
    fixed_rows: int | None = None
    fingerprint = "fake"
    compile_states: Mapping[str, int] = {}

    def __init__(self, gate: threading.Semaphore | None = None) -> None:
        self.gate = gate
        self.loaded = False
        self.load_error: Exception | None = None
        self.loads = self.frees = 0
        self.begun: list[PaintRequest] = []
        self.forwards: list[list[tuple[str, int]]] = []
        self.decoded: list[list[str]] = []
        self.before: Callable[[Sequence[Painting]], object] = lambda paintings: None
        self.on_decode: Callable[[Sequence[Painting]], object] = lambda paintings: None
        self.shade: Callable[[PaintRequest], int] = lambda request: request.seed % 256

    def start_compiling(self) -> None: ...

    def stop_compiling(self) -> None: ...

    def load(self) -> None:
        if self.load_error:
            raise self.load_error
        self.loads += not self.loaded
        self.loaded = True

    def unload(self) -> None:
        self.loaded = False

    def free(self) -> None:
        self.frees += 1

    def measure(self, rows: int) -> float:
        return 1e-4

    def first_forwards(self, request: PaintRequest) -> Sequence[int]:
        return [guided_rows(request)]

    def begin(self, request: PaintRequest) -> Painting:
        if request.prompt != "warm-up":
            self.begun.append(request)
        return Painting(
            request, request.num_inference_steps, request.guidance_scale > 1, warnings=("a warning",)
        )

    def step(self, paintings: Sequence[Painting]) -> None:
        prompts = [(painting.request.prompt, painting.done + 1) for painting in paintings]
        if prompts[0][0] != "warm-up":
            if self.gate is not None:
                assert self.gate.acquire(timeout=60)
            self.before(paintings)
            self.forwards.append(prompts)
        for painting in paintings:
            painting.done += 1
            if painting.done in painting.preview_steps:
                painting.preview = np.zeros((8, 8, 3), np.uint8)

    def decode(self, paintings: Sequence[Painting]) -> list[Pixels]:
        if paintings[0].request.prompt != "warm-up":
            self.on_decode(paintings)
            self.decoded.append([painting.request.prompt for painting in paintings])
        requested = [painting.request for painting in paintings]
        return [np.full((each.height_px, each.width_px, 3), self.shade(each), np.uint8) for each in requested]
