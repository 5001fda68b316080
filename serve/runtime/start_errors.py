"""The errors that keep a service from starting, or from running on."""

from __future__ import annotations


class CannotStart(RuntimeError):
    """The service cannot start. The message is one sentence for the user: what is wrong and what to do."""


class RayEnded(RuntimeError):
    """A Ray process ended. The message is one sentence for the user: which one, and what to do."""
