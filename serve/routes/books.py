"""/v1/stories/{id}/book.pdf, .epub and .zip, and a page's .psd: files made when they are fetched."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from ..auth.middleware import tenant_of
from ..config.service_config import ServiceConfig
from ..http.body import abandon_with_client, parse
from ..http.file_body import FileBody
from ..http.paths import is_head
from ..jobs.job_service import JobService
from ..openapi.fragments import describe_query, responses_of
from ..stories.book_files import BookFile
from ..stories.book_making import MEDIA_TYPES, PSD, Kind, StoryBooks
from ..stories.story_answers import LanguageQuery
from ..stories.story_service import StoryService
from .charges import at_once, charged
from .kept_scene import number_of

PRIVATE = {"Cache-Control": "private, no-cache"}
BOOKS: Mapping[Kind, str] = {
    "pdf": "Make a PDF: a cover, and each page's picture with its text below.",
    "epub": "Make a fixed-layout EPUB 3.",
    "zip": "Make a ZIP of the pictures, their layers, and a story.json that can make the story again.",
}


def book_routes(config: ServiceConfig, jobs: JobService, service: StoryService) -> APIRouter:
    router = APIRouter()
    books = StoryBooks(config, jobs, service)

    async def made(
        request: Request, megapixels: float, media_type: str, making: Coroutine[Any, Any, BookFile]
    ) -> Response:
        """Make a file, charge for it, and respond with it. For HEAD no file is made."""
        if is_head(request):
            making.close()
            response = Response(media_type=media_type, headers=PRIVATE)
            del response.headers["Content-Length"]  # Unknown before the file is made.
            return response
        work = charged(request, at_once(request, megapixels), lambda: True, making)
        found = await abandon_with_client(request, work)
        return FileBody(found.file, found.size, found.media_type, PRIVATE)

    def book_route(kind: Kind) -> Callable[[Request, str], Awaitable[Response]]:
        async def book(request: Request, story_id: str) -> Response:
            asked = parse(dict(request.query_params), LanguageQuery)
            tenant = tenant_of(request)
            state, language = await books.ready(tenant, story_id, asked.language)
            making = books.make(tenant, state, language, kind)
            return await made(request, books.megapixels(state.story), MEDIA_TYPES[kind], making)

        book.__name__ = f"{kind}_of_story"
        book.__doc__ = BOOKS[kind]
        return book

    for kind, media_type in MEDIA_TYPES.items():
        router.add_api_route(
            f"/v1/stories/{{story_id}}/book.{kind}",
            book_route(kind),
            methods=["GET"],
            response_class=Response,
            responses=responses_of("the book", (media_type,), ("Cache-Control",)),
            openapi_extra=describe_query(LanguageQuery),
        )

    @router.get(
        "/v1/stories/{story_id}/pages/{index}/page.psd",
        response_class=Response,
        responses=responses_of("the layers of the page", (PSD,), ("Cache-Control",)),
    )
    async def psd_of_page(request: Request, story_id: str, index: str) -> Response:
        """Make a PSD of a page: the place, each figure where it stands, and the finished picture on top."""
        tenant = tenant_of(request)
        state = await service.find(tenant, story_id)
        number = number_of(index)
        books.check_psd(state, number)
        megapixels = books.megapixels(state.story, number)
        return await made(request, megapixels, PSD, books.make_psd(tenant, state, number))

    return router
