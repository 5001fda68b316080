"""Measure how long the edge's event loops stall: a probe in its processes, and bodies that are hard to read.

This file makes it a package. Without it, an earlier checkout's `bench/stalls.py` would hide this probe.
"""
