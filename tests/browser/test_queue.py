"""A page that has to wait: its place in the queue is shown and announced to screen readers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from threading import Event, Thread
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from deployments.background import Background
from deployments.character import Character
from deployments.diffusion.painter import Painting
from deployments.diffusion.simulated.simulated_painter import SimulatedPainter
from serve.config.service_config import ServiceConfig
from tests.support.local_service import service, simulated_config
from tests.support.page_actions import PATIENCE_MS, STEP_S, paint, painted

HEARD = """() => {
  window.heard = [];
  const announced = document.getElementById("announcement");
  new MutationObserver(() => heard.push(announced.textContent)).observe(announced, { childList: true });
}"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a service that paints one picture of each kind at a time; yield its address."""
    data = simulated_config(STEP_S).model_dump() | {"state_dir": str(tmp_path_factory.mktemp("state"))}
    for kind in ("character", "background"):
        data[kind]["generator"]["generation"]["max_rows"] = 2
    with service(ServiceConfig.model_validate(data), Character, Background) as address:
        yield address


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """Stop the painting of characters while the event is set."""
    held, step = Event(), SimulatedPainter.step
    held.set()

    def hold(self: SimulatedPainter, paintings: Sequence[Painting]) -> None:
        if self._kind == "character" and held.is_set():
            time.sleep(STEP_S)
        else:
            step(self, paintings)

    monkeypatch.setattr(SimulatedPainter, "step", hold)
    yield held
    held.clear()


@pytest.fixture
def send(url: str) -> Iterator[Callable[[int], None]]:
    """Yield a function that requests another character and returns once the response begins."""
    threads: list[Thread] = []

    def post(seed: int, begun: Event) -> None:
        body: dict[str, Any] = {"prompt": "somebody else", "num_inference_steps": 10, "seed": seed}
        headers = {"Accept": "text/event-stream"}
        with httpx.stream(
            "POST", f"{url}/v1/characters", json=body, headers=headers, timeout=300
        ) as response:
            for _ in response.iter_lines():
                begun.set()

    def send_(seed: int) -> None:
        begun = Event()
        threads.append(Thread(target=post, args=(seed, begun)))
        threads[-1].start()
        assert begun.wait(PATIENCE_MS / 1000)

    yield send_
    for thread in threads:
        thread.join(PATIENCE_MS / 1000)


def test_a_layer_that_waits_says_its_place(send: Callable[[int], None], stuck: Event, page: Page) -> None:
    send(1)
    send(2)
    page.evaluate(HEARD)
    paint(page)
    place = page.locator("#page-character .step")
    expect(place).to_have_text("3rd in the queue")
    expect(page.locator("#page-background .step")).to_have_text("painted")
    expect(page.locator("#left")).to_have_text("")
    expect(page.get_by_role("status").filter(has_text="Place painted.")).to_be_visible()
    stuck.clear()
    painted(page)
    announced = page.evaluate("heard")
    assert [words for words in announced if "queue" in words] == ["Character is waiting: 3rd in the queue."]
    assert "Painting the character…" in announced
    assert page.get_by_text("in the queue").count() == 0
