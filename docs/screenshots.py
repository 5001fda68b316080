"""Make the pictures of the page and of the guides with a running service: `python docs/screenshots.py`.

Start the service freshly with the models that the pictures should show (`scripts/serve`). It does not paint
again what it has painted before, so no half-painted picture would be seen. Needs Chromium and the dev extra.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import guide_pictures
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

FOLDER = Path(__file__).parent / "pictures"
EXAMPLES = Path(__file__).parents[1] / "examples"
PATIENCE_MS = 600_000
DESKTOP = {"width": 1280, "height": 860}
PHONE = {"width": 390, "height": 844}
SCENE = ("a knight in silver armor with a red cape", "a castle at sunset")


def main() -> None:
    parser = argparse.ArgumentParser(description="Pictures of the page and of the guides into docs/pictures.")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--only", choices=("page", "guides"), help="else both")
    options = parser.parse_args()
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        raise SystemExit("there is no Chromium here; Debian, Ubuntu: apt install chromium")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        if options.only != "guides":
            capture_page(browser, options.url)
        if options.only != "page":
            with TemporaryDirectory() as folder:
                for name, picture in guide_pictures.draw_guides(options.url, browser, Path(folder)):
                    write(picture, name)
        browser.close()


def capture_page(browser: Browser, url: str) -> None:
    desktop = open_page(browser, url)
    submit_form(desktop)
    expect(desktop.locator("#page-character .step")).to_have_text(re.compile("^(1[0-9]|2[0-9]) of|painted"))
    keep(desktop, "page-painting")
    done(desktop)
    keep(desktop, "page")
    mark_cape(desktop)
    keep(desktop, "page-brush")
    capture_story(browser, url)
    for name, options in (
        ("page-dark", {"color_scheme": "dark"}),
        (
            "page-phone",
            {"viewport": PHONE, "device_scale_factor": 2, "is_mobile": True, "has_touch": True},
        ),
    ):
        page = open_page(browser, url, **options)
        submit_form(page)
        done(page)
        keep(page, name)


def capture_story(browser: Browser, url: str) -> None:
    """Paint the example's story, and save a picture of its pages."""
    page = open_page(browser, url)
    page.get_by_role("radio", name="Story").check()
    page.get_by_label("Title", exact=True).fill("The Road Up")
    page.get_by_label("One page per line").fill((EXAMPLES / "story.txt").read_text())
    page.get_by_role("button", name="Paint", exact=True).click()
    expect(page.get_by_text("All 6 pages painted.")).to_be_visible()
    page.locator("#story-pages").scroll_into_view_if_needed()
    write(Image.open(BytesIO(page.locator("#story-pages").screenshot())), "page-story")


def open_page(browser: Browser, url: str, **options: object) -> Page:
    settings = {"viewport": DESKTOP, "color_scheme": "light", "reduced_motion": "reduce", **options}
    page = browser.new_context(**settings).new_page()  # type: ignore[arg-type]
    page.set_default_timeout(PATIENCE_MS)
    page.goto(url)
    page.get_by_text("Ready").wait_for()
    return page


def submit_form(page: Page) -> None:
    for label, words in zip(("Who is in it?", "Where are they?"), SCENE, strict=True):
        page.get_by_label(label).fill(words)
    page.get_by_text("Painting", exact=True).click()
    page.locator("#character-seed").fill("42")
    page.locator("#background-seed").fill("123")
    page.get_by_text("Painting", exact=True).click()
    page.get_by_role("button", name="Paint", exact=True).click()


def mark_cape(page: Page) -> None:
    """Open the brush on the figure, and mark both of its sides."""
    page.get_by_role("button", name="Paint a part of the character again").click()
    page.get_by_label("What should it be?").fill("a knight in silver armor with a blue cape")
    canvas = page.locator("#vary-canvas").evaluate("canvas => canvas.getBoundingClientRect().toJSON()")
    for side in (0.34, 0.66):
        for index, down in enumerate((0.35, 0.5, 0.65, 0.8)):
            page.mouse.move(
                canvas["x"] + side * canvas["width"], canvas["y"] + down * canvas["height"], steps=4
            )
            if index == 0:
                page.mouse.down()
        page.mouse.up()


def done(page: Page) -> None:
    expect(page.get_by_text("Done.")).to_be_visible()


def keep(page: Page, name: str) -> None:
    page.evaluate("scrollTo(0, 0)")
    write(Image.open(BytesIO(page.screenshot())), name)


def write(picture: Image.Image, name: str) -> None:
    file = FOLDER / f"{name}.jpg"
    picture.convert("RGB").save(file, quality=80, optimize=True, progressive=True)
    print(file)


if __name__ == "__main__":
    main()
