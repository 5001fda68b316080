"""Provide Story Agent's classes with the same names, arguments, seeds and files, over a running service.

They need the extra `django` of scenewright-client. A Django project configures them by its
STABLE_DIFFUSION_CONFIG, IMAGE_MERGE_CONFIG, SCENEWRIGHT_URL and SCENEWRIGHT_API_KEY. Without a project,
`AgentSettings` does.
"""

from .books import BookPage, book_request
from .finishing import ImageEnhancer, add_attribution, create_placeholder_image, validate_image_quality
from .generation import BACKGROUND_SEED, CHARACTER_SEED, ImageGenerationService
from .merging import ImageMergeService
from .settings import AgentSettings
from .webhooks import NotGenuine, WebhookEvent, read_webhook

__all__ = [
    "BACKGROUND_SEED",
    "CHARACTER_SEED",
    "AgentSettings",
    "BookPage",
    "ImageEnhancer",
    "ImageGenerationService",
    "ImageMergeService",
    "NotGenuine",
    "WebhookEvent",
    "add_attribution",
    "book_request",
    "create_placeholder_image",
    "read_webhook",
    "validate_image_quality",
]
