"""Test the start's table: a row per phase, and the total of all phases."""

from __future__ import annotations

from pathlib import Path

from bench.start import start_page


def test_phases_are_listed_beside_bare_ray_serves(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("<!-- start: begin -->\nold\n<!-- start: end -->\n")
    report = {
        "machine": {"cores": "2"},
        "rounds": 3,
        "phases": ["imports", "Ray"],
        "sides": [
            {"side": "ours", "seconds": [2.0, 4.0], "cpu_s": [3.0, 5.0]},
            {"side": "bare", "seconds": [1.0, 3.0], "cpu_s": [1.5, 2.5]},
        ],
        "demo_s": 9.25,
    }
    start_page.write(report, tmp_path)
    text = page.read_text()
    assert "| imports | 2.0 | 3.0 | 1.0 | 1.5 |" in text
    assert "| **until ready** | 6.0 | 8.0 | 4.0 | 4.0 |" in text
    assert "1.50 times the seconds of bare Ray Serve, and 2.00 times its CPU seconds." in text
    assert "took 9.2 s" in text
