"""A policy"""

from __future__ import annotations

from serve.config.serve_file import JOINT_POLICY

POLICY = {
    "policy_function": JOINT_POLICY,
    "policy_kwargs": {"latency_s": 2.0, "hold_s": 3.0, "idle_s": 5.0, "catch_up_s": 5.0},
}
