from __future__ import annotations

import pickle
from pathlib import Path

from models.training.subjects import SUBJECTS
from models.training.training_pictures import draw_buckets

NOW, BEFORE = b"models.training.places.place_spec", b"models.training.place_spec"


def test_pictures_stored_before_their_modules_moved_are_read_back(tmp_path: Path) -> None:
    subject = SUBJECTS["background"]
    drawn = draw_buckets(subject, tmp_path, 8, seed=1)
    for bucket, (width, height, _) in zip(drawn, subject.sizes, strict=True):
        specs = pickle.dumps(bucket.specs, protocol=0)
        assert NOW in specs
        (tmp_path / f"specs_{width}x{height}.pkl").write_bytes(specs.replace(NOW, BEFORE))
    again = draw_buckets(subject, tmp_path, 8, seed=1)
    assert [each.specs for each in again] == [each.specs for each in drawn]
