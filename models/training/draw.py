"""Write training pictures to a folder: `python -m models.training draw background --count 64 --out DIR`.

DIR gets `0000.png` and so on, `captions.json` (each file's caption) and `sheet.jpg`, with all of them on one
sheet. Training could draw the same pictures: none of them is held out for the evaluation. The same seed draws
the same pictures.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

from models.training.contact_sheet import Entry, draw_sheet, save_sheet
from models.training.subjects import SUBJECTS, Subject

CAPTIONS = "captions.json"
SHEET = "sheet.jpg"
MOST = 10_000


def draw(subject: Subject, count: int, seed: int, out: Path) -> None:
    """Draw `count` pictures in the subject's sizes, by their shares, each with a caption."""
    out.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    captions: dict[str, str] = {}
    entries: list[Entry] = []
    shares = [share for *_, share in subject.sizes]
    for number in range(count):
        spec = subject.sample_for_training(rng)
        ((width, height, _),) = rng.choices(subject.sizes, shares)
        picture, name = subject.draw(spec, width, height), f"{number:04}.png"
        picture.save(out / name)
        captions[name] = subject.caption(spec, rng)
        entries.append(Entry(picture.resize((width // 2, height // 2)), captions[name], ""))
    text = json.dumps(captions, indent=2, ensure_ascii=False)
    (out / CAPTIONS).write_text(text + "\n", encoding="utf-8")
    save_sheet(draw_sheet(entries), out / SHEET)


def main(arguments: list[str]) -> None:
    """Parse the command line after `draw`, and draw."""
    parser = argparse.ArgumentParser(prog="python -m models.training draw", description=__doc__)
    parser.add_argument("subject", choices=sorted(SUBJECTS))
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="a new or empty folder")
    options = parser.parse_args(arguments)
    if not 1 <= options.count <= MOST:
        parser.error(f"--count must be from 1 to {MOST}")
    if options.out.exists() and (not options.out.is_dir() or any(options.out.iterdir())):
        parser.error(f"{options.out} is not an empty folder")
    draw(SUBJECTS[options.subject], options.count, options.seed, options.out)
    print(f"wrote {options.count} pictures, {CAPTIONS} and {SHEET} to {options.out}", flush=True)
