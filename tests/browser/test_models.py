"""The page offers all models of a layer, and sends the one that was chosen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from serve.config.service_config import ServiceConfig
from tests.support.local_service import service, simulated_config
from tests.support.page_actions import OpenPage
from tests.support.sketches import SketchedBackground, SketchedCharacter

SCHNELL = "black-forest-labs/FLUX.1-schnell"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data = simulated_config().model_dump() | {"state_dir": str(tmp_path_factory.mktemp("state"))}
    own = data["character"]["generator"]
    data["character"]["models"] = [{"generator": {**own, "model": own["model"] | {"source": SCHNELL}}}]
    with service(ServiceConfig.model_validate(data), SketchedCharacter, SketchedBackground) as url:
        yield url


def test_a_layers_models_are_offered_and_the_chosen_one_paints(open_page: OpenPage, address: str) -> None:
    page = open_page(address)
    page.get_by_text("Painting", exact=True).click()
    picker = page.locator("#character-model")
    expect(picker).to_be_visible()
    expect(page.locator("#background-model")).to_be_hidden()
    assert picker.locator("option").all_text_contents() == ["storybook-character", SCHNELL]
    assert picker.input_value() == ""
    expect(page.locator("#character-steps")).to_have_attribute("placeholder", "25")
    page.locator("#character").fill("a unicorn")
    expect(page.locator("#character-known")).to_contain_text("does not know: unicorn")
    picker.select_option(SCHNELL)
    expect(page.locator("#character-steps")).to_have_attribute("placeholder", "4")
    expect(page.locator("#character-known")).to_be_empty()
    with page.expect_request("**/v1/scenes*") as requested:
        page.get_by_role("button", name="Paint", exact=True).click()
    sent = requested.value.post_data_json
    assert (sent["character"]["model"], sent["background"].get("model")) == (SCHNELL, None)
    expect(page.locator("#announcement")).to_have_text("Done.")
    page.reload()
    expect(picker).to_have_value(SCHNELL)
