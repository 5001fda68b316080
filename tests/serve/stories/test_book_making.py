"""A book is charged for its pages' pictures, each by its size."""

from __future__ import annotations

import pytest

from deployments.merge_work import MEGA
from serve.http.error_responses import Refusal
from serve.jobs.job_service import JobService
from serve.stories.book_making import StoryBooks
from serve.stories.kept_story import Story
from serve.stories.story_schema import StoryRequest
from serve.stories.story_service import StoryService
from tests.support.local_service import simulated_config
from tests.support.story_requests import page, story


def test_a_book_costs_its_own_pages_sizes() -> None:
    config = simulated_config()
    jobs = JobService(config)
    books = StoryBooks(config, jobs, StoryService(config, jobs))
    pages = [page(), page(merge={"width": 1024}), page(merge={"width": 1024, "height": 512})]
    frame = {"width": 128, "height": 64}
    asked = Story(StoryRequest.model_validate(story(1) | {"pages": pages, "frame": frame}))
    each = [128 * 64, 1024 * 64, 1024 * 512]
    assert books.megapixels(asked) == sum(each) / MEGA
    assert [books.megapixels(asked, number) for number in range(3)] == [size / MEGA for size in each]
    with pytest.raises(Refusal):
        books.megapixels(asked, 3)
