"""Measure how long the edge's event loops stand still: a probe in its processes, and hard bodies."""
