from __future__ import annotations

from pathlib import Path

import pytest

from serve.planning.device_profile import LayerProfile, ProfileError, read_profile

LAYER = LayerProfile(steps=20, encode_s=0.1, step_s={1: 0.1, 2: 0.14, 4: 0.2}, decode_s=0.3)


def test_between_the_measured_row_counts_it_is_a_straight_line() -> None:
    assert LAYER.forward_s(3) == pytest.approx(0.17)
    assert LAYER.most_pictures == 4
    with pytest.raises(ValueError, match="no forward over 5"):
        LAYER.forward_s(5)


def test_alone_and_crowded() -> None:
    assert LAYER.alone_s == pytest.approx(0.1 + 2.0 + 0.3)
    assert LAYER.crowded_s == pytest.approx(0.1 + 20 * 0.05 + 0.3)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "not a profile"),
        ('{"device": "x"}', "backend"),
        (
            '{"device": "x", "backend": "diffusers", "merge_s": 0, "character": {"steps": 1, "encode_s": 0,'
            ' "decode_s": 0, "step_s": {"2": 1}}}',
            "character",
        ),
    ],
)
def test_a_file_that_is_no_profile_is_refused_by_name(tmp_path: Path, text: str, fault: str) -> None:
    file = tmp_path / "profile.json"
    file.write_text(text)
    with pytest.raises(ProfileError, match=fault) as caught:
        read_profile(file)
    assert str(file) in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="cannot be read"):
        read_profile(tmp_path / "none.json")
