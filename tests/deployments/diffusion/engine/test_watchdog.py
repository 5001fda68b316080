from __future__ import annotations

from deployments.diffusion.engine.watchdog import WEDGED_STEPS, WINDOW_S, Watchdog


def test_an_act_that_does_not_end_is_a_fault() -> None:
    watchdog = Watchdog(wedged_after_s=10)
    watchdog.begin_act(100.0)
    assert watchdog.fault(109.0) is None
    assert watchdog.fault(112.0) == "a step has been running for 12 s"
    watchdog.end_act()
    assert watchdog.fault(1e9) is None


def test_a_step_that_is_known_to_be_slow_has_its_time() -> None:
    watchdog = Watchdog(wedged_after_s=10)
    watchdog.begin_act(0.0, expected_s=1.0)
    assert watchdog.fault(WEDGED_STEPS - 1.0) is None
    assert watchdog.fault(WEDGED_STEPS + 1.0) is not None


def test_an_idle_thread_is_well() -> None:
    assert Watchdog(1).fault(1e9) is None


def test_no_room_twice_in_a_minute_is_a_fault_and_once_is_not() -> None:
    watchdog = Watchdog(10)
    watchdog.ran_out_of_memory(0.0)
    assert watchdog.fault(1.0) is None
    watchdog.ran_out_of_memory(WINDOW_S + 1)
    assert watchdog.fault(WINDOW_S + 2) is None
    watchdog.ran_out_of_memory(WINDOW_S + 30)
    assert watchdog.fault(WINDOW_S + 31) == "the device ran out of memory for 2 pictures within 60 s"
