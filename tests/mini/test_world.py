"""The world: exact pictures, splits that share nothing, stories that leave open what they should, official formats."""

from __future__ import annotations

import csv
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gill_bench.datasets.partiprompts import label_of
from gill_bench.datasets.sis import load
from gill_bench.mini.embedded import world_folder
from gill_bench.mini.grammar import caption, captions, describe, double_scene, sequence, single_scenes, story
from gill_bench.mini.scene import BACKGROUNDS, COLOURS, POSITIONS, SHAPES, SIZES, Scene, Thing, split_of
from gill_bench.mini.world import write_world
from tests.support.mini import digests

things = st.builds(
    Thing,
    st.sampled_from(SHAPES),
    st.sampled_from(list(COLOURS)),
    st.sampled_from(list(SIZES)),
    st.sampled_from(list(POSITIONS)),
)
scenes = st.builds(Scene, st.sampled_from(list(BACKGROUNDS)), things, st.none() | things)


@pytest.fixture(scope="module")
def world() -> Path:
    """The world as this session of tests, or one before it, has written it."""
    return world_folder()


def pixels(scene: Scene) -> Any:
    return np.asarray(scene.render(), dtype=int)


@given(scenes)
def test_a_picture_is_a_function_of_its_description(scene: Scene) -> None:
    again = Scene(scene.background, Thing(*_values(scene.thing)), scene.other)
    assert pixels(scene).shape == (32, 32, 3)
    assert (pixels(scene) == pixels(again)).all()


@given(scenes, scenes)
def test_different_scenes_look_different(first: Scene, second: Scene) -> None:
    if first.other is None and second.other is None and first != second:
        assert np.abs(pixels(first) - pixels(second)).max() > 10


def test_pictures_are_the_same_on_every_machine() -> None:
    scene = Scene("grass", Thing("ring", "pink", "large", "middle"), Thing("cross", "blue", "small", "top left"))
    assert [tuple(pixels(scene)[y, x].tolist()) for y, x in ((16, 16), (16, 10), (8, 8))] == [
        (90, 165, 75),
        (250, 150, 190),
        (50, 80, 220),
    ]


def test_every_scene_is_in_one_split_and_every_split_has_many() -> None:
    counts = {split: len(single_scenes(split)) for split in ("train", "val", "test")}
    assert sum(counts.values()) == len(SHAPES) * len(COLOURS) * len(SIZES) * len(POSITIONS) * len(BACKGROUNDS)
    assert min(counts.values()) > 400
    for split in counts:
        kinds = {scene.kind for scene in single_scenes(split)}
        assert {word for kind in kinds for word in kind.split()} >= {*SHAPES, *COLOURS, *SIZES, *BACKGROUNDS}


@given(st.integers(0, 10**6), st.sampled_from(["train", "val", "test"]))
def test_drawn_scenes_are_of_their_split(seed: int, split: str) -> None:
    rng = random.Random(seed)
    scenes_of_story = sequence(rng, split)
    assert {split_of(scene) for scene in (*scenes_of_story, double_scene(rng, split))} == {split}
    assert len({scene.thing.position for scene in scenes_of_story}) == 5
    assert len({scene.kind for scene in scenes_of_story}) == 1


@given(st.integers(0, 10**6))
def test_a_story_leaves_open_what_it_should(seed: int) -> None:
    rng = random.Random(seed)
    scenes_of_story = sequence(rng, "train")
    first, *middle, last = story(scenes_of_story, rng)
    thing = scenes_of_story[-1].thing
    assert thing.name in first
    for word in (thing.shape, thing.colour, thing.size):
        assert word not in last.split()
    assert thing.position in last
    assert not set(BACKGROUNDS) & set(" ".join([first, *middle, last]).split())


@given(scenes, st.integers(0, 10**6))
def test_texts_about_a_scene_are_true(scene: Scene, seed: int) -> None:
    rng = random.Random(seed)
    said = {*captions(scene, rng, 5), caption(scene, rng), describe(scene)}
    others = set(BACKGROUNDS) - {scene.background}
    assert not others & set(" ".join(said).split())
    assert len(set(captions(scene, rng, 5))) == 5


SMALL = ("visdial", "partiprompts")


@pytest.fixture
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The world's small parts alone are written."""
    for name in ("vist", "cc3m", "coco", "vqa"):  # most of the pictures, and of the time
        monkeypatch.setattr(f"gill_bench.mini.world.write_{name}", lambda *_: None)


@pytest.mark.slow
def test_the_mini_world_of_a_seed_has_the_same_bytes(world: Path, tmp_path: Path) -> None:
    write_world(tmp_path / "again")
    assert digests(tmp_path / "again") == digests(world)


@pytest.mark.usefixtures("_small_parts")
def test_parts_of_the_mini_world_of_a_seed_have_the_same_bytes(world: Path, tmp_path: Path) -> None:
    write_world(tmp_path / "again")
    for name in SMALL:
        assert digests(tmp_path / "again" / name) == digests(world / name) != {}


@pytest.mark.usefixtures("_small_parts")
def test_another_seed_gives_another_mini_world(world: Path, tmp_path: Path) -> None:
    write_world(tmp_path / "other", seed=1)
    for name in SMALL:
        assert digests(tmp_path / "other" / name) != digests(world / name)


def test_a_mini_world_that_another_process_wrote_first_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def meanwhile(*_: object) -> None:
        (tmp_path / "world").mkdir()
        (tmp_path / "world" / "theirs").touch()

    for name in ("vist", "cc3m", "coco", "vqa", "visdial"):
        monkeypatch.setattr(f"gill_bench.mini.world.write_{name}", lambda *_: None)
    monkeypatch.setattr("gill_bench.mini.world.write_partiprompts", meanwhile)
    monkeypatch.setattr("gill_bench.mini.world.shutil.rmtree", lambda *_, **__: None)
    monkeypatch.setattr(Path, "rename", _refuse)
    write_world(tmp_path / "world")
    assert (tmp_path / "world" / "theirs").exists()


@pytest.mark.parametrize(("split", "stories"), [("val", 96), ("test", 48), ("test-large", 192)])
def test_stories_load_with_the_reader_of_real_ones(world: Path, split: str, stories: int) -> None:
    dataset = load(world / "vist", split, {})
    assert len(dataset.examples) == stories
    assert len({example.cluster for example in dataset.examples}) == stories // 2
    assert all(picture.file is not None for example in dataset.examples for picture in example.pictures)


def test_coco_of_the_mini_world_is_written_in_both_layouts(world: Path) -> None:
    for year, name in ((2014, "COCO_val2014_{:012d}.jpg"), (2017, "{:012d}.jpg")):
        caption_file = json.loads((world / "coco" / "annotations" / f"captions_val{year}.json").read_text())
        assert set(Counter(item["image_id"] for item in caption_file["annotations"]).values()) == {5}
        for image in caption_file["images"]:
            assert image["file_name"] == name.format(image["id"])
            assert (world / "coco" / f"val{year}" / image["file_name"]).is_file()
        instance_file = json.loads((world / "coco" / "annotations" / f"instances_val{year}.json").read_text())
        assert {item["category_id"] for item in instance_file["annotations"]} == {
            item["id"] for item in instance_file["categories"]
        }


def test_every_question_of_vqa_has_ten_answers(world: Path) -> None:
    question_records = json.loads((world / "vqav2" / "v2_OpenEnded_mscoco_val2014_questions.json").read_text())[
        "questions"
    ]
    annotated = json.loads((world / "vqav2" / "v2_mscoco_val2014_annotations.json").read_text())["annotations"]
    assert [item["question_id"] for item in question_records] == [item["question_id"] for item in annotated]
    for question, item in zip(question_records, annotated, strict=True):
        assert len(item["answers"]) == 10
        given_answers = Counter(answer["answer"] for answer in item["answers"])
        assert given_answers[item["multiple_choice_answer"]] >= 4
        assert (world / "vqav2" / "val2014" / f"COCO_val2014_{question['image_id']:012d}.jpg").is_file()


def test_visdial_has_ten_rounds_and_a_hundred_options(world: Path) -> None:
    file = world / "visdial" / "visdial_1.0_val.json"
    data = json.loads(file.read_text())["data"]
    dense = json.loads((world / "visdial" / "visdial_1.0_val_dense_annotations.json").read_text())
    assert [item["image_id"] for item in dense] == [item["image_id"] for item in data["dialogs"]]
    assert len(set(data["answers"])) == len(data["answers"]) >= 100
    for dialogue, annotated in zip(data["dialogs"], dense, strict=True):
        assert len(dialogue["dialog"]) == 10
        for record in dialogue["dialog"]:
            assert len(set(record["answer_options"])) == 100
            assert record["answer_options"][record["gt_index"]] == record["answer"]
        record = dialogue["dialog"][annotated["round_id"] - 1]
        assert annotated["gt_relevance"][record["gt_index"]] == 1.0
        assert 1 < sum(value > 0 for value in annotated["gt_relevance"]) < 10


def test_partiprompts_have_five_votes_and_the_label_that_follows(world: Path) -> None:
    folder = world / "partiprompts"
    with (folder / "PartiPromptsAllDecisions_Alignment.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    with (folder / "PartiPromptsDecisionsConfident.tsv").open() as file:
        labels = [row["Decision"] for row in csv.DictReader(file, delimiter="\t")]
    assert [label_of(row["Decisions"].split(",")) for row in rows] == labels
    assert {len(row["Decisions"].split(",")) for row in rows} == {5}
    assert min(Counter(labels).values()) > 30


def test_caption_pairs_name_their_pictures(world: Path) -> None:
    lines = (world / "cc3m" / "cc3m_val.tsv").read_text().splitlines()
    assert lines[0] == "caption\timage"
    for line in lines[1:]:
        text, image = line.split("\t")
        assert text
        assert (world / "cc3m" / "cc3m" / "validation" / image).is_file()


def _values(thing: Thing) -> tuple[str, str, str, str]:
    return thing.shape, thing.colour, thing.size, thing.position


def _refuse(*_: object) -> None:
    raise OSError(39, "Directory not empty")
