from __future__ import annotations

from deployments.background import BACKGROUND_NEGATIVE, background_prompt
from deployments.character import CHARACTER_NEGATIVE, character_prompt


def test_a_characters_prompt() -> None:
    assert character_prompt("a knight in silver armor") == (
        "a knight in silver armor, highly detailed, professional digital art, intricate details, "
        "sharp focus, "
        "fantasy art style, concept art, detailed character design"
    )


def test_the_plain_backdrop_comes_last_and_only_when_requested() -> None:
    plain = character_prompt("a knight", plain_backdrop=True)
    assert plain == character_prompt("a knight") + ", full body, plain light gray studio background"


def test_a_backgrounds_prompt() -> None:
    assert background_prompt("castle at sunset") == (
        "beautiful detailed castle at sunset, cinematic lighting, detailed environment, "
        "atmospheric perspective, "
        "masterpiece, concept art, trending on artstation"
    )


def test_the_negative_prompts() -> None:
    assert CHARACTER_NEGATIVE == "blurry, low quality, distorted, extra limbs, bad anatomy"
    assert BACKGROUND_NEGATIVE == "people, characters, faces, low quality, blurry"
