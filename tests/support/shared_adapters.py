"""Share FastAPI's type adapters between the applications of one process.

Nearly every test of the edge builds its own application, and a third of that time goes into compiling the
same types again. An adapter depends only on its type and holds no state.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from fastapi._compat import v2
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

_made: dict[str, list[tuple[object, TypeAdapter[Any]]]] = {}


def compared(part: object) -> object:
    """Return a value that is equal for two parts of an annotation if they mean the same."""
    if isinstance(part, FieldInfo):
        return [(type(value), value) for value in (getattr(part, name, None) for name in FieldInfo.__slots__)]
    return type(part), part


def adapter(annotated: Any, *, config: Any = None) -> TypeAdapter[Any]:
    """Return the adapter of an `Annotated` type, reusing that of an equal type if there is one."""
    origin, *metadata = get_args(annotated)
    meaning = [compared(part) for part in (origin, config, *metadata)]
    alike = _made.setdefault(repr(origin), [])
    for known, made in alike:
        if known == meaning:
            return made
    made = TypeAdapter(annotated, config=config)
    alike.append((meaning, made))
    return made


@pytest.fixture(scope="session", autouse=True)
def shared_adapters() -> Iterator[None]:
    """Make FastAPI use these adapters."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(v2, "TypeAdapter", adapter)
        yield
