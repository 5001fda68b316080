"""Test that the memory of decoding depends on the pixels, not on what else the file contains."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.making import saved

BYTES_A_PIXEL = 26
SIDE = 2048
PROGRAM = """
import pathlib, sys
from deployments.imaging.files.decoding import figure_pixels, open_upright, place_pixels

def said(name):
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))

for path in sys.argv[1:]:
    data = pathlib.Path(path).read_bytes()
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    before = said("VmRSS")
    for pixels_of in (figure_pixels, place_pixels):
        pixels_of(open_upright(data, "character", 1 << 24))
    print(said("VmHWM") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's peak memory counter")
def test_the_peak_is_bounded_by_the_pixels(tmp_path: Path) -> None:
    small = np.random.default_rng(0).integers(0, 256, (8, 8, 4), np.uint8)
    picture = Image.fromarray(small).resize((SIDE, SIDE))
    files = {
        "first": saved(picture.crop((0, 0, 64, 64)), "PNG"),  # Warms up what is loaded only once.
        "png": saved(picture, "PNG", compress_level=1),
        "jpeg": saved(picture.convert("CMYK"), "JPEG", progressive=True),
        "webp": saved(picture, "WEBP", method=0),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    command = [sys.executable, "-c", PROGRAM, *(str(tmp_path / name) for name in files)]
    peaks = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    for name, peak in list(zip(files, peaks, strict=True))[1:]:
        assert int(peak) <= BYTES_A_PIXEL * SIDE * SIDE + len(files[name]), name
