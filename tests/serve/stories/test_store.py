"""Stories in the database: beside their jobs, changed one page at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, select

from serve.jobs.leases import Leases
from serve.jobs.states import NewScene
from serve.jobs.store import JobStore, KeyEnded, TooManyWaiting
from serve.pictures import loose_pictures as loose
from serve.state.storage_budget import StorageBudget, StorageFull, stored
from serve.state.tables import stories
from serve.stories import store
from serve.stories.story import Story, dumped, loaded
from serve.stories.story_schema import StoryPage, StoryRequest
from serve.webhooks import outbox
from tests.support.story_requests import page as a_page
from tests.support.story_requests import story as a_story

ID, BUDGET = "0" * 32, StorageBudget(1 << 20, 100)
SCENE = NewScene('{"new": true}', 60.0, 10)


@pytest.fixture
def leases(engine: Engine) -> Leases:
    return Leases(engine, lease_s=10, max_attempts=3, max_losses=4)


@pytest.fixture
def kept(engine: Engine) -> Story:
    """Two pages, kept as the story ID."""
    story = loaded(dumped(Story(StoryRequest.model_validate(a_story(2)))))
    new = [NewScene(f'{{"scene": {number}}}', 60.0) for number in range(2)]
    webhook = "https://example.com"
    JobStore(engine).submit(ID, "ada", new, 100.0, beside=store.NewStory(story), webhook_url=webhook)
    return story


def changed(story: Story, number: int = 1, text: str = "Other.") -> Story:
    page = StoryPage.model_validate(a_page(text))
    return loaded(dumped(story.with_page(number, page)))


def repaint(engine: Engine, seen: Story, new: Story, number: int = 1, **more: Any) -> None:
    given: dict[str, Any] = {"budget": BUDGET, "most_waiting": 10, "key_id": None, "now": 200.0, **more}
    store.repaint(engine, "ada", ID, number, seen, new, SCENE, **given)


def paint_all(leases: Leases) -> None:
    while (claim := leases.claim(now=150.0)) is not None:
        assert leases.begin_keeping(claim.lease, f"picture-{claim.number}", now=150.0)
        assert leases.succeed(claim.lease, f"picture-{claim.number}", "jpeg", {"X-Seed": "7"}, now=150.0)


def test_a_story_is_kept_with_its_job_and_goes_with_it(engine: Engine, kept: Story) -> None:
    assert store.find(engine, "ada", ID) == store.find(engine, None, ID) == kept
    assert store.find(engine, "bob", ID) is None
    assert store.is_story(engine, ID) and not store.is_story(engine, "1" * 32)
    assert store.requests_of(engine, [ID, "1" * 32]) == {ID: kept}
    with engine.connect() as connection:
        assert stored(connection, "ada")[1] > len(dumped(kept).encode())
    jobs = JobStore(engine)
    jobs.submit("2" * 32, "ada", [SCENE])
    assert [job.id for job in jobs.page("ada", 10, among=store.story_ids())] == [ID]
    jobs.cancel("ada", ID)
    jobs.remove("ada", ID)
    with engine.connect() as connection:
        assert connection.execute(select(stories)).all() == []


def test_one_page_is_painted_again(engine: Engine, kept: Story, leases: Leases) -> None:
    paint_all(leases)
    assert store.headers_of(engine, ID) == {0: {"X-Seed": "7"}, 1: {"X-Seed": "7"}}
    repaint(engine, kept, changed(kept))
    job = JobStore(engine).job("ada", ID)
    assert job is not None
    assert [(scene.status, scene.picture) for scene in job.scenes] == [
        ("succeeded", "picture-0"),
        ("queued", None),
    ]
    assert store.find(engine, "ada", ID) == changed(kept)
    assert len(loose.old(engine, 1.0)) == 1, "the picture that it had is nobody's"
    claim = leases.claim(now=250.0)
    assert claim is not None and (claim.number, claim.job) == (1, SCENE.job)


def test_a_page_that_is_being_painted_is_taken_from_its_worker(
    engine: Engine, kept: Story, leases: Leases
) -> None:
    claims = [leases.claim(now=150.0) for _ in range(2)]
    repaint(engine, kept, changed(kept, 0), number=0)
    assert claims[0] is not None and claims[1] is not None
    assert leases.renew([claims[0].lease, claims[1].lease], now=151.0) == {claims[1].lease}
    assert not leases.begin_keeping(claims[0].lease, "picture", now=151.0)


def test_what_another_changed_meanwhile_is_not_lost(engine: Engine, kept: Story) -> None:
    repaint(engine, kept, changed(kept, 0, "First."), number=0)
    with pytest.raises(store.Changed):
        repaint(engine, kept, changed(kept, 1, "Second."))
    with pytest.raises(store.Changed):
        store.change(engine, "ada", ID, kept, changed(kept), BUDGET)
    with pytest.raises(store.Changed):
        store.change(engine, "bob", ID, changed(kept, 0, "First."), kept, BUDGET)
    assert store.find(engine, "ada", ID) == changed(kept, 0, "First.")


def test_a_repaint_is_bounded(engine: Engine, kept: Story, leases: Leases) -> None:
    paint_all(leases)
    with pytest.raises(TooManyWaiting):
        repaint(engine, kept, changed(kept), most_waiting=0)
    with pytest.raises(StorageFull):
        repaint(engine, kept, changed(kept, text="a" * 5_000), budget=replace(BUDGET, max_bytes=4_000))
    with pytest.raises(KeyEnded):
        repaint(engine, kept, changed(kept), key_id="gone")
    assert store.find(engine, "ada", ID) == kept
    job = JobStore(engine).counts("ada", ID)
    assert job is not None and job.status == "succeeded"


def test_its_webhook_reports_a_story(engine: Engine, kept: Story, leases: Leases) -> None:
    paint_all(leases)
    event = outbox.payload(engine, ID)
    assert event is not None and (event["type"], event["data"]["id"]) == ("story.ended", ID)
