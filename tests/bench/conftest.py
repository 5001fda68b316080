"""Provide a fixture that runs a small version of a benchmark."""

from __future__ import annotations

from tests.support.bench_runs import bench as bench
