"""Measure how long the edge's event loops stall: a probe in its processes, and hard bodies."""
