"""Finding and checking pictures."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from gill_bench.datasets import Picture
from gill_bench.datasets.pictures import check_pictures, index_pictures, repeated_content


def test_the_choice_among_equal_ids_does_not_depend_on_the_file_system(tmp_path: Path) -> None:
    for name in ("first/7.jpg", "first/7.png", "first/7.txt", "second/7.png", "second/8.GIF"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    pictures = index_pictures([tmp_path / "absent", tmp_path / "first", tmp_path / "second"])
    assert pictures == {"7": tmp_path / "first/7.png", "8": tmp_path / "second/8.GIF"}


def test_every_way_in_which_a_picture_can_be_unusable_has_a_reason(tmp_path: Path) -> None:
    whole = tmp_path / "whole.png"
    Image.effect_noise((64, 64), 50).save(whole)
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:900])
    (tmp_path / "empty.png").touch()
    (tmp_path / "folder.png").mkdir()
    names = ("whole", "text", "cut", "empty", "folder", "gone")
    steps: list[int] = []
    checked = check_pictures(
        [*(Picture(n, tmp_path / f"{n}.png") for n in names), Picture("never", None)], steps.append
    )
    problems = {name: bool(picture.problem) for name, picture in checked.items()}
    assert problems == {**dict.fromkeys(names, True), "never": True, "whole": False}
    assert "not a picture" in checked["text"].problem
    assert "damaged" in checked["cut"].problem
    assert checked["never"].problem == "picture is not in the data folder"
    assert all(bool(picture.sha256) != bool(picture.problem) for picture in checked.values())
    assert sum(steps) == 7


def test_repeated_content_is_found(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        Image.new("RGB", (4, 4), "red" if name != "c" else "blue").save(tmp_path / f"{name}.png")
    checked = check_pictures([Picture(name, tmp_path / f"{name}.png") for name in ("a", "b", "c")])
    assert repeated_content(checked) == [["a", "b"]]
