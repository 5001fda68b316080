"""Classify a painted place with a small network: its kind, or that it is no place, and its time of day."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from models.training.places.place_spec import KINDS, TIMES

WIDTH, HEIGHT = 128, 96
NO_PLACE = "no place"
"""The answer for a blurred, smeared or broken picture, whatever its colours suggest."""
ANSWERS = (*KINDS, NO_PLACE)
WEIGHTS = Path(__file__).parents[1] / "place_classifier.safetensors"
_CHANNELS = (16, 32, 64, 128)


class PlaceClassifier(torch.nn.Module):
    """Score (n, 3, 96, 128) in -1..1 as (n, 21): each kind, "no place", then the four times."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[torch.nn.Module] = []
        channels = 3
        for wider in _CHANNELS:
            layers += [
                torch.nn.Conv2d(channels, wider, 3, stride=2, padding=1, bias=False),
                torch.nn.BatchNorm2d(wider),
                torch.nn.ReLU(),
            ]
            channels = wider
        self.features = torch.nn.Sequential(*layers)
        # Pooled to a grid rather than a point, to tell a sun low in the sky from a lamp in a street.
        self.pool = torch.nn.AdaptiveAvgPool2d((3, 4))
        self.head = torch.nn.Sequential(
            torch.nn.Flatten(),
            torch.nn.Dropout(0.3),
            torch.nn.Linear(12 * channels, len(ANSWERS) + len(TIMES)),
        )

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.head(self.pool(self.features(pictures)))
        return scores

    def loss(self, pictures: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the cross entropy of both answers; `labels` (n, 2) are indices into ANSWERS and TIMES."""
        kinds, times = self(pictures).split((len(ANSWERS), len(TIMES)), dim=1)
        return torch.nn.functional.cross_entropy(kinds, labels[:, 0]) + torch.nn.functional.cross_entropy(
            times, labels[:, 1]
        )

    def predict(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return (n, 2) indices into ANSWERS and TIMES."""
        with torch.no_grad():
            kinds, times = self(pictures).split((len(ANSWERS), len(TIMES)), dim=1)
        return torch.stack([kinds.argmax(1), times.argmax(1)], dim=1)


@dataclass(frozen=True)
class Seen:
    """The classifier's answer for a picture."""

    kind: str
    time: str


def shrink(picture: Image.Image) -> torch.Tensor:
    """Shrink a picture of any size and shape to what the classifier reads: uint8 (3, 96, 128)."""
    small = picture.convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.BOX)
    return torch.from_numpy(np.asarray(small).copy()).permute(2, 0, 1)


def to_input(shrunk: torch.Tensor) -> torch.Tensor:
    """Convert uint8 to -1..1."""
    return shrunk.float() / 127.5 - 1


def classify(classifier: PlaceClassifier, pictures: list[Image.Image]) -> list[Seen]:
    """Return the kind and time of each picture."""
    batch = to_input(torch.stack([shrink(picture) for picture in pictures]))
    return [Seen(ANSWERS[kind], TIMES[time]) for kind, time in classifier.predict(batch).tolist()]


def save(classifier: PlaceClassifier, path: Path = WEIGHTS) -> None:
    """Save in half precision: a quarter of a megabyte."""
    save_file({name: tensor.half().contiguous() for name, tensor in classifier.state_dict().items()}, path)
    path.chmod(0o644)


def load(path: Path = WEIGHTS) -> PlaceClassifier:
    """Load the bundled classifier, or one stored elsewhere."""
    classifier = PlaceClassifier()
    classifier.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()})
    return classifier.eval()
