import uuid

from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from scenewright.story_agent import NotGenuine, read_webhook

from .books import advance_later, note_end
from .models import Book

TITLE = "The knight and the mountain"
SHOWN = 50


@require_http_methods(["GET", "POST"])
def books(request: HttpRequest) -> HttpResponse:
    """List the books on GET. On POST begin one, and respond before anything is painted."""
    if request.method == "POST":
        book = Book.objects.create(title=TITLE)
        advance_later(book.key)
        return redirect("book", book.key)
    return render(request, "books.html", {"books": Book.objects.all()[:SHOWN]})


@require_GET
def book(request: HttpRequest, key: uuid.UUID) -> HttpResponse:
    """Show a book's progress. Without webhooks the page reloads itself, and each load polls the service."""
    found = get_object_or_404(Book, key=key)
    unfinished = found.status in Book.UNFINISHED
    if unfinished and not settings.SCENEWRIGHT_WEBHOOK_SECRET:
        advance_later(key)
    return render(request, "book.html", {"book": found, "unfinished": unfinished})


@require_GET
def book_file(request: HttpRequest, key: uuid.UUID) -> HttpResponseBase:
    found = get_object_or_404(Book, key=key)
    if not found.file:
        raise Http404
    return FileResponse(found.file.open("rb"), content_type="application/pdf")


@csrf_exempt  # The service sends this request: its signature is checked instead.
@require_POST
def book_ended(request: HttpRequest, key: uuid.UUID) -> HttpResponse:
    """Receive the service's webhook that a book has ended. The file is fetched after the response."""
    if not settings.SCENEWRIGHT_WEBHOOK_SECRET:
        raise Http404
    try:
        event = read_webhook(request.body, request.headers, settings.SCENEWRIGHT_WEBHOOK_SECRET)
    except NotGenuine as error:
        return HttpResponse(str(error), status=401, content_type="text/plain")
    found = get_object_or_404(Book, key=key)
    if event.type == "story.ended" and found.story_id in ("", event.data["id"]):
        note_end(found, event.data)
        advance_later(key)
    return HttpResponse(status=204)
