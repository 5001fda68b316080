"""Make the pictures of the guides by running the code and the commands in them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pypdfium2
import terminal
from PIL import Image
from playwright.sync_api import Browser

DOCS = Path(__file__).parent
EXAMPLES = DOCS.parent / "examples"
DEFAULT_URL = "http://127.0.0.1:8000"
PAPER, GAP, WIDTH = (247, 241, 228), 8, 760
CHEQUERS = ((255, 255, 255), (225, 220, 210))
MODEL = "storybook-character"
"""Used in place of the ID that a reader looks up."""
HALF_WAY = r"character\D*1[2-9]/25"
Picture = Iterator[tuple[str, Image.Image]]


def draw_guides(url: str, browser: Browser, folder: Path) -> Picture:
    """Yield each picture with its name. The guides' commands write their files into the folder."""
    yield "storyboard", quick_start(url, folder)
    yield "quick-start-hero", changed_hero(url, folder)
    yield "guide-python", python_guide(url, folder)
    yield "guide-cast", cast_guide(url)
    yield from command_line_guide(url, browser, folder)
    yield "guide-story", story_guide(url, browser, folder)
    yield "guide-book", book_guide(url, folder)
    yield "guide-loras", lora_guide(url, folder)


def python_guide(url: str, folder: Path) -> Image.Image:
    """Run the guide's first code block, and show its scene above the three layers."""
    scene = run(blocks("guides/python", "python")[0], url, folder)["scene"]
    layers = [
        on_chequers(Image.open(BytesIO(scene.layers[name]))) for name in ("character", "background", "mask")
    ]
    return stacked([beside([scene.image]), beside(layers)])


def cast_guide(url: str) -> Image.Image:
    """Run the guide's first code block, and show its pages above the sheet."""
    names = run(blocks("guides/cast", "python")[0], url, Path.cwd())
    with zipfile.ZipFile(BytesIO(names["sheet"])) as files:
        atlas = on_chequers(Image.open(BytesIO(files.read("mira.png"))))
    return stacked([beside([page.image for page in names["pages"]]), beside([atlas], WIDTH // 2)])


def lora_guide(url: str, folder: Path) -> Image.Image:
    """Run the guide's last code block. The service must have the LoRA that the guide trains."""
    run(blocks("guides/lora", "python")[-1], url, folder)
    return beside([Image.open(file) for file in sorted(folder.glob("ink-*.png"))])


def changed_hero(url: str, folder: Path) -> Image.Image:
    """Run the quick start's last code block, and show its pictures side by side."""
    run(blocks("quick-start", "python")[-1], url, folder)
    names = ("hero.png", "varied.jpg", "cloak.png", "repainted.png")
    return beside([Image.open(folder / name) for name in names])


def run(code: str, url: str, folder: Path) -> dict[str, Any]:
    """Run a code block of a guide in the folder, and return the names that it defines."""
    names: dict[str, Any] = {}
    before = Path.cwd()
    os.chdir(folder)
    try:
        exec(compile(code.replace(DEFAULT_URL, url), "a guide", "exec"), names)  # noqa: S102 (it is our own guide)
    finally:
        os.chdir(before)
    return names


def command_line_guide(url: str, browser: Browser, folder: Path) -> Picture:
    """Run all commands of the guide one after the other, as a reader would type them."""
    program = str(Path(sys.executable).with_name("scenewright"))
    sessions = {}
    for line in blocks("guides/command-line", "sh")[0].splitlines():
        typed = line.partition("#")[0].strip().replace(" ID", f" {MODEL}")
        words = shlex.split(typed)[1:]
        command = [program, *words, *(("--url", url) if words[0] != "merge" else ())]
        sessions[typed] = terminal.run(command, folder, environment(url))
    typed, painted = next(iter(sessions.items()))
    screen = terminal.as_svg("scenewright", f"$ {typed}", painted.first(HALF_WAY), " ", painted.end)
    yield "guide-terminal", photographed(browser, screen)
    steps = {kind: sorted((folder / "steps").glob(f"{kind}-*.jpg")) for kind in ("character", "background")}
    rows = [beside([Image.open(file) for file in files]) for files in steps.values()]
    yield "guide-steps", stacked(rows)


def quick_start(url: str, folder: Path) -> Image.Image:
    """Draw the storyboard of the example's story, three scenes a row."""
    program = [
        sys.executable,
        str(EXAMPLES / "storyboard.py"),
        str(EXAMPLES / "story.txt"),
        "-o",
        "storyboard",
    ]
    subprocess.run(program, cwd=folder, env=environment(url), check=True)  # noqa: S603
    scenes = [Image.open(file) for file in sorted((folder / "storyboard").glob("scene-*.jpg"))]
    return stacked([beside(scenes[at : at + 3], 1140) for at in range(0, len(scenes), 3)])


def story_guide(url: str, browser: Browser, folder: Path) -> Image.Image:
    """Run the Django project's own command, and show the page that it writes."""
    command = [sys.executable, "manage.py", "illustrate", "--output", str(folder / "story")]
    subprocess.run(command, cwd=EXAMPLES / "story_agent", env=environment(url), check=True)  # noqa: S603
    page = browser.new_page(viewport={"width": 480, "height": 400})
    page.goto((folder / "story/story.html").as_uri())
    return Image.open(BytesIO(page.screenshot(full_page=True)))


def book_guide(url: str, folder: Path) -> Image.Image:
    """Make the example's book, and show all of its pages, three a row."""
    program = str(Path(sys.executable).with_name("scenewright"))
    command = [program, "story", "make", str(EXAMPLES / "story.yaml"), "-o", "book.pdf"]
    subprocess.run(command, cwd=folder, env=environment(url), check=True)  # noqa: S603
    with pypdfium2.PdfDocument(folder / "book.pdf") as book:
        return book_pages([page.render(scale=1.0).to_pil() for page in book])


def book_pages(pages: Sequence[Image.Image]) -> Image.Image:
    return stacked([beside(pages[at : at + 3], 1140) for at in range(0, len(pages), 3)])


def blocks(guide: str, language: str) -> list[str]:
    text = (DOCS / f"{guide}.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def environment(url: str) -> dict[str, str]:
    return {**os.environ, "SCENEWRIGHT_URL": url, "PYTHONPATH": str(DOCS.parent)}


def photographed(browser: Browser, markup: str) -> Image.Image:
    page = browser.new_page(viewport={"width": WIDTH, "height": 200}, device_scale_factor=1.25)
    page.set_content(f"<style>body {{ margin: 0 }} svg {{ display: block; width: 100% }}</style>{markup}")
    return Image.open(BytesIO(page.locator("svg").screenshot()))


def on_chequers(picture: Image.Image, side: int = 16) -> Image.Image:
    """Put a picture on a chequered background, which shows where it is transparent."""
    if picture.mode != "RGBA":
        return picture.convert("RGB")
    ground = Image.new("RGB", picture.size, CHEQUERS[0])
    for x in range(0, picture.width, side):
        for y in range(side * (x // side % 2), picture.height, 2 * side):
            ground.paste(CHEQUERS[1], (x, y, x + side, y + side))
    ground.paste(picture, mask=picture)
    return ground


def beside(pictures: Sequence[Image.Image], width: int = WIDTH) -> Image.Image:
    """Put pictures side by side at one height, together `width` pixels wide."""
    shapes = [picture.width / picture.height for picture in pictures]
    height = (width - GAP * (len(pictures) - 1)) / sum(shapes)
    sizes = [(round(height * shape), round(height)) for shape in shapes]
    whole, at = Image.new("RGB", (width, round(height)), PAPER), 0
    for picture, size in zip(pictures, sizes, strict=True):
        whole.paste(picture.convert("RGB").resize(size), (at, 0))
        at += size[0] + GAP
    return whole


def stacked(pictures: Sequence[Image.Image]) -> Image.Image:
    size = pictures[0].width, sum(each.height + GAP for each in pictures) - GAP
    whole = Image.new("RGB", size, PAPER)
    at = 0
    for picture in pictures:
        whole.paste(picture, (0, at))
        at += picture.height + GAP
    return whole
