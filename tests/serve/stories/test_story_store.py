"""Stories in the database: beside their jobs, changed one page at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, select

from serve.auth.key_store import KeyStore
from serve.config.access import EndedWork
from serve.jobs import ended_keys
from serve.jobs.damaged_pictures import paint_again
from serve.jobs.job_admission import KeyEnded, TooManyWaiting
from serve.jobs.job_store import JobStore
from serve.jobs.leases import Leases
from serve.jobs.states import NewScene
from serve.pictures import loose_pictures as loose
from serve.state.job_tables import scenes, stories
from serve.state.storage_budget import StorageBudget, StorageFull, stored
from serve.stories import story_store
from serve.stories.kept_story import Story, dumped, loaded
from serve.stories.story_schema import StoryPage, StoryRequest
from serve.webhooks import outbox
from tests.support.story_requests import page as a_page
from tests.support.story_requests import story as a_story

ID, BUDGET = "0" * 32, StorageBudget(1 << 20, 100)
LONGEST_TITLE = {f"abc-{number:08}-12345678-12345678": '\n"' * 150 for number in range(32)}
KEYS = {"first": None, "second": "first"}
SCENE = NewScene('{"new": true}', 60.0, 10)


@pytest.fixture
def leases(engine: Engine) -> Leases:
    return Leases(engine, lease_s=10, max_attempts=3, max_losses=4)


@pytest.fixture
def kept(engine: Engine) -> Story:
    """Store a story of two pages with the id ID; return it."""
    story = loaded(dumped(Story(StoryRequest.model_validate(a_story(2)))))
    new = [NewScene(f'{{"scene": {number}}}', 60.0) for number in range(2)]
    webhook = "https://example.com"
    JobStore(engine).submit(ID, "ada", new, 100.0, beside=new_row(story), webhook_url=webhook)
    return story


def new_row(story: Story) -> story_store.NewStory:
    return story_store.NewStory(story_store.StoryBody(story))


def story_of(engine: Engine) -> Story | None:
    found = story_store.find(engine, "ada", ID)
    return found and found.story


def changed(story: Story, number: int = 1, text: str = "Other.") -> Story:
    page = StoryPage.model_validate(a_page(text))
    return loaded(dumped(story.with_page(number, page)))


def as_first(story: Story) -> story_store.KeptStory:
    """Return a story as it is read before its first change."""
    return story_store.KeptStory(story, 0, story_store.StoryBody(story).bytes)


def repaint(engine: Engine, seen: Story, new: Story, number: int = 1, **more: Any) -> None:
    given: dict[str, Any] = {"budget": BUDGET, "most_waiting": 10, "key_id": None, "now": 200.0, **more}
    story_store.repaint(engine, "ada", ID, number, as_first(seen), story_store.StoryBody(new), SCENE, **given)


def paint_all(leases: Leases) -> None:
    while (claim := leases.claim(now=150.0)) is not None:
        assert leases.begin_keeping(claim.lease, f"picture-{claim.number}", now=150.0)
        assert leases.succeed(claim.lease, f"picture-{claim.number}", "jpeg", {"X-Seed": "7"}, now=150.0)


def test_a_story_is_kept_with_its_job_and_goes_with_it(engine: Engine, kept: Story) -> None:
    assert story_store.find(engine, "ada", ID) == story_store.find(engine, None, ID) == as_first(kept)
    assert story_store.find(engine, "bob", ID) is None
    assert story_store.is_story(engine, ID) and not story_store.is_story(engine, "1" * 32)
    assert story_store.titles_of(engine, [ID, "1" * 32]) == {ID: "Mira and the rain"}
    with engine.connect() as connection:
        assert stored(connection, "ada")[1] > len(dumped(kept).encode())
    jobs = JobStore(engine)
    jobs.submit("2" * 32, "ada", [SCENE])
    assert [job.id for job in jobs.page("ada", 10, among=story_store.story_ids())] == [ID]
    jobs.cancel("ada", ID)
    jobs.remove("ada", ID)
    with engine.connect() as connection:
        assert connection.execute(select(stories)).all() == []


@pytest.mark.parametrize(
    "title", ['"M" \\ \u2028 \U0001f600', '{"en": "M"}', {"en": "M", "he": "מ"}, LONGEST_TITLE, "7", "null"]
)
def test_the_list_has_the_title_as_it_was_given(engine: Engine, title: str | dict[str, str]) -> None:
    pages = [a_page(words="a \0 that no text of PostgreSQL holds")]
    story = Story(StoryRequest.model_validate(a_story(1) | {"title": title, "pages": pages}))
    JobStore(engine).submit(ID, "ada", [SCENE], beside=new_row(story))
    assert story_store.titles_of(engine, [ID]) == {ID: title}


def pages(engine: Engine) -> list[tuple[str, str | None]]:
    job = JobStore(engine).job("ada", ID)
    assert job is not None
    return [(scene.status, scene.picture) for scene in job.scenes]


def bytes_of(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.execute(select(scenes.c.picture_bytes).order_by(scenes.c.number)).scalars())


def test_one_page_is_painted_again(engine: Engine, kept: Story, leases: Leases) -> None:
    paint_all(leases)
    assert story_store.headers_of(engine, ID) == {0: {"X-Seed": "7"}, 1: {"X-Seed": "7"}}
    repaint(engine, kept, changed(kept))
    assert pages(engine) == [("succeeded", "picture-0"), ("queued", "picture-1")]
    assert story_of(engine) == changed(kept)
    assert loose.old(engine, 1.0) == [], "the page has its picture until the new one is painted"
    claim = leases.claim(now=250.0)
    assert claim is not None and (claim.number, claim.job) == (1, SCENE.job)
    assert leases.begin_keeping(claim.lease, "new", now=260.0)
    assert leases.succeed(claim.lease, "new", "png", {"X-Seed": "8"}, now=260.0)
    assert pages(engine) == [("succeeded", "picture-0"), ("succeeded", "new")]
    assert story_store.headers_of(engine, ID)[1] == {"X-Seed": "8"}
    job = JobStore(engine).job("ada", ID)
    assert job is not None and not job.scenes[1].changed
    assert len(loose.old(engine, 1.0)) == 1, "no page has the old picture any more"


def test_the_same_picture_again_is_not_left_behind(engine: Engine, kept: Story, leases: Leases) -> None:
    paint_all(leases)
    repaint(engine, kept, changed(kept), now=149.0)
    paint_all(leases)
    assert pages(engine) == [("succeeded", "picture-0"), ("succeeded", "picture-1")]
    assert loose.old(engine, 1.0) == []


@pytest.mark.parametrize("how", ["failed", "lost", "cancelled"])
def test_a_page_that_is_not_painted_again_keeps_its_picture(
    engine: Engine, kept: Story, leases: Leases, how: str
) -> None:
    paint_all(leases)
    repaint(engine, kept, changed(kept))
    if how == "cancelled":
        JobStore(engine).cancel("ada", ID)
    elif how == "lost":
        for _ in range(4):
            assert leases.claim(now=250.0) is not None
            leases.recover(now=900.0)
    else:
        claim = leases.claim(now=250.0)
        assert claim is not None and leases.fail(claim.lease, {"code": "content_refused"}, None, now=260.0)
    status = "failed" if how == "lost" else how
    assert pages(engine) == [("succeeded", "picture-0"), (status, "picture-1")]
    assert bytes_of(engine)[1] == SCENE.picture_bytes
    assert loose.old(engine, 1.0) == []
    found = JobStore(engine).scene("ada", ID, 1)
    assert found is not None and found.headers == {"X-Seed": "7"}
    outcome = paint_again(engine, ID, found, "damaged", 3)
    assert outcome == "gone", "the request here is not a real one; a damaged picture still has an outcome"


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
    with pytest.raises(story_store.Changed):
        repaint(engine, kept, changed(kept, 1, "Second."))
    with pytest.raises(story_store.Changed):
        story_store.change(engine, "ada", ID, as_first(kept), story_store.StoryBody(changed(kept)), BUDGET)
    seen = story_store.find(engine, "ada", ID)
    assert seen is not None and seen.story == changed(kept, 0, "First.")
    with pytest.raises(story_store.Changed):
        story_store.change(engine, "bob", ID, seen, story_store.StoryBody(kept), BUDGET)
    story_store.change(engine, "ada", ID, seen, story_store.StoryBody(kept), BUDGET)
    assert story_of(engine) == kept


def test_a_repaint_is_bounded(engine: Engine, kept: Story, leases: Leases) -> None:
    paint_all(leases)
    with pytest.raises(TooManyWaiting):
        repaint(engine, kept, changed(kept), most_waiting=0)
    with pytest.raises(StorageFull):
        repaint(engine, kept, changed(kept, text="a" * 5_000), budget=replace(BUDGET, max_bytes=4_000))
    with pytest.raises(KeyEnded):
        repaint(engine, kept, changed(kept), key_id="gone")
    assert story_of(engine) == kept
    job = JobStore(engine).counts("ada", ID)
    assert job is not None and job.status == "succeeded"


def test_its_webhook_reports_a_story(engine: Engine, kept: Story, leases: Leases) -> None:
    paint_all(leases)
    event = outbox.payload(engine, ID)
    assert event is not None and (event["type"], event["data"]["id"]) == ("story.ended", ID)


def test_no_story_is_read_or_written_out_while_the_database_is_locked(
    engine: Engine, kept: Story, leases: Leases, locked: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have megabytes, and SQLite allows one writer at a time: leases would not be renewed."""
    paint_all(leases)
    for name in ("loaded", "dumped"):
        monkeypatch.setattr(story_store, name, partial(_only_unlocked, locked, getattr(story_store, name)))
    other = Story(StoryRequest.model_validate(a_story(1)))
    JobStore(engine).submit("1" * 32, "ada", [SCENE], beside=new_row(other))
    story_store.change(engine, "ada", ID, as_first(kept), story_store.StoryBody(changed(kept)), BUDGET)
    seen = story_store.find(engine, "ada", ID)
    assert seen is not None
    body = story_store.StoryBody(changed(kept, 0))
    story_store.repaint(engine, "ada", ID, 0, seen, body, SCENE, BUDGET, 10, None)
    assert story_of(engine) == changed(kept, 0)


@pytest.fixture
def locked(engine: Engine) -> Iterator[list[bool]]:
    """Yield a list whose item says whether a write transaction is open."""
    state = [False]
    noting = {name: partial(_note, state, name == "begin") for name in ("begin", "commit", "rollback")}
    for name, note in noting.items():
        event.listen(engine, name, note)
    yield state
    for name, note in noting.items():
        event.remove(engine, name, note)


def _note(locked: list[bool], begun: bool, connection: Connection) -> None:
    locked[0] = begun and not connection.get_execution_options().get("scenewright_reads")


def _only_unlocked(locked: list[bool], work: Any, value: Any) -> Any:
    assert not locked[0]
    return work(value)


def test_a_page_is_painted_again_for_the_key_that_requested_it(engine: Engine, leases: Leases) -> None:
    keys = KeyStore(engine)
    first, second = keys.create("ada", ("jobs",))[0].id, keys.create("b", ("jobs",), "ada")[0].id
    story = loaded(dumped(Story(StoryRequest.model_validate(a_story(2)))))
    JobStore(engine).submit(ID, "ada", [SCENE] * 2, 100.0, beside=new_row(story), key_id=first)
    claim = leases.claim(now=150.0)
    assert claim is not None and claim.who == ("ada", first)
    assert leases.succeed(claim.lease, "picture", "jpeg", {}, now=150.0)
    repaint(engine, story, changed(story, 0), number=0, key_id=second)
    claims = [leases.claim(now=250.0) for _ in range(2)]
    assert [claim and (claim.number, claim.who[1]) for claim in claims] == [(0, second), (1, first)]


@pytest.mark.parametrize("policy", ["hold", "cancel"])
@pytest.mark.parametrize("which", ["first", "second"])
def test_the_end_of_a_key_reaches_what_it_has_painted_again(
    engine: Engine, leases: Leases, policy: EndedWork, which: str
) -> None:
    keys = KeyStore(engine)
    ids = {name: keys.create(name, ("jobs",), tenant)[0].id for name, tenant in KEYS.items()}
    story = loaded(dumped(Story(StoryRequest.model_validate(a_story(2)))))
    JobStore(engine).submit(ID, "first", [SCENE] * 2, 100.0, beside=new_row(story), key_id=ids["first"])
    paint_all(leases)
    body, budget = story_store.StoryBody(changed(story)), BUDGET
    story_store.repaint(
        engine, "first", ID, 1, as_first(story), body, SCENE, budget, 10, ids["second"], now=200.0
    )
    keys.revoke(ids[which])
    ended_keys.settle(engine, policy)
    job = JobStore(engine).job("first", ID)
    assert job is not None and job.scenes[1].picture == "picture-1"
    stopped = which == "second"
    assert job.held == (stopped and policy == "hold")
    assert job.scenes[1].status == ("cancelled" if stopped and policy == "cancel" else "queued")


def test_no_page_of_a_cancelled_story_is_painted_again(engine: Engine, kept: Story, leases: Leases) -> None:
    """A caller that read the story before the cancel gets the error too."""
    claim = leases.claim(now=150.0)
    assert claim is not None and leases.succeed(claim.lease, "picture-0", "jpeg", {}, now=150.0)
    JobStore(engine).cancel("ada", ID)
    with pytest.raises(story_store.Cancelled):
        repaint(engine, kept, changed(kept, 0), number=0)
    assert [status for status, _ in pages(engine)] == ["succeeded", "cancelled"]
