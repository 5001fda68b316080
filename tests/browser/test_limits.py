"""The page's controls have the limits of its service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from deployments.background import Background
from deployments.character import Character
from serve.config.service_config import ServiceConfig
from tests.support.local_service import service, simulated_config
from tests.support.page_actions import OpenPage


@pytest.fixture(scope="module")
def narrow() -> Iterator[str]:
    limits = {"max_image_size": 512, "max_frame_size": 768, "max_steps": 30, "max_guidance": 12.5}
    data = simulated_config().model_dump() | {"limits": limits | {"max_prompt_chars": 80}}
    data["background"]["defaults"] |= {"num_inference_steps": 9, "guidance_scale": 4.5}
    data["merge"] |= {"mode": "paste", "position": "left", "width": 512, "height": 512}
    config = ServiceConfig.model_validate(data)
    with service(config, Character, Background) as address:
        yield address


def test_the_limits_are_the_services(narrow: str, open_page: OpenPage) -> None:
    page = open_page(address=f"{narrow}/")
    for layer in ("character", "background"):
        expect(page.locator(f"#{layer}-steps")).to_have_attribute("max", "30")
        expect(page.locator(f"#{layer}-steps")).to_have_attribute("min", "1")
        expect(page.locator(f"#{layer}-guidance")).to_have_attribute("max", "12.5")
        expect(page.locator(f"#{layer}")).to_have_attribute("maxlength", "80")
        expect(page.locator(f"#{layer}-negative")).to_have_attribute("maxlength", "80")
        sizes = page.locator(f"#{layer}-size option").evaluate_all("options => options.map(o => o.value)")
        assert any(sizes) and all(
            int(side) <= 512 for size in filter(None, sizes) for side in size.split("x")
        )
    frames = page.locator("#frame option").evaluate_all("options => options.map(o => o.value)")
    assert frames == ["768x512", "512x512", "512x768"]


def test_the_defaults_are_the_services(narrow: str, open_page: OpenPage) -> None:
    page = open_page(address=f"{narrow}/")
    expect(page.locator("#character-steps")).to_have_attribute("placeholder", "25")
    expect(page.locator("#character-guidance")).to_have_attribute("placeholder", "7.5")
    expect(page.locator("#background-steps")).to_have_attribute("placeholder", "9")
    expect(page.locator("#background-guidance")).to_have_attribute("placeholder", "4.5")
    expect(page.locator("#frame")).to_have_value("512x512")
    expect(page.locator("#mode")).to_have_value("paste")
    expect(page.locator("input[name=position]:checked")).to_have_value("left")
    page.locator("#mode").select_option("auto")
    page.locator("input[name=position]").nth(1).check(force=True)
    page.reload()
    expect(page.locator("#background-steps")).to_have_attribute("placeholder", "9")
    expect(page.locator("#mode")).to_have_value("auto")
    expect(page.locator("input[name=position]:checked")).to_have_value("center")
