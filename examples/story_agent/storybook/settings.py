"""A Django project's settings, with Story Agent's two dictionaries and the service's address."""

import os
from pathlib import Path

from django.core.management.utils import get_random_secret_key

BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY") or get_random_secret_key()
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "testserver"]
ROOT_URLCONF = "storybook.urls"
INSTALLED_APPS = ["storybook"]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.csrf.CsrfViewMiddleware"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
USE_TZ = True
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("STORY_DATABASE", str(BASE_DIR / "stories.sqlite3")),
        "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
    }
}
MEDIA_ROOT = os.environ.get("STORY_MEDIA_ROOT", str(BASE_DIR / "media"))

SCENEWRIGHT_URL = os.environ.get("SCENEWRIGHT_URL", "http://127.0.0.1:8000")
SCENEWRIGHT_API_KEY = os.environ.get("SCENEWRIGHT_API_KEY")
SCENEWRIGHT_WEBHOOK_SECRET = os.environ.get("SCENEWRIGHT_WEBHOOK_SECRET")
PUBLIC_URL = os.environ.get("STORY_PUBLIC_URL", "http://127.0.0.1:8080")
"""The address at which the service reaches this project. It is unused without a webhook secret."""

STABLE_DIFFUSION_CONFIG = {
    "default_steps": int(os.environ.get("DEFAULT_STEPS", "20")),
    "default_guidance": 7.0,
    "max_resolution": 512,
}
IMAGE_MERGE_CONFIG = {
    "target_size": (1024, 512),
    "quality": 95,
    "character_position": "right",
    "blend_mode": "auto",
}
