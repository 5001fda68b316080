"""Wrap a description into a prompt before a model reads it (the wording is the contract's)."""

from __future__ import annotations

CHARACTER_TERMS = (
    "highly detailed, professional digital art, intricate details, sharp focus, "
    "fantasy art style, concept art, detailed character design"
)
CHARACTER_NEGATIVE = "blurry, low quality, distorted, extra limbs, bad anatomy"
PLAIN_BACKDROP_TERMS = "full body, plain light gray studio background"

BACKGROUND_TERMS = (
    "cinematic lighting, detailed environment, atmospheric perspective, "
    "masterpiece, concept art, trending on artstation"
)
BACKGROUND_NEGATIVE = "people, characters, faces, low quality, blurry"


def character_prompt(description: str, plain_backdrop: bool = False, quality_terms: bool = True) -> str:
    """Return a figure's prompt; a figure that will be cut out gets a plain backdrop."""
    terms = [description, *([CHARACTER_TERMS] if quality_terms else [])]
    if plain_backdrop:
        terms.append(PLAIN_BACKDROP_TERMS)
    return ", ".join(terms)


def background_prompt(description: str) -> str:
    return f"beautiful detailed {description}, {BACKGROUND_TERMS}"
