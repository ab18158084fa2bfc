"""COCO's captions: the file, captioning, and the sample for FID."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gill_bench.datasets import Example, Picture, coco_captions, coco_pairs
from gill_bench.datasets.coco import CocoCaption, read_coco
from gill_bench.errors import InputError
from gill_bench.mini.writers import coco as mini
from tests.support.small_data import CAPTIONS, edit, touch, write_coco


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    return write_coco(tmp_path / "coco")


def test_images_in_the_order_of_the_file_with_their_captions(coco: Path) -> None:
    images = read_coco(coco, "val2014")
    assert [image.id for image in images] == [42, 7, 300]
    assert images[1].captions == (CocoCaption(201, "caption 2 of 7 . \n"), CocoCaption(101, "caption 1 of 7 . \n"))
    assert images[1].picture == Picture("7", coco / "val2014" / "COCO_val2014_000000000007.jpg")
    assert images[2].picture == Picture("300", None)


@pytest.mark.parametrize("layout", ["val2014", "images/val2014", "images"])
def test_pictures_and_captions_of_coco_are_found_in_every_layout(coco: Path, layout: str) -> None:
    shutil.move(coco / "val2014", coco / "moved")
    (coco / layout).parent.mkdir(exist_ok=True)
    shutil.move(coco / "moved", coco / layout)
    shutil.move(coco / CAPTIONS, coco)
    assert sum(image.picture.file is not None for image in read_coco(coco, "val2014")) == 2


def test_pictures_may_be_a_link_out_of_the_folder(coco: Path, tmp_path: Path) -> None:
    shutil.move(coco / "val2014", tmp_path / "elsewhere")
    (coco / "val2014").symlink_to(tmp_path / "elsewhere")
    assert sum(image.picture.file is not None for image in read_coco(coco, "val2014")) == 2


WRONG: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no images": (lambda c: c.pop("images"), "key 'images': expected a list"),
    "empty": (lambda c: c["images"].clear(), "images: the list is empty"),
    "an image that is text": (lambda c: c["images"].__setitem__(1, "7"), r"images\[1\]: expected an object"),
    "an id that is text": (lambda c: c["images"][1].update(id="7"), r"images\[1\].id: expected an integer, found '7'"),
    "an id twice": (lambda c: c["images"][1].update(id=42), r"images\[1\].id: 42 is the id of an earlier image"),
    "no file name": (lambda c: c["images"][1].pop("file_name"), r"images\[1\].file_name: the field is missing"),
    "a way out": (
        lambda c: c["images"][1].update(file_name="../7.jpg"),
        r"images\[1\].file_name: '../7.jpg' leaves the folder",
    ),
    "an absolute way": (
        lambda c: c["images"][1].update(file_name="/7.jpg"),
        r"images\[1\].file_name: '/7.jpg' leaves the folder",
    ),
    "no annotations": (lambda c: c.pop("annotations"), "key 'annotations': expected a list"),
    "a caption of nothing": (
        lambda c: c["annotations"][2].update(image_id=8),
        r"annotations\[2\].image_id: no image has the id 8",
    ),
    "a caption's id twice": (
        lambda c: c["annotations"][2].update(id=200),
        r"annotations\[2\].id: 200 is the id of an earlier caption",
    ),
    "a caption of blanks": (
        lambda c: c["annotations"][2].update(caption=" \n"),
        r"annotations\[2\].caption: expected text",
    ),
    "half of a surrogate pair": (
        lambda c: c["annotations"][2].update(caption="a \udc00"),
        r"annotations\[2\].caption: half of a surrogate pair",
    ),
    "an image without captions": (
        lambda c: c["annotations"].__delitem__(slice(2, None, 3)),
        "1 images have no caption, the first with id 300",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_malformed_files_are_named_with_record_and_field(coco: Path, name: str) -> None:
    change, message = WRONG[name]
    edit(coco / CAPTIONS, change)
    with pytest.raises(InputError, match=message) as caught:
        read_coco(coco, "val2014")
    assert str(coco / CAPTIONS) in str(caught.value)


def test_coco_without_any_picture_is_refused(coco: Path) -> None:
    shutil.rmtree(coco / "val2014")
    touch(coco / "val2014", ["another.jpg"])
    with pytest.raises(InputError, match=r"no pictures of split 'val2014'; looked in coco/val2014/, coco/images/val20"):
        read_coco(coco, "val2014")


def test_another_split_of_coco_is_offered(coco: Path) -> None:
    with pytest.raises(InputError, match=r"no annotations/captions_val2017.json; there is val2014: choose with"):
        read_coco(coco, "val2017")


def test_the_captioning_reader_has_one_example_an_image(coco: Path) -> None:
    examples = coco_captions.load(coco, "val2014", {}).examples
    assert [example.id for example in examples] == ["42", "7", "300"]
    assert examples[0].answers == ("caption 2 of 42 . \n", "caption 1 of 42 . \n")
    assert examples[0].target is None
    context = coco_captions.context("caption")
    assert context.inputs == {"text", "image"}
    picture = examples[0].turns[0].picture
    assert context.segments(examples[0], {}) == (picture, "A picture of")
    assert context.segments(examples[0], {"caption_prompt": "a photo of"}) == (picture, "a photo of")
    assert context.segments(examples[0], {"caption_prompt": ""}) == (picture,)
    with pytest.raises(InputError, match="did you mean 'caption'"):
        coco_captions.context("captions")


def test_the_published_captions_of_2017_are_read_whole(real_data: Path) -> None:
    examples = coco_captions.load(real_data / "coco", "val2017", {}).examples
    assert len(examples) == 5000
    assert sum(len(example.answers) for example in examples) == 25014
    assert examples[0].id == "397133"
    assert examples[0].answers[0] == "A man is in a kitchen making pizzas."
    there = [picture for example in examples for picture in example.pictures if picture.file is not None]
    assert 0 < len(there) == len(list((real_data / "coco" / "val2017").iterdir()))


def sampled(folder: Path, split: str, **options: int | str) -> list[Example]:
    return list(coco_pairs.load(folder, split, options).examples)


def test_a_sample_has_one_caption_of_each_of_so_many_images(real_data: Path) -> None:
    data = coco_pairs.load(real_data / "coco", "val2017", {"captions": 1000})
    assert len({example.cluster for example in data.examples}) == len(data.examples) == 1000
    assert len(data.references) == 5000
    assert not data.warnings
    images = {str(image.id): image for image in read_coco(real_data / "coco", "val2017")}
    for example in data.examples:
        image = images[example.cluster]
        assert CocoCaption(int(example.id), example.turns[0].text) in [
            CocoCaption(caption.id, caption.text.strip()) for caption in image.captions
        ]
        assert example.target == image.picture


def test_the_sample_of_pairs_is_the_documented_one(coco: Path) -> None:
    edit(coco / CAPTIONS, lambda content: [content[key].reverse() for key in ("images", "annotations")])
    rng = random.Random(5)
    images = rng.sample([7, 42, 300], 2)
    captions = [rng.choice({7: [101, 201], 42: [100, 200], 300: [102, 202]}[image]) for image in images]
    examples = sampled(coco, "val2014", captions=2, sampling_seed=5)
    assert [(example.id, example.cluster) for example in examples] == [
        (str(caption), str(image)) for caption, image in zip(captions, images, strict=True)
    ]


def test_the_sample_of_the_published_captions_never_changes(real_data: Path) -> None:
    examples = sampled(real_data / "coco", "val2017", captions=3)
    assert [example.cluster for example in examples] == ["365098", "398905", "35682"]
    assert sampled(real_data / "coco", "val2017", captions=3, sampling_seed=1) != examples


def test_references_are_all_images_or_those_of_the_sampled_captions(coco: Path) -> None:
    full = coco_pairs.load(coco, "val2014", {"captions": 1})
    matched = coco_pairs.load(coco, "val2014", {"captions": 1, "references": "matched"})
    assert [picture.id for picture in full.references] == ["42", "7", "300"]
    assert [picture.id for picture in matched.references] == [example.cluster for example in matched.examples]
    with pytest.raises(InputError, match="references = 'match'; did you mean 'matched'"):
        coco_pairs.load(coco, "val2014", {"references": "match"})


def test_more_captions_than_images_are_reduced_with_a_warning(coco: Path) -> None:
    data = coco_pairs.load(coco, "val2014", {})
    assert {example.cluster for example in data.examples} == {"7", "42", "300"}
    assert data.warnings == (
        "30000 captions of distinct images were asked for, but there are 3 images: one of each is taken",
    )
    everything = coco_pairs.load(coco, "val2014", {"captions": 0})
    assert everything.examples == data.examples
    assert not everything.warnings


def test_the_prompt_is_the_caption_without_blanks_around_it(coco: Path) -> None:
    for example in sampled(coco, "val2014"):
        (prompt,) = coco_pairs.context("caption").segments(example, {})
        assert prompt in (f"caption 1 of {example.cluster} .", f"caption 2 of {example.cluster} .")


def test_coco_of_the_mini_world_is_complete(world: Path) -> None:
    folder = world / "coco"
    captioned = coco_captions.load(folder, "val2017", {}).examples
    assert len(captioned) == mini.COUNTS["val"]
    assert {len(example.answers) for example in captioned} == {5}
    pairs = coco_pairs.load(folder, "val2014", {"captions": 50})
    assert len(pairs.examples) == 50
    assert all(picture.file is not None for picture in pairs.references)
