"""Write the training pictures: as many as requested, each with its caption, repeatable by seed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from models.training import __main__, draw
from models.training.subjects import SUBJECTS


@pytest.mark.parametrize("name", sorted(SUBJECTS))
def test_pictures_and_captions_are_written_and_the_seed_repeats_them(name: str, tmp_path: Path) -> None:
    arguments = [name, "--count", "7", "--seed", "9", "--out"]
    for folder in ("one", "two"):
        draw.main([*arguments, str(tmp_path / folder)])
    captions = json.loads((tmp_path / "one" / draw.CAPTIONS).read_text(encoding="utf-8"))
    assert sorted(captions) == [f"{number:04}.png" for number in range(7)]
    assert all(captions.values())
    for file in captions:
        with Image.open(tmp_path / "one" / file) as picture:
            assert (*picture.size,) in [size[:2] for size in SUBJECTS[name].sizes]
    with Image.open(tmp_path / "one" / draw.SHEET) as sheet:
        assert sheet.width > 1_000
    one, two = ({file.name: file.read_bytes() for file in (tmp_path / f).iterdir()} for f in ("one", "two"))
    assert one == two


def test_another_seed_draws_others(tmp_path: Path) -> None:
    for seed in ("1", "2"):
        draw.main(["background", "--count", "3", "--seed", seed, "--out", str(tmp_path / seed)])
    one, two = ((tmp_path / seed / draw.CAPTIONS).read_text() for seed in ("1", "2"))
    assert one != two


@pytest.mark.parametrize(
    ("count", "what"), [("0", "--count"), ("10001", "--count"), ("1", "not an empty folder")]
)
def test_what_cannot_be_drawn_is_refused_and_nothing_is_overwritten(
    count: str, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / draw.CAPTIONS).write_text("mine")
    with pytest.raises(SystemExit):
        draw.main(["background", "--count", count, "--out", str(tmp_path)])
    assert what in capsys.readouterr().err
    assert (tmp_path / draw.CAPTIONS).read_text() == "mine"


def test_it_is_a_word_of_the_training_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["draw", "background", "--count", "2", "--out", str(tmp_path / "d")]
    monkeypatch.setattr("sys.argv", ["models.training", *words])
    __main__.main()
    assert "wrote 2 pictures" in capsys.readouterr().out
    assert len(list((tmp_path / "d").iterdir())) == 4


@pytest.mark.parametrize("word", ["evaluate", "judges", "model_card"])
def test_so_are_the_others(
    word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["models.training", word, "--help"])
    with pytest.raises(SystemExit) as ended:
        __main__.main()
    assert ended.value.code == 0
    assert f"models.training.{word}" in capsys.readouterr().out
