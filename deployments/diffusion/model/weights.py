"""Choose the weight files of one part of a model, by their names alone.

A part's weights come whole or in shards, and as variants: one set for each precision. The names have several
spellings, all of which are in use:

    model.safetensors             model-00001-of-00002.safetensors
    model.fp16.safetensors        model.fp16-00001-of-00002.safetensors, model-00001-of-00002.fp16.safetensors
    model.safetensors.index.json  model.safetensors.index.fp16.json, model.safetensors.fp16.index.json,
                                  model.fp16.safetensors.index.json
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

STEMS = ("diffusion_pytorch_model", "model", "pytorch_model")
SUFFIX = ".safetensors"
WEIGHTS = re.compile(
    r"(?P<stem>[A-Za-z0-9_]+?)(\.(?P<before>[A-Za-z0-9_]+))?(-(?P<number>\d+)-of-(?P<count>\d+))?"
    r"(\.(?P<after>[A-Za-z0-9_]+))?\.safetensors"
)
INDEX_TOKENS = {"safetensors", "index", "json"}
ORDER: Mapping[str, tuple[str, ...]] = {
    "float32": ("", "fp32", "fp16", "bf16"),
    "float16": ("fp16", "bf16", "", "fp32"),
    "bfloat16": ("bf16", "fp16", "", "fp32"),
}
"""Variants to read for a precision, the best first. For half precision a half-size variant will do."""


class MissingShard(Exception):
    """A shard, `file`, is missing."""

    def __init__(self, file: str) -> None:
        super().__init__(file)
        self.file = file


@dataclass(frozen=True)
class WeightFiles:
    """One variant's files: whole, or shards by (number, count). `index` is the file that lists the shards."""

    variant: str
    whole: str | None
    shards: Mapping[tuple[int, int], str]
    index: str | None

    @property
    def names(self) -> tuple[str, ...]:
        """Return the files to read if no index lists them. Raises MissingShard."""
        if self.whole is not None:
            return (self.whole,)
        sets = Counter(count for _, count in self.shards)
        # A set that is left over from another save may be incomplete.
        count = min(sets, key=lambda count: (sets[count] != count, count))
        return self._listed_by((number, count) for number in range(1, count + 1))

    def listed(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the files that an index lists, whichever way it spells them. Raises MissingShard."""
        return tuple(self._listed(name) for name in sorted(set(names)))

    def _listed(self, name: str) -> str:
        found = WEIGHTS.fullmatch(name)
        if found and not found["number"] and self.whole is not None:
            return self.whole
        number = (int(found["number"]), int(found["count"])) if found and found["number"] else (0, 0)
        if number not in self.shards:
            raise MissingShard(name)
        return self.shards[number]

    def _listed_by(self, numbers: Iterable[tuple[int, int]]) -> tuple[str, ...]:
        one = next(iter(self.shards.values()))
        spelled = [re.sub(r"-\d+-of-\d+", f"-{number:05d}-of-{count:05d}", one) for number, count in numbers]
        return tuple(map(self._listed, spelled))


def choose(files: Iterable[str], precision: str) -> WeightFiles | None:
    """Return the weights to read for `precision` among a part's files, None if there are none.

    A variant counts as present if one of its weight files is, since people fetch every *.json but only one
    variant.
    """
    names = sorted(files)
    variants = {variant: found for variant in ORDER[precision] if (found := _variant(names, variant))}
    return next(iter(variants.values()), None)


def _variant(names: list[str], variant: str) -> WeightFiles | None:
    for stem in STEMS:
        whole: str | None = None
        shards: dict[tuple[int, int], str] = {}
        for name in names:
            found = WEIGHTS.fullmatch(name)
            if not found or found["stem"] != stem or (found["before"] or found["after"] or "") != variant:
                continue
            if found["number"]:
                shards[int(found["number"]), int(found["count"])] = name
            else:
                whole = name
        if whole or shards:
            return WeightFiles(variant, whole, shards, _index(names, stem, variant))
    return None


def _index(names: list[str], stem: str, variant: str) -> str | None:
    for name in names:
        first, *rest = name.split(".")
        if first == stem and set(rest) == INDEX_TOKENS | ({variant} if variant else set()):
            return name
    return None
