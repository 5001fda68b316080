from __future__ import annotations

from ray.serve.config import AutoscalingConfig

from bench.scale import __main__ as scale
from bench.scale.ray_policy import RaysOwn
from serve.planning.simulation import Setup, simulate


def ray_run(**changes: float) -> list[int]:
    """Return the replicas that Ray's policy requests, over two minutes of load for about four."""
    config = AutoscalingConfig(min_replicas=1, max_replicas=20, **changes)  # type: ignore[arg-type]
    arrivals = [20.0 + number / 6 for number in range(720)]
    outcome = simulate(scale.PROFILE, Setup(1, 1, 2), arrivals, scaler=RaysOwn(config))
    return [counts["character"] for _, counts in outcome.targets]


def test_ray_s_own_delays_count_in_the_simulation_s_time() -> None:
    quick = ray_run(upscale_delay_s=0.0, downscale_delay_s=600.0)
    assert quick == sorted(quick)
    assert quick[-1] > 2
    assert len(ray_run(upscale_delay_s=60.0, downscale_delay_s=600.0)) < len(quick)
    assert ray_run(upscale_delay_s=900.0) == []
