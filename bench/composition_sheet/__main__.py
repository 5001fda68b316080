"""Paint ten scenes with the bundled models, each pasted by the original merge and composed by `auto`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
from PIL import Image, ImageDraw, ImageFont

from bench.composition_sheet.painted import Studio
from deployments.imaging.composite.compositing import Composition, compose
from deployments.messages import MergeOptions, Position
from models.training.contact_sheet import save_sheet

FIRST_SEED = 40
SCENES: tuple[tuple[str, str, Position], ...] = (
    ("a knight in silver armor", "a castle at sunset", "right"),
    ("a wizard in a purple robe with a staff", "a forest at night", "left"),
    ("a princess in a white dress", "a snowy field at noon", "center"),
    ("a pirate in a red coat", "a beach at dawn", "right"),
    ("an elf in a green tunic", "a forest at noon", "left"),
    ("a witch in a black robe with a lantern", "a village at night", "right"),
    ("a king in golden armor", "a castle at noon", "center"),
    ("a farmer in a brown coat", "a meadow at sunset", "left"),
    ("an explorer in an orange coat with a book", "a desert at dawn", "right"),
    ("a robot in silver armor", "a city at night", "left"),
)
CELL_PX = (512, 256)
TEXT_PX, GAP_PX = 20, 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=len(SCENES))
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--sheet", type=Path, default=Path("build/composition.jpg"))
    arguments = parser.parse_args()
    scenes = SCENES[: arguments.count]
    characters, backgrounds = Studio("character", arguments.steps), Studio("background", arguments.steps)
    rows = []
    for number, (character, background, position) in enumerate(scenes):
        figure = characters.paint(character, FIRST_SEED + number).pixels
        place = backgrounds.paint(background, FIRST_SEED + number).pixels
        pair = [compose(figure, place, MergeOptions(mode, position)) for mode in ("paste", "auto")]
        rows.append((f"{character}, {background}", *pair))
        print(f"{pair[1].mode}  confidence {pair[1].confidence:.2f}  {rows[-1][0]}", flush=True)
    save_sheet(_sheet(rows), arguments.sheet)
    print(f"{len(rows)} scenes at {arguments.steps} steps; sheet: {arguments.sheet}")


def _sheet(rows: list[tuple[str, Composition, Composition]]) -> Image.Image:
    """Draw one scene per row: pasted on the left, composed on the right."""
    wide, high = CELL_PX
    step = high + TEXT_PX + GAP_PX
    sheet = Image.new("RGB", (2 * wide + 3 * GAP_PX, len(rows) * step + GAP_PX), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for number, (words, *pair) in enumerate(rows):
        top = GAP_PX + number * step
        for column, made in enumerate(pair):
            left = GAP_PX + column * (wide + GAP_PX)
            sheet.paste(made.picture.resize(CELL_PX, Image.Resampling.LANCZOS), (left, top))
            said = words if column == 0 else f"{made.mode}, confidence {made.confidence:.2f}"
            pen.text((left, top + high + 2), said, fill=(40, 40, 44), font=font)
    return sheet


if __name__ == "__main__":
    main()
