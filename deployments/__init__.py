"""Do the work of a replica: plain classes, without Ray and without HTTP."""

__version__ = "0.2.0"
"""The version of the whole distribution; pyproject.toml reads it from here."""
