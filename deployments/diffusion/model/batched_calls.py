"""Run the calls of one network that several pipelines wait for as a single forward.

Calls with equal keys may share one. A key has what must be equal in each argument: the type and shape of a
tensor with one row for each picture, and the value of anything else.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise
from typing import Any

import torch

ROW_NUMBERS = frozenset({"timestep"})
"""Arguments that may be one number for all rows of a call."""
PLAIN = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device)
MOST_TABLES = 8
RETURN_DICT = "return_dict"
"""The argument for the output's form, which does not affect the forward. Tasks of a family differ in it."""


@dataclass(frozen=True, eq=False)
class OfOneRow:
    """A value that belongs to one row of a forward. Calls can share a forward whatever these values are."""

    value: Any = None


@dataclass(frozen=True)
class RowRules:
    """Rules for how a family's network takes the rows of its pictures.

    `shared` are parameters without a row axis, compared by value (FLUX's position tables, which could happen
    to be as long as there are rows). `row_lists` are lists with one entry for each row (Z-Image's texts). In
    other lists each entry has a row axis, as in ControlNet's residuals.
    """

    shared: frozenset[str] = frozenset()
    row_lists: frozenset[str] = frozenset()

    def has_rows(self, tensor: torch.Tensor, name: str, rows: int) -> bool:
        if tensor.ndim == 0:
            return name in ROW_NUMBERS
        return name not in self.shared and len(tensor) == rows

    def is_row_list(self, value: Any, name: str, rows: int) -> bool:
        return name in self.row_lists and isinstance(value, list) and len(value) == rows


@dataclass(frozen=True, eq=False)
class Call:
    """A call of a network, as it was made. `names` has the positional arguments' names, `rows` its rows."""

    positional: tuple[Any, ...]
    keywords: Mapping[str, Any]
    names: tuple[str, ...]
    rows: int
    key: Hashable
    rules: RowRules


class CallReader:
    """Read the calls that one request makes of one network. `function` is the method in the network's class.

    `exact` keeps calls apart if the network would pad their rows to one length, or join rows of unequal
    length.
    """

    def __init__(self, function: Callable[..., Any], rules: RowRules, exact: bool = False) -> None:
        self._parameters = _parameters(function)
        self._rules = rules
        self._exact = exact
        self._tables: dict[int, tuple[torch.Tensor, bytes]] = {}

    def read(self, positional: tuple[Any, ...], keywords: Mapping[str, Any]) -> Call:
        count = len(positional)
        names = (*self._parameters[:count], *map(str, range(len(self._parameters), count)))
        first = positional[0] if positional else keywords[self._parameters[0]]
        rows = len(first)
        key = (
            tuple(self._key(value, name, rows) for name, value in zip(names, positional, strict=True)),
            self._key({name: each for name, each in keywords.items() if name != RETURN_DICT}, "", rows),
        )
        return Call(positional, keywords, names, rows, key, self._rules)

    def _key(self, value: Any, name: str, rows: int) -> Hashable:
        if isinstance(value, torch.Tensor):
            kind = (value.dtype, value.device)
            if self._rules.has_rows(value, name, rows):
                return ("rows", kind, value.shape[1:])
            return ("value", kind, value.shape, self._bytes(value, name))
        if self._rules.is_row_list(value, name, rows):
            entries = map(self._entry_key, value)
            return ("row list", tuple(entries) if self._exact else frozenset(entries))
        if isinstance(value, dict):
            return ("dict", tuple((key, self._key(value[key], str(key), rows)) for key in sorted(value)))
        if isinstance(value, list | tuple):
            return (type(value), tuple(self._key(entry, name, rows) for entry in value))
        if isinstance(value, PLAIN):
            return (type(value), repr(value))
        return ("object", id(value))

    def _entry_key(self, entry: Any) -> Hashable:
        """Return the key of one entry of a row list. The network pads tensors to the longest first axis."""
        if isinstance(entry, OfOneRow):
            return OfOneRow
        if isinstance(entry, torch.Tensor):
            return (entry.dtype, entry.device, entry.shape if self._exact else entry.shape[1:])
        return self._key(entry, "", 0)

    def _bytes(self, tensor: torch.Tensor, name: str) -> bytes:
        """Return a tensor's bytes. Read a table only once, since a read waits for all work on a GPU."""
        known = self._tables.get(id(tensor))
        if known is not None:
            return known[1]
        read = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        if name in self._rules.shared and len(self._tables) < MOST_TABLES:
            self._tables[id(tensor)] = tensor, read  # Kept, so that no other tensor gets its id.
        return read


def run_together(network: Callable[..., Any], calls: Sequence[Call], filled_rows: int = 0) -> list[Any]:
    """Run calls of equal keys as one forward, and return what each would have returned alone.

    Repeats the last row until there are `filled_rows`. A single call that needs no more rows is made
    unchanged.
    """
    counts = [call.rows for call in calls]
    rows = max(filled_rows, sum(counts))
    positional, keywords = joined(calls, rows)
    output = network(*positional, **keywords)
    if len(calls) == 1 and rows == counts[0]:
        return [output]
    forms = {call.keywords.get(RETURN_DICT, True) for call in calls}
    parts = _parts(output, counts, rows)
    if len(forms) == 1:
        return parts
    return [
        part if call.keywords.get(RETURN_DICT, True) else part.to_tuple()
        for call, part in zip(calls, parts, strict=True)
    ]


def joined(calls: Sequence[Call], rows: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of one forward of `rows` rows in all, for calls of equal keys."""
    counts = [call.rows for call in calls]
    spare = rows - sum(counts)
    if len(calls) == 1 and not spare:
        return calls[0].positional, dict(calls[0].keywords)
    forms = {call.keywords.get(RETURN_DICT, True) for call in calls}
    join = _Joiner(calls[0].rules, counts, spare)
    positional = [
        join([call.positional[place] for call in calls], name) for place, name in enumerate(calls[0].names)
    ]
    keywords = join([_without_form(call) for call in calls])
    if any(RETURN_DICT in call.keywords for call in calls):
        keywords[RETURN_DICT] = forms != {False}
    return tuple(positional), keywords


def _without_form(call: Call) -> dict[str, Any]:
    return {name: value for name, value in call.keywords.items() if name != RETURN_DICT}


@cache
def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()
    return tuple(each.name for each in parameters if each.kind in kinds)[1:]  # Without `self`.


@dataclass(frozen=True)
class _Joiner:
    """Join one argument of several calls, which have `counts` rows each, and add `spare` rows."""

    rules: RowRules
    counts: Sequence[int]
    spare: int

    def __call__(self, values: Sequence[Any], name: str = "") -> Any:
        first = values[0]
        if isinstance(first, torch.Tensor):
            return self._joined(values) if self.rules.has_rows(first, name, self.counts[0]) else first
        if self.rules.is_row_list(first, name, self.counts[0]):
            return [entry for value in values for entry in value] + [values[-1][-1]] * self.spare
        if isinstance(first, dict):
            return {key: self([value[key] for value in values], str(key)) for key in first}
        if isinstance(first, list | tuple):
            return type(first)(self(entries, name) for entries in zip(*values, strict=True))
        return first

    def _joined(self, tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        rows = [
            tensor if tensor.ndim else tensor.expand(count)
            for tensor, count in zip(tensors, self.counts, strict=True)
        ]
        return torch.cat([*rows, *[rows[-1][-1:]] * self.spare])


def _parts(output: Any, counts: Sequence[int], rows: int) -> list[Any]:
    """Return each call's rows of the output, without those that were added to fill the forward."""
    bounds = list(pairwise(accumulate(counts, initial=0)))
    if isinstance(output, torch.Tensor) or (isinstance(output, list) and len(output) == rows):
        return [output[begin:end] for begin, end in bounds]
    if isinstance(output, dict):
        named = {name: _parts(value, counts, rows) for name, value in output.items()}
        return [type(output)(**{name: parts[i] for name, parts in named.items()}) for i in range(len(counts))]
    if isinstance(output, list | tuple):
        placed = [_parts(value, counts, rows) for value in output]
        return [type(output)(parts[i] for parts in placed) for i in range(len(counts))]
    return [output] * len(counts)
