"""Write a bundled model's card and checksums: `python -m models.training.model_card FOLDER`.

The numbers come from the evaluation.json that `models.training.evaluate` wrote into the folder. Add to it
what a person counted, as `by_eye`: `{"pictures": 40, "counts": {"two eyes": 39}, "worst": "one sentence"}`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

from models.training.evaluation.model_card_words import TEMPLATE, WORDS

CHECKSUMS = "SHA256SUMS"
_NOT_LOADED = ("evaluation.json", CHECKSUMS)
"""The service never opens these files, so a new evaluation must not make a model look damaged."""

_ROWS = {
    "garment_color": "garment in the colour asked for",
    "kind": "place of the kind asked for",
    "day_night": "day or night as asked",
    "time": "time of day as asked (of four)",
}


def write_card(folder: Path) -> Path:
    """Write README.md in the model's folder. Raises FileNotFoundError if the model was not evaluated."""
    report = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    words = WORDS[report["subject"]]
    target = folder / "README.md"
    target.write_text(TEMPLATE.format(**_fields(folder, report, words)), encoding="utf-8")
    return target


def write_checksums(folder: Path) -> Path:
    """Write SHA256SUMS for all files that the pipeline reads, in the format of sha256sum."""
    files = sorted(
        file
        for pattern in ("*.safetensors", "*.json", "*.txt")
        for file in folder.rglob(pattern)
        if file.name not in _NOT_LOADED
    )
    lines = []
    for file in files:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        lines.append(f"{digest}  {file.relative_to(folder).as_posix()}\n")
    target = folder / CHECKSUMS
    target.write_text("".join(lines), encoding="utf-8")
    return target


def percent(share: float) -> str:
    """Write a share such as 0.9958 as 99.6%, and only 1 as 100%."""
    return f"{100 * share:.1f}%" if share < 1 else "100%"


def _fields(folder: Path, report: dict[str, Any], words: dict[str, str]) -> dict[str, str]:
    judge = {
        name: str(value) if name == "pictures" else percent(value)
        for name, value in report["judge_accuracy"].items()
    }
    stored = sum(file.stat().st_size for file in folder.rglob("*.safetensors"))
    settings = ("prompts", "steps", "guidance_scale", "threads", "seconds_per_picture")
    return {
        **words,
        **{name: str(report[name]) for name in settings},
        "subject": report["subject"],
        "megabytes": str(round(stored / 1e6)),
        "adherence": "\n".join(_adherence_rows(report["adherence"])),
        "by_value": "\n".join(_value_rows(report["adherence"])),
        "seeds": _seeds(report["seeds"]),
        "by_eye": _by_eye(report.get("by_eye")),
        "distances": "\n".join(_distance_rows(report["sliced_wasserstein"])),
        "judge": words["judge"].format(**judge),
    }


def _adherence_rows(adherence: dict[str, Any]) -> list[str]:
    return [f"| {_ROWS[name]} | {percent(part['share'])} |" for name, part in adherence.items()]


def _value_rows(adherence: dict[str, Any]) -> list[str]:
    return [
        f"| {value} | {hits['right']} of {hits['of']} |"
        for name, part in adherence.items()
        if name != "day_night"
        for value, hits in part["by_value"].items()
    ]


def _distance_rows(levels: dict[str, dict[str, float]]) -> list[str]:
    return [
        f"| {level} | {apart['painted']:.1f} | {apart['drawn']:.1f} | {apart['ratio']:.2f} |"
        for level, apart in levels.items()
    ]


def _by_eye(seen: dict[str, Any] | None) -> str:
    if seen is None:
        return ""
    counts = "\n".join(f"| {what} | {count} |" for what, count in seen["counts"].items())
    return (
        f"A judge who did not know the prompts looked at {seen['pictures']} other pictures, not hand-picked. "
        f"{seen['worst']}\n\n| seen | of {seen['pictures']} |\n| --- | --- |\n{counts}\n\n"
    )


def _seeds(seeds: dict[str, float]) -> str:
    repeated = seeds["same_seed_max_levels"]
    same = (
        "the same picture, to the pixel" if repeated == 0 else f"pictures up to {repeated:.4f} levels apart"
    )
    return (
        f"| same seed again ({seeds['prompts']} prompts) | {same} |\n"
        f"| another seed: pixels that differ visibly | {percent(seeds['other_seed_mean_visible_share'])} on "
        f"average, {percent(seeds['other_seed_min_visible_share'])} at least |\n"
        f"| another seed: mean distance, of 255 levels | {seeds['other_seed_mean_levels']:.1f} on average, "
        f"{seeds['other_seed_min_levels']:.1f} at least |"
    )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m models.training.model_card", description=__doc__)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    print(write_card(options.folder), write_checksums(options.folder))


if __name__ == "__main__":
    main()
