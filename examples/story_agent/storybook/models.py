import uuid

from django.db import models


class Book(models.Model):
    """A book that the service paints, and its file once that has been fetched.

    `key` makes submitting it twice the same story. It is also in the URLs, so that nobody can guess them.
    """

    class Status(models.TextChoices):
        NEW = "new", "not yet sent to the service"
        PAINTING = "painting", "being painted"
        PAINTED = "painted", "painted; its file is being fetched"
        READY = "ready", "ready"
        FAILED = "failed", "failed"

    UNFINISHED = (Status.NEW, Status.PAINTING, Status.PAINTED)

    key = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    title = models.CharField(max_length=300)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.NEW)
    story_id = models.CharField(max_length=64, blank=True, help_text="the story's id in the service")
    fault = models.TextField(blank=True)
    file = models.FileField(upload_to="books", blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return self.title
