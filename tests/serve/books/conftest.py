"""Books whose pictures are noise."""

from __future__ import annotations

from tests.support.noise_books import a_book as a_book
