"""Wrap a description into a prompt, with the terms that the service itself uses."""

from __future__ import annotations

CHARACTER_TERMS = (
    "highly detailed, professional digital art, intricate details, sharp focus, "
    "fantasy art style, concept art, detailed character design"
)
PLAIN_BACKDROP_TERMS = "full body, plain light gray studio background"
BACKGROUND_TERMS = (
    "cinematic lighting, detailed environment, atmospheric perspective, "
    "masterpiece, concept art, trending on artstation"
)


def character_prompt(description: str, plain_backdrop: bool = False) -> str:
    """Return a figure's prompt; a figure that will be cut out gets a plain backdrop."""
    terms = [description, CHARACTER_TERMS, *([PLAIN_BACKDROP_TERMS] if plain_backdrop else [])]
    return ", ".join(terms)


def background_prompt(description: str) -> str:
    """Return a place's prompt."""
    return f"beautiful detailed {description}, {BACKGROUND_TERMS}"
