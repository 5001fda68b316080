from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.engine import engine_page as engine

ROOT = Path(__file__).parents[3]


def row(scale: float, **more: float) -> dict[str, float | None]:
    columns = ("pictures_per_s", "mean_s", "p95_s", "short_mean_s")
    return dict.fromkeys(columns, scale) | {"long_mean_s": scale} | more


@pytest.mark.parametrize(
    ("compiled", "clock", "section"),
    [(False, "cpu", "engine"), (True, "cpu", "engine-compiled"), (False, "wall", "engine-wall")],
)
def test_the_page_has_both_sides_their_ratio_and_the_machine(
    tmp_path: Path, compiled: bool, clock: str, section: str
) -> None:
    (tmp_path / "performance.md").write_text((ROOT / "docs/performance.md").read_text())
    runs = {"stock, one at a time": row(2.0), "step engine": row(3.0, overhead_percent=1.25)}
    report: dict[str, Any] = {
        "model": "m",
        "size": [384, 512],
        "counts": {"saturated": 6, "poisson": 7},
        "cap_rows": 8,
        "dtype": "float32",
        "compiled": compiled,
        "ms_by_rows": {"1": 50.0, "2": 80.0},
        "machine": {"torch": "2.13"},
        "runs": {clock: {"saturated": runs, "poisson": runs}},
    }
    engine.write(report, tmp_path)
    page = (tmp_path / "performance.md").read_text()
    assert "| stock, one at a time | 2 | 2 | 2 | 2 | 2 |  |" in page
    assert "| step engine | 3 | 3 | 3 | 3 | 3 | 1.2% |" in page
    assert "| step engine / stock | 1.50 | 1.50 | 1.50 | 1.50 | 1.50 |  |" in page
    assert "torch 2.13" in page and "## How does it compare with other servers?" in page
    assert "2: 80 ms (40.0 per row)" in page.partition(f"<!-- {section}: begin -->")[2]
    plots = list((tmp_path / "pictures").iterdir())
    assert len(plots) == 3 and all(f"pictures/{plot.name}" in page for plot in plots)


def test_each_painter_has_its_ratio_and_the_dit_a_part_of_its_own(tmp_path: Path) -> None:
    page = (ROOT / "docs/performance.md").read_text()
    for section in ("engine-pipelines", "engine-dit"):
        if f"<!-- {section}: begin -->" not in page:
            page += f"\n<!-- {section}: begin -->\n<!-- {section}: end -->\n"
    (tmp_path / "performance.md").write_text(page)
    runs = {
        "stock, one at a time": row(2.0),
        "step engine": row(3.0),
        "step engine, pipelines": row(4.0),
    }
    report: dict[str, Any] = {
        "model": "m",
        "painter": "pipeline",
        "size": [384, 512],
        "counts": {"saturated": 6, "poisson": 7},
        "cap_rows": 8,
        "dtype": "float32",
        "compiled": False,
        "ms_by_rows": {"1": 50.0},
        "machine": {},
        "runs": {"cpu": {"saturated": runs, "poisson": runs}},
    }
    engine.write(report, tmp_path)
    engine.write(report | {"model": "random-dit"}, tmp_path)
    page = (tmp_path / "performance.md").read_text()
    for section in ("engine-pipelines", "engine-dit"):
        written = page.partition(f"<!-- {section}: begin -->")[2].partition(f"<!-- {section}: end -->")[0]
        assert "| step engine / stock | 1.50 |" in written
        assert "| step engine, pipelines / stock | 2.00 |" in written
        assert "| step engine, pipelines / step engine | 1.33 |" in written
        assert "mean of 50 steps" in written


def test_a_column_without_any_figure_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "performance.md").write_text((ROOT / "docs/performance.md").read_text())
    rows = {name: row(2.0) | {"long_mean_s": None} for name in ("stock, one at a time", "step engine")}
    report: dict[str, Any] = {
        "model": "random-dit",
        "painter": "pipeline",
        "size": [128, 128],
        "counts": {"saturated": 6, "poisson": 0},
        "cap_rows": 8,
        "dtype": "float32",
        "compiled": False,
        "ms_by_rows": {"1": 50.0},
        "machine": {},
        "runs": {"cpu": {"saturated": rows}},
    }
    engine.write(report, tmp_path)
    page = (tmp_path / "performance.md").read_text()
    written = page.partition("<!-- engine-dit: begin -->")[2].partition("<!-- engine-dit: end")[0]
    assert "mean of <= 8 steps" in written and "50 steps" not in written


def test_without_arrivals_by_chance_nothing_is_said_of_them(tmp_path: Path) -> None:
    (tmp_path / "performance.md").write_text((ROOT / "docs/performance.md").read_text())
    report: dict[str, Any] = {
        "model": "m",
        "painter": "pipeline",
        "size": [384, 512],
        "counts": {"saturated": 6, "poisson": 0},
        "cap_rows": 8,
        "dtype": "float32",
        "compiled": False,
        "ms_by_rows": {"1": 50.0},
        "machine": {},
        "runs": {"cpu": {"saturated": {"stock, one at a time": row(2.0), "step engine": row(3.0)}}},
    }
    engine.write(report, tmp_path)
    page = (tmp_path / "performance.md").read_text()
    written = page.partition("<!-- engine-pipelines: begin -->")[2].partition("<!-- engine-pipelines: end")[0]
    assert "6 requests at once. Machine" in written
    assert "Poisson" not in written and written.count(".svg") == 1
