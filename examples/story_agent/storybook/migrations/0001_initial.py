import uuid

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    operations = (
        migrations.CreateModel(
            name="Book",
            fields=[
                (
                    "key",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                ("title", models.CharField(max_length=300)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("new", "not yet sent to the service"),
                            ("painting", "being painted"),
                            ("painted", "painted; its file is being fetched"),
                            ("ready", "ready"),
                            ("failed", "failed"),
                        ],
                        default="new",
                        max_length=10,
                    ),
                ),
                (
                    "story_id",
                    models.CharField(blank=True, help_text="the story's id in the service", max_length=64),
                ),
                ("fault", models.TextField(blank=True)),
                ("file", models.FileField(blank=True, upload_to="books")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ("-created_at",),
            },
        ),
    )
