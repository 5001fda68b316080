"""Load, calibrate, warm up and unload the model, and report why it cannot paint meanwhile."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from deployments.diffusion.engine.calibration import Calibration, calibrate, kept_calibration
from deployments.diffusion.engine.watchdog import LoadRetries, Watchdog, device_is_lost
from deployments.diffusion.model.model_config import GenerationConfig
from deployments.diffusion.painter import AnyPainter, PaintRequest
from deployments.errors import GenerationFailed, NotReady, ScenewrightError
from deployments.failures import Failure, failure_of
from deployments.log_file import see_log

log = logging.getLogger(__name__)

LOAD_S = 36.0
"""Least expected seconds of a load. At fifty times that, half an hour, it counts as wedged."""


class ModelLifecycle:
    """Load and unload the model, on the model's thread. `unready` is why it cannot paint, None if it can.

    `adopt` receives each calibration. `calibrations` is the folder that keeps them between starts, if any.
    """

    def __init__(
        self,
        painter: AnyPainter,
        config: GenerationConfig,
        watchdog: Watchdog,
        retries: LoadRetries,
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
        self._retries = retries
        self.unready: Failure | None = Failure(NotReady, "the model has not been loaded yet", None, 5)

    def start(self) -> None:
        """Load and calibrate the model, and paint the warm-up picture."""
        began = time.monotonic()
        if self._failure_of(self._warm_up) is None:
            self._load_s = max(LOAD_S, time.monotonic() - began)
            self._retries.succeeded()
            self.unready = None
            self._painter.start_compiling()

    def load(self) -> Failure | None:
        """Load the model again if it was unloaded. Return the failure, if any."""
        return self._failure_of(self._painter.load)

    def prove(self) -> Failure | None:
        """Paint the warm-up picture, to see whether the model still works. Return the failure, if any."""
        return self._failure_of(self._paint_warm_up)

    def unload(self) -> None:
        self._failure_of(self._painter.unload)

    def _failure_of(self, act: Callable[[], None]) -> Failure | None:
        """Run an act of the model, and return how it failed, None if it did not. Raises nothing."""
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
            self._watchdog.lose("this process can no longer use the device")
        try:
            self._painter.unload()  # Frees memory meanwhile; the next attempt reads the files again.
        except BaseException as again:
            log.error("the model could not be unloaded", exc_info=again)
        wait_s = max(self._retries.failed(time.monotonic()), cause.retry_after_s or 0.0)
        kind, reason = cause.kind, cause.message
        if not issubclass(kind, NotReady):
            joint = ";" if kind is GenerationFailed else ":"
            kind, reason = NotReady, f"the warm-up picture failed{joint} {reason}"
        is_new = self.unready is None or self.unready.message != reason
        self.unready = failure = Failure(kind, reason, None, wait_s, error)
        if not isinstance(error, ScenewrightError):
            log.error("the model cannot paint", exc_info=error)
        elif is_new:  # It is retried again and again, mostly with the same result.
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
        log.info("calibrated: up to %d rows per forward pass (ms by rows: %s)", found.cap_rows, times)
        return found
