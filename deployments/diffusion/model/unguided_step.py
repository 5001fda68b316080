"""Leave a guided picture's rows without its prompt out of a step, and answer as if they had been there.

A pipeline guides every step or none. Given the same prediction with its prompt as without it, any guidance
adds nothing: u + scale * (c - u) is c where u is c. So such a step costs half, and is one without guidance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from deployments.diffusion.model.batched_calls import Call, RowRules

MakeCall = Callable[[Call], Any]


class UnguidedSteps:
    """Makes the calls of one picture's denoiser, of which the steps outside its interval have no guidance.

    `prompt_first`: whether the rows with the prompt are the first half of a call. `calls`: in a guided step;
    the first of two is the one with the prompt.
    """

    def __init__(self, prompt_first: bool, calls: int) -> None:
        self._prompt_first = prompt_first
        self._calls = calls
        self._step = -1
        self._run_together: Any = None

    def make(self, call: Call, step: int, read: Callable[..., Call], make: MakeCall) -> Any:
        """Return what an unguided `step` has for this call. `read` reads arguments, `make` makes a call."""
        if self._calls > 1:
            if step != self._step:
                self._step, self._run_together = step, make(call)
            return self._run_together
        half = call.rows // 2
        kept = slice(0, half) if self._prompt_first else slice(half, call.rows)
        cut = _Cut(call.rules, call.rows, kept)
        positional = tuple(cut(value, name) for value, name in zip(call.positional, call.names, strict=True))
        return _twice(make(read(positional, cut(dict(call.keywords)))), half)


@dataclass(frozen=True)
class _Cut:
    """Cuts rows out of an argument of a call that has `count` rows."""

    rules: RowRules
    count: int
    kept: slice

    def __call__(self, value: Any, name: str = "") -> Any:
        if isinstance(value, torch.Tensor):
            has_rows = value.ndim > 0 and self.rules.has_rows(value, name, self.count)
            return value[self.kept] if has_rows else value
        if self.rules.is_row_list(value, name, self.count):
            return value[self.kept]
        if isinstance(value, Mapping):
            return {key: self(entry, str(key)) for key, entry in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self(entry, name) for entry in value)
        return value


def _twice(output: Any, rows: int) -> Any:
    """Return a network's output with all its rows a second time behind them."""
    if isinstance(output, torch.Tensor):
        return torch.cat([output, output])
    if isinstance(output, list) and len(output) == rows:
        return [*output, *output]
    if isinstance(output, dict):
        return type(output)(**{name: _twice(value, rows) for name, value in output.items()})
    if isinstance(output, list | tuple):
        return type(output)(_twice(value, rows) for value in output)
    return output
