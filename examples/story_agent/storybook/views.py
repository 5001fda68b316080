from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from .story import STORY, illustrate


@require_http_methods(["GET", "POST"])
def story(request: HttpRequest) -> HttpResponse:
    """Show the story on GET. On POST paint it, and wait; `book_views` paints it without waiting."""
    if request.method == "POST":
        for _ in illustrate(settings.MEDIA_ROOT):
            pass
        return redirect("story")
    pages = [(page, page.picture(settings.MEDIA_ROOT).exists()) for page in STORY]
    return render(request, "story.html", {"pages": pages})


@require_GET
def picture(request: HttpRequest, number: int) -> HttpResponseBase:
    page = next((page for page in STORY if page.number == number), None)
    if page is None or not page.picture(settings.MEDIA_ROOT).exists():
        raise Http404
    return FileResponse(page.picture(settings.MEDIA_ROOT).open("rb"), content_type="image/jpeg")
