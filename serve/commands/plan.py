"""`scenewright plan`: what a load would need."""

from __future__ import annotations

from .absent import absent

plan = absent("plan", "Work out how many GPUs a load needs.")
