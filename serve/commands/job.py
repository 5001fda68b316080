"""`scenewright job`: many scenes at once."""

from __future__ import annotations

from .absent import absent

job = absent("job", "Paint many scenes in the background.")
