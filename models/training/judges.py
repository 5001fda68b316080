"""Train and check the evaluation's judges: `python -m models.training.judges`.

Trains the classifier of places on the renderer's pictures and on spoiled ones ("no place"), then tests it on
layouts that it was not trained on, sharp, softened and spoiled. Also tests the measure of a garment's colour
on fresh figures. Stores their accuracy in judges.json, for the model cards. Takes some minutes on one thread.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path

import torch
from PIL import Image, ImageFilter
from torch.nn.functional import interpolate

from models.training.evaluation import classifier, spoiled
from models.training.evaluation.garment_color import garment_color
from models.training.figures.draw_figure import draw_figure, sample_figure
from models.training.places.draw_place import draw_place
from models.training.places.place_spec import KINDS, TIMES, Place, lay_out, sample_place

ACCURACY = Path(__file__).with_name("judges.json")
BATCH = 64
PEAK_RATE = 3e-3
# Drawn small, for speed; the shapes are those that the model paints, each with its share.
_DRAWN_SIZES = (((256, 192), 0.7), ((384, 192), 0.3))
TRAINED_LAYOUTS = range(48)
"""More layouts than a model is taught, so that the classifier goes by what is shown and not by where."""
FRESH_LAYOUTS = range(1_000, 1_200)
SPOILED_EVERY = 2
"""One training picture in this many is spoiled."""
_FIGURE_BLUR_PX = 4
_PLACE_BLUR_PX = 2


def draw_places(
    count: int, seed: int, layouts: range, blur_px: float = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw uint8 pictures (n, 3, 96, 128), and their kinds and times as indices (n, 2)."""
    rng = random.Random(seed)
    pictures, labels = [], []
    for _ in range(count):
        place: Place = sample_place(rng)
        place = lay_out(place.kind, place.time, place.weather, rng.choice(layouts))
        (size,) = rng.choices([size for size, _ in _DRAWN_SIZES], [share for _, share in _DRAWN_SIZES])
        picture = draw_place(place, *size).filter(ImageFilter.GaussianBlur(blur_px))
        pictures.append(classifier.shrink(picture))
        labels.append((KINDS.index(place.kind), TIMES.index(place.time)))
    return torch.stack(pictures), torch.tensor(labels)


def spoil_some(pictures: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Spoil the first pictures of a batch, and label them as no place; pictures are -1..1."""
    count = len(pictures) // SPOILED_EVERY
    labels = labels.clone()
    labels[:count, 0] = classifier.ANSWERS.index(classifier.NO_PLACE)
    return torch.cat([spoiled.spoil(pictures[:count]), pictures[count:]]), labels


def augment(pictures: torch.Tensor) -> torch.Tensor:
    """Make pictures soft, noisy, off-colour and off-centre, as a diffusion model's may be."""
    n = len(pictures)
    if torch.rand(()) < 0.5:
        pictures = pictures.flip(-1)
    if torch.rand(()) < 0.7:
        small = 0.35 + 0.5 * torch.rand(()).item()
        shrunk = interpolate(pictures, scale_factor=small, mode="bilinear", antialias=True)
        pictures = interpolate(shrunk, size=pictures.shape[-2:], mode="bilinear")
    shift_y, shift_x = (int(torch.randint(-5, 6, ())) for _ in range(2))
    padded = torch.nn.functional.pad(pictures, (5, 5, 5, 5), mode="replicate")
    pictures = padded[..., 5 + shift_y :, 5 + shift_x :][..., : classifier.HEIGHT, : classifier.WIDTH]
    contrast = 1 + 0.1 * torch.randn(n, 3, 1, 1)
    brightness = 0.06 * torch.randn(n, 3, 1, 1)
    noise = 0.06 * torch.rand(n, 1, 1, 1) * torch.randn(pictures.shape)
    return (pictures * contrast + brightness + noise).clamp(-1, 1)


def train_classifier(pictures: torch.Tensor, labels: torch.Tensor, epochs: int) -> classifier.PlaceClassifier:
    """Train with AdamW and one cycle of the learning rate."""
    torch.manual_seed(0)
    network = classifier.PlaceClassifier()
    optimizer = torch.optim.AdamW(network.parameters(), lr=PEAK_RATE, weight_decay=0.05)
    steps = epochs * (len(pictures) // BATCH)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=steps)
    running = 0.0
    for epoch in range(epochs):
        order = torch.randperm(len(pictures))[: len(pictures) // BATCH * BATCH]
        for chosen in order.split(BATCH):
            batch, wanted = spoil_some(classifier.to_input(pictures[chosen]), labels[chosen])
            loss = network.loss(augment(batch), wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            cycle.step()
            running = 0.95 * running + 0.05 * loss.item()
        print(f"classifier epoch {epoch + 1}/{epochs} loss {running:.3f}", flush=True)
    return network.eval()


def place_accuracy(network: classifier.PlaceClassifier, count: int, seed: int) -> dict[str, float]:
    """Return the shares classified correctly, for places in layouts not trained on and for spoiled ones."""
    torch.manual_seed(seed)
    result: dict[str, float] = {"pictures": count}
    for name, blur_px in (("", 0), ("_soft", _PLACE_BLUR_PX)):
        pictures, labels = draw_places(count, seed, FRESH_LAYOUTS, blur_px)
        answers = torch.cat([network.predict(classifier.to_input(part)) for part in pictures.split(BATCH)])
        right = (answers == labels).float()
        night = TIMES.index("night")
        day_night = ((answers[:, 1] == night) == (labels[:, 1] == night)).float()
        result[f"kind{name}"] = round(right[:, 0].mean().item(), 4)
        result[f"time{name}"] = round(right[:, 1].mean().item(), 4)
        result[f"day_night{name}"] = round(day_night.mean().item(), 4)
    sharp, _ = draw_places(count, seed, FRESH_LAYOUTS)
    none = classifier.ANSWERS.index(classifier.NO_PLACE)
    for name, ways in (("no_place", spoiled.TRAINED_ON), ("no_place_other", spoiled.NEVER_SHOWN)):
        shares = []
        for way in ways:
            parts = [way(classifier.to_input(part)) for part in sharp.split(BATCH)]
            judged = torch.cat([network.predict(part)[:, 0] for part in parts])
            shares.append((judged == none).float().mean().item())
        result[name] = round(sum(shares) / len(shares), 4)
    return result


def garment_accuracy(count: int, seed: int) -> dict[str, float]:
    """Return the shares of rendered figures whose garment's colour is measured correctly, sharp and soft."""
    rng = random.Random(seed)
    sharp = soft = 0
    for _ in range(count):
        figure = sample_figure(rng)
        picture: Image.Image = draw_figure(figure)
        sharp += garment_color(picture) == figure.garment_color
        blurred = picture.filter(ImageFilter.GaussianBlur(_FIGURE_BLUR_PX))
        soft += garment_color(blurred) == figure.garment_color
    return {"pictures": count, "color": round(sharp / count, 4), "color_soft": round(soft / count, 4)}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m models.training.judges", description=__doc__)
    parser.add_argument("--pictures", type=int, default=6_000, help="to train the classifier on")
    parser.add_argument("--epochs", type=int, default=18)
    parser.add_argument("--fresh", type=int, default=600, help="pictures to check each judge on")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    started = time.monotonic()
    network = train_classifier(*draw_places(options.pictures, 1, TRAINED_LAYOUTS), options.epochs)
    classifier.save(network)
    accuracy = {
        "place": place_accuracy(classifier.load(), options.fresh, seed=2),
        "garment": garment_accuracy(options.fresh, seed=3),
    }
    ACCURACY.write_text(json.dumps(accuracy, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(accuracy), f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
