"""What stops a service from starting."""

from __future__ import annotations


class CannotStart(RuntimeError):
    """One sentence that says what is wrong and what to do, fit to be shown as it is."""
