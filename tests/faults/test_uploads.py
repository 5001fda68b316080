"""Very many uploads by one tenant: as many as allowed are kept, and the rest leave nothing behind."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from sqlalchemy import func, select

from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from serve.state.open_state import open_state
from serve.state.picture_tables import loose_pictures
from tests.support.drill_row import Row
from tests.support.local_service import config, graph, served
from tests.support.uploads import As, a_file, files_of

__all__ = ["config", "graph"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SENT, AT_ONCE = 10_000, 16


def different(count: int) -> Iterator[bytes]:
    """Yield files of 16 x 16 pixels, no two alike."""
    for number in range(count):
        pixels = np.zeros((16, 16, 3), np.uint8)
        pixels[0, 0] = number >> 16, number >> 8 & 255, number & 255
        yield a_file(pixels)


async def test_ten_thousand_uploads_of_one_tenant(
    config: ServiceConfig, graph: Graph, tmp_path: Path, row: Row
) -> None:
    row.promises(
        f"{SENT:,} different pictures uploaded by one tenant, {AT_ONCE} at once",
        "as many as may be kept are, the rest are 507 and leave no file and no row; another tenant uploads",
    )
    mine = config.model_copy(update={"state_dir": str(tmp_path)})
    most, edge = mine.pictures.max_kept, build_http(mine, graph)
    files, statuses = different(SENT), Counter[int]()

    async def upload(tenant: str) -> None:
        transport = httpx.ASGITransport(served(As(edge, tenant)))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as client:
            for file in files:
                answer = await client.post("/v1/pictures", files={"file": file})
                statuses[answer.status_code] += 1

    await asyncio.gather(*(upload("one") for _ in range(AT_ONCE)))
    assert statuses == {200: most, 507: SENT - most}
    assert len(files_of(mine)) == most
    with open_state(mine.state_folder, mine.jobs).connect() as connection:
        loose = connection.execute(select(func.count()).select_from(loose_pictures)).scalar_one()
    assert loose == 0
    files = iter([a_file(np.full((16, 16, 3), 7, np.uint8))])
    await upload("another")
    assert statuses[200] == most + 1
    row.saw(f"{statuses[200] - 1:,} times 200 and {statuses[507]:,} times 507; {most:,} files; another's 200")
