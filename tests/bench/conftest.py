"""Give the benchmarks' tests a way to run one in small."""

from __future__ import annotations

from tests.support.bench_runs import bench as bench
