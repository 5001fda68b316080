"""Keep the last prompts that a pipeline encoded, since callers request a scene again with other seeds."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

PLAIN = (type(None), bool, int, float, str)
"""Types whose `repr` identifies the value, as it also does for torch's device and dtype."""


class EncodedPrompts:
    """Keep `capacity` results of a pipeline's `encode_prompt`, by its arguments and by LoRAs' changes."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._encoded: OrderedDict[Hashable, Any] = OrderedDict()

    def encode(
        self, encode_prompt: Callable[..., Any], changed: Hashable, *positional: Any, **named: Any
    ) -> Any:
        """Call `encode_prompt`, unless its result is kept. In diffusers it depends on its arguments alone.

        `changed` identifies the changes of the picture's LoRAs to the text encoders.
        """
        if not all(map(_is_plain, (*positional, *named.values()))):
            return encode_prompt(*positional, **named)
        key = changed, repr(positional), repr(sorted(named.items()))
        if key not in self._encoded:
            self._encoded[key] = encode_prompt(*positional, **named)
        self._encoded.move_to_end(key)
        encoded = self._encoded[key]
        while len(self._encoded) > self._capacity:
            self._encoded.popitem(last=False)
        return encoded


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return isinstance(value, PLAIN) or type(value).__name__ in ("device", "dtype")
