"""The errors that stop a service from starting, and from running on."""

from __future__ import annotations


class CannotStart(RuntimeError):
    """One sentence that says what is wrong and what to do, fit to be shown as it is."""


class RayEnded(RuntimeError):
    """One sentence that says which of Ray's processes ended, and what to do, fit to be shown as it is."""
