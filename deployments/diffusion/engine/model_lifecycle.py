"""Load the model, paint a warm-up picture, unload it; try again where that fails, and say why meanwhile.

Most causes of a failed load pass: a share that was not mounted yet, memory that another process held, a hub
that was down, a file that an operator puts right. So it is tried for as long as the replica lives, ever less
often.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from deployments.diffusion.engine.calibration import Calibration, calibrate, kept_calibration
from deployments.diffusion.engine.watchdog import Watchdog, device_is_lost
from deployments.diffusion.model.model_config import GenerationConfig
from deployments.diffusion.painter import AnyPainter, PaintRequest
from deployments.errors import GenerationFailed, NotReady, ScenewrightError
from deployments.failures import Failure, failure_of
from deployments.log_file import see_log

log = logging.getLogger(__name__)

LOAD_S = 36.0
"""Least expected seconds of a load: at fifty times as long, half an hour, it counts as wedged."""
FIRST_S = 1.0
LONGEST_S = 30.0


class ModelLifecycle:
    """Own whether the model is loaded. All but `why_not` and `retry_is_due` run on the model's thread.

    `adopt` is given what a calibration has found. `calibrations`: the folder where they are kept from start
    to start, if they are.
    """

    def __init__(
        self,
        painter: AnyPainter,
        config: GenerationConfig,
        watchdog: Watchdog,
        adopt: Callable[[Calibration], None],
        lazy_load: bool,
        calibrations: Path | None,
    ) -> None:
        self._painter = painter
        self._config = config
        self._watchdog = watchdog
        self._adopt = adopt
        self._lazy_load = lazy_load
        self._calibrations = calibrations
        self._load_s = LOAD_S
        self._retries = LoadRetries()
        self._unready: Failure | None = Failure(NotReady, "the model has not been loaded yet", None, 5)

    def why_not(self) -> Failure | None:
        """Return why this replica should get no work now."""
        fault = self._watchdog.fault(time.monotonic())
        return self._unready if fault is None else Failure(NotReady, fault, None, 5)

    def retry_is_due(self) -> bool:
        """Return whether `start` must be called once more."""
        return self._retries.begin_if_due(time.monotonic())

    def start(self) -> None:
        """Load the model, calibrate it, paint the warm-up picture."""
        began = time.monotonic()
        if self._failure_of(self._warm_up) is None:
            self._load_s = max(LOAD_S, time.monotonic() - began)
            self._retries.succeeded()
            self._unready = None

    def load(self) -> Failure | None:
        """Load the model again where it was unloaded; free where it is loaded."""
        return self._failure_of(self._painter.load)

    def prove(self) -> Failure | None:
        """Paint the warm-up picture, to see whether the model still can."""
        return self._failure_of(self._paint_warm_up)

    def unload(self) -> None:
        self._failure_of(self._painter.unload)

    def _failure_of(self, act: Callable[[], None]) -> Failure | None:
        """Return how an act of the model failed, None where it did not. Raises nothing."""
        self._watchdog.begin_act(time.monotonic(), self._load_s)
        try:
            act()
        except BaseException as error:
            return self._not_loaded(error)
        finally:
            self._watchdog.end_act()
        return None

    def _not_loaded(self, error: BaseException) -> Failure:
        """Accept no work until an attempt to load the model succeeds."""
        cause = failure_of(error, GenerationFailed, see_log())
        if device_is_lost(error):
            self._watchdog.lose("the device is lost to this process")
        try:
            self._painter.unload()  # Frees memory meanwhile; the next attempt reads the files again.
        except BaseException as again:
            log.error("the model could not be unloaded", exc_info=again)
        wait_s = max(self._retries.failed(time.monotonic()), cause.retry_after_s or 0.0)
        kind, reason = cause.kind, cause.message
        if not issubclass(kind, NotReady):
            joint = ";" if kind is GenerationFailed else ":"
            kind, reason = NotReady, f"the warm-up picture failed{joint} {reason}"
        is_new = self._unready is None or self._unready.message != reason
        self._unready = failure = Failure(kind, reason, None, wait_s, error)
        if not isinstance(error, ScenewrightError):
            log.error("the model cannot paint", exc_info=error)
        elif is_new:  # It is tried again and again, mostly with the same end.
            log.error("the model cannot paint: %s", reason)
        return failure

    def _warm_up(self) -> None:
        self._painter.load()
        self._adopt(self._calibration())
        self._paint_warm_up()
        if self._lazy_load:
            self._painter.unload()

    def _paint_warm_up(self) -> None:
        width, height = self._painter.native_size
        start = self._painter.example_start
        request = PaintRequest("warm-up", "", self._config.warm_up_steps, 7.5, 0, width, height, start=start)
        painting = self._painter.begin(request)
        try:
            while painting.done < painting.steps:
                self._painter.step([painting])
                if painting.fault is not None:
                    raise painting.fault
            self._painter.decode([painting])
        finally:
            painting.close()

    def _calibration(self) -> Calibration:
        fixed = self._painter.fixed_rows
        if fixed is not None:
            return Calibration(fixed, {fixed: self._painter.measure(fixed)})
        limits = self._config.max_rows, self._config.calibration_s
        found = kept_calibration(
            self._calibrations,
            self._painter.fingerprint,
            limits,
            lambda: calibrate(self._painter.measure, *limits),
        )
        times = ", ".join(f"{rows}: {1e3 * seconds:.1f}" for rows, seconds in found.seconds.items())
        log.info("forwards of up to %d rows pay (ms by rows: %s)", found.cap_rows, times)
        return found


class LoadRetries:
    """Exponential backoff. Nothing is due before the first failure."""

    def __init__(self) -> None:
        self._wait_s = FIRST_S
        self._due_at: float | None = None

    def failed(self, now: float) -> float:
        """Return seconds until the next attempt is due."""
        wait_s, self._wait_s = self._wait_s, min(2 * self._wait_s, LONGEST_S)
        self._due_at = now + wait_s
        return wait_s

    def succeeded(self) -> None:
        self._wait_s, self._due_at = FIRST_S, None

    def begin_if_due(self, now: float) -> bool:
        """Return whether an attempt is due; if so, the caller makes it, and reports how it ended."""
        if self._due_at is None or now < self._due_at:
            return False
        self._due_at = None
        return True
