"""/v1/stories: books of 1 to 100 pages, painted in the background."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from deployments.errors import InvalidRequest

from ..api.members import member_of
from ..api.response_schema import SceneResponse
from ..api.responses import FORMATS
from ..api.scene_schema import pictures_in
from ..auth.middleware import key_id_of, tenant_of
from ..cast.cast_service import CastService
from ..config.service_config import ServiceConfig
from ..graph.scene import Graph
from ..http.body import parse, read_json, understand
from ..http.paths import link
from ..http.rendering import JsonResponse
from ..http.strict_json import digest_of
from ..jobs.job_schema import ListQuery
from ..jobs.job_service import JobService
from ..jobs.states import JobState
from ..openapi.fragments import describe_body, describe_query, responses_of
from ..pictures.picture_service import PictureService
from ..stories.kept_story import Story
from ..stories.story_answers import PageState, StoryAccepted, StoryList, StoryResponse
from ..stories.story_pictures import by_ids, of_cast, with_kept
from ..stories.story_refusals import busy
from ..stories.story_responses import accepted, page_state, story_events, summary, whole
from ..stories.story_schema import PageChange, RepaintRequest, StoryChange, StoryRequest
from ..stories.story_service import ATTEMPTS, StoryService
from ..stories.story_store import Changed, StoryState
from .books import book_routes
from .charges import check_budget
from .input_pictures import keeping_inputs
from .job_streams import EVENTS_RESPONSES, JobStreams, describe_last_event
from .job_submission import idempotency_key
from .jobs import KEPT, SCENE_BYTES, describe_idempotency, is_admin, owner_listed, seen_by
from .kept_scene import kept_scene, number_of


def story_routes(
    config: ServiceConfig, graph: Graph, pictures: PictureService, cast: CastService
) -> APIRouter:
    router = APIRouter()
    jobs = JobService(config)
    service = StoryService(config, jobs)
    streams = JobStreams(config.limits, jobs)
    own = {name: getattr(config.jobs, name) for name in ("max_json_bytes", "max_json_values")}
    limits = config.limits.model_copy(update=own)

    def address_of(request: Request, story_id: str) -> str:
        return link(request, f"/v1/stories/{story_id}")

    def taken(request: Request, job: JobState) -> Response:
        headers = {"Location": address_of(request, job.id)}
        return JSONResponse(accepted(job).model_dump(), 202, headers)

    async def begun(tenant: str, requested: StoryRequest) -> Story:
        """Return a new story with its cast as it is now. Raises InvalidRequest for an unknown member."""
        members = {
            name: member_of(name, each) for name, each in requested.cast.items() if not isinstance(each, str)
        }
        stored = {name: each for name, each in requested.cast.items() if isinstance(each, str)}
        found = await cast.members(tenant, stored.values())
        for name, each in stored.items():
            if each not in found:
                raise InvalidRequest(f"there is no such member of the cast: {each}", f"cast.{name}")
            members[name] = found[each]
        return await with_stored(tenant, service.begun(requested, members))

    async def with_stored(tenant: str, story: Story) -> Story:
        """Add the stored members that a story's pages name and its `cast` does not."""
        if missing := story.named_members() - story.members.keys():
            found = await cast.members(tenant, missing)
            return replace(story, members={**story.members, **found})
        return story

    @router.post(
        "/v1/stories",
        status_code=202,
        response_model=StoryAccepted,
        responses=responses_of("the stored story", headers=("Location",), status=202),
        openapi_extra=describe_body(StoryRequest) | describe_idempotency("story"),
    )
    async def submit_story(request: Request) -> Response:
        """Submit a story, to be painted as one scene per page. Its books can be fetched when it has ended."""
        key, tenant = idempotency_key(request), tenant_of(request)
        data = await read_json(request, limits)
        requested, digest = await understand(
            data, limits, lambda body: (parse(body, StoryRequest), digest_of({"story": body}))
        )
        key_id = key_id_of(request)
        await check_budget(request)
        try:
            story = await begun(tenant, requested)
            scenes = await service.scenes(story)
        except InvalidRequest:
            # A member may have been removed since the same story was submitted.
            if earlier := await jobs.earlier(tenant, digest, key):
                return taken(request, earlier)
            raise
        named = of_cast(story.members)
        named += [each for n, scene in enumerate(scenes) for each in pictures_in(scene, f"pages.{n}.")]
        if not named:
            return taken(request, await service.submit(tenant, story, digest, key, key_id))
        asked = [picture for _, picture in named]
        if earlier := await service.would_submit(tenant, story, digest, key, key_id, asked):
            return taken(request, earlier)
        async with keeping_inputs(request, named, graph, limits, pictures) as known:
            story = await with_kept(story, known)
            return taken(request, await service.submit(tenant, story, digest, key, key_id, by_ids(known)))

    @router.get("/v1/stories", response_model=StoryList, openapi_extra=describe_query(ListQuery))
    async def list_stories(request: Request) -> Response:
        requested = parse(dict(request.query_params), ListQuery)
        whose, all_ = owner_listed(request, requested, "stories"), is_admin(request)
        found, cursor = await service.page(whose, requested.limit, requested.after)
        data = [summary(job, title, all_).model_dump(exclude_none=True) for job, title in found]
        return JSONResponse({"data": data, "next": cursor})

    @router.get("/v1/stories/{story_id}", response_model=StoryResponse, response_model_exclude_none=True)
    async def look_at_story(request: Request, story_id: str) -> Response:
        state = await service.find(seen_by(request), story_id)
        address, all_ = address_of(request, story_id), is_admin(request)
        return JsonResponse(lambda: whole(state, address, all_).model_dump(exclude_none=True), size_of(state))

    @router.patch(
        "/v1/stories/{story_id}",
        response_model=StoryResponse,
        response_model_exclude_none=True,
        openapi_extra=describe_body(StoryChange),
    )
    async def change_story(request: Request, story_id: str) -> Response:
        """Change the title or the author of a story, or the pages of its books. Nothing is painted."""
        data = await read_json(request, limits)
        change = await understand(data, limits, lambda body: parse(body, StoryChange))
        state = await service.change(tenant_of(request), story_id, change)
        address = address_of(request, story_id)
        return JsonResponse(lambda: whole(state, address).model_dump(exclude_none=True), size_of(state))

    @router.delete("/v1/stories/{story_id}", response_model=StoryAccepted)
    async def end_story(request: Request, story_id: str) -> Response:
        """Cancel the unfinished pages of a story; if the story has ended, remove it and its pictures.

        Pages of a cancelled story that had already ended keep their pictures until the story is removed too.
        """
        return JSONResponse(accepted(await service.end(seen_by(request), story_id)).model_dump())

    @router.get(
        "/v1/stories/{story_id}/pages/{index}",
        response_model=SceneResponse,
        responses=responses_of(
            "the page's picture; or JSON as from /v1/scenes, if `Accept` names it first and the story has "
            "`layers`",
            FORMATS,
            ("X-Seed", "X-Merge", "X-Backend", "X-Upscaled", "X-Degraded", "Server-Timing", *KEPT),
        ),
    )
    async def picture_of_page(request: Request, story_id: str, index: str) -> Response:
        """Return the picture of a page. The first page has the index 0.

        With its `ETag` in `If-None-Match` the response is 304 until the page is painted again.
        """
        tenant = tenant_of(request)
        return await kept_scene(
            request,
            index,
            lambda number, whole, report: service.picture(tenant, story_id, number, whole, report),
            may_change=True,
        )

    @router.patch(
        "/v1/stories/{story_id}/pages/{index}",
        response_model=PageState,
        openapi_extra=describe_body(PageChange),
    )
    async def change_words(request: Request, story_id: str, index: str) -> Response:
        """Change the text or the alternative text of a page. Nothing is painted."""
        data = await read_json(request, limits)
        change = await understand(data, limits, lambda body: parse(body, PageChange))
        number = number_of(index)
        state = await service.change_words(tenant_of(request), story_id, number, change)
        address, scene = address_of(request, story_id), state.job.scenes[number]
        response = page_state(state.story, scene, state.headers.get(number, {}), address)
        return JsonResponse(lambda: response.model_dump(exclude_none=True), state.kept.bytes)

    @router.post(
        "/v1/stories/{story_id}/pages/{index}/repaint",
        status_code=202,
        response_model=StoryAccepted,
        responses=responses_of("the stored story", headers=("Location",), status=202),
        openapi_extra=describe_body(RepaintRequest, required=False),
    )
    async def repaint_page(request: Request, story_id: str, index: str) -> Response:
        """Paint a page again, with the body's fields replacing those it had. Other pages stay as they are.

        Without a body, or without a seed in it, the page is painted with another seed, members of the cast
        too. Only a layer with its own `seed` keeps it.
        """
        change = RepaintRequest()
        if has_body(request):
            data = await read_json(request, limits)
            change = await understand(data, limits, lambda body: parse(body, RepaintRequest))
        tenant, key_id, number = tenant_of(request), key_id_of(request), number_of(index)
        await check_budget(request)
        for _ in range(ATTEMPTS):
            seen, new = await service.changed(tenant, story_id, number, change)
            new = await with_stored(tenant, new)
            scene = await service.scene(new, number)
            joined = {name: each for name, each in new.members.items() if name not in seen.story.members}
            named = of_cast(joined) + pictures_in(scene)
            with suppress(Changed):  # The pictures kept for it are deleted again.
                async with keeping_inputs(request, named, graph, limits, pictures) as known:
                    new = await with_kept(new, known)
                    await service.repaint(tenant, story_id, number, seen, new, key_id, by_ids(known))
                return taken(request, await service.job(tenant, story_id))
        raise busy()

    router.include_router(book_routes(config, jobs, service))

    @router.get(
        "/v1/stories/{story_id}/events",
        responses=EVENTS_RESPONSES,
        response_class=Response,
        openapi_extra=describe_last_event("pages"),
    )
    async def events_of_story(request: Request, story_id: str) -> Response:
        address = address_of(request, story_id)
        return await streams.stream(
            request, lambda: service.job(seen_by(request), story_id), story_events, address
        )

    return router


def size_of(state: StoryState) -> int:
    """Estimate the cost of reporting a story, in bytes of a picture."""
    return max(SCENE_BYTES * state.job.total, state.kept.bytes)


def has_body(request: Request) -> bool:
    """Return whether a request has a body, according to its headers."""
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
