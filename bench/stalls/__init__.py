"""Measure how long the edge's event loops stall: a probe in its processes, and hard bodies.

A package with this file: an earlier checkout's `bench/stalls.py` would else hide this one's probe.
"""
