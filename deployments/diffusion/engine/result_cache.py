"""Finished layers, kept for jobs that are equal in all that a picture depends on; bounded in bytes."""

from __future__ import annotations

from collections import OrderedDict

from deployments.messages import LayerResult, is_as_requested

LayerKey = tuple[str, tuple[object, ...]]
"""The fingerprint of a model's weights, and the picture key of a job."""
ENTRY_BYTES = 4096
"""Counted for each entry besides its pixels: its texts and its share of the dictionary."""


class ResultCache:
    """A cache that drops the least recently used layers first."""

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._results: OrderedDict[LayerKey, LayerResult] = OrderedDict()
        self.size_bytes = 0

    def get(self, key: LayerKey) -> LayerResult | None:
        result = self._results.get(key)
        if result is not None:
            self._results.move_to_end(key)
        return result

    def put(self, key: LayerKey, result: LayerResult) -> None:
        """Keep a layer if it is as requested. Any other may come out better the next time."""
        size = _size_bytes(result)
        if not is_as_requested(result.degraded) or size > self._budget_bytes:
            return
        if key in self._results:
            self.size_bytes -= _size_bytes(self._results.pop(key))
        self._results[key] = result
        self.size_bytes += size
        while self.size_bytes > self._budget_bytes:
            _, oldest = self._results.popitem(last=False)
            self.size_bytes -= _size_bytes(oldest)


def _size_bytes(result: LayerResult) -> int:
    return result.pixels.nbytes + ENTRY_BYTES
