"""Control contexts: names, donors, orders, and what is left of a prompt."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gill_bench.cards.find import Cards
from gill_bench.datasets import Example, Picture, Turn, dataset
from gill_bench.datasets.controls import ControlContext, controls_of, parse_context, plain_of, shuffled
from gill_bench.datasets.donors import Donors
from gill_bench.datasets.parts import Part
from gill_bench.errors import InputError
from gill_bench.storage.names import name_problem
from tests.support.small_data import linked_folder

SEGMENTS = {"caption_join": "segments"}


def story(name: str, photos: str, captions: int = 5) -> Example:
    turns = tuple(Turn(f"{name}{n}", Picture(f"{photos}{n}", None)) for n in range(1, captions + 1))
    return Example(name, photos, turns, turns[-1].picture)


STORIES = [story("a", "p"), story("b", "p"), story("c", "q"), story("d", "r")]


def shown(reader: str, name: str, example: Example, prompt: Mapping[str, Any] = SEGMENTS) -> list[str]:
    context = parse_context(dataset(reader), name)
    if isinstance(context, ControlContext):
        assert context.problem(example, prompt) == ""
    return [part if isinstance(part, str) else part.id for part in context.segments(example, prompt)]


def with_donor(name: str, examples: list[Example] = STORIES) -> Example:
    """An example with its donor."""
    return next(example for example in Donors(examples).given_to(examples) if example.id == name)


def test_foreign_parts_are_those_of_the_donor_in_the_same_places() -> None:
    example = with_donor("a")
    donor = example.donor
    assert donor is not None
    d, p = donor.id, donor.cluster
    assert p != "p"
    pictures = shown("sis", "5-captions-4-images@foreign-images", example)
    assert pictures == ["a1", f"{p}1", "a2", f"{p}2", "a3", f"{p}3", "a4", f"{p}4", "a5"]
    captions = shown("sis", "2-captions-1-image@foreign-captions", example)
    assert captions == [f"{d}4", "p4", f"{d}5"]
    assert shown("sis", "2-captions@foreign-captions", example, {"caption_join": "space"}) == [f"{d}4 {d}5"]


def test_parts_that_a_control_leaves_out_are_gone_and_the_rest_stays() -> None:
    example = with_donor("a")
    assert shown("sis", "3-captions-2-images@no-images", example, {"caption_join": "space"}) == ["a3 a4 a5"]
    assert shown("sis", "3-captions-2-images@no-captions", example) == ["p3", "p4"]
    context = parse_context(dataset("sis"), "3-captions-2-images@no-captions")
    assert context.inputs == {"image"}
    assert parse_context(dataset("sis"), "3-captions-2-images@no-images").inputs == {"text"}
    question = Example("1", "1", (Turn("is it day?", Picture("7", None)),))
    assert shown("vqa", "question@no-image", question, {"question_prompt": "magma"}) == ["Q: is it day? A:"]
    assert shown("coco-captions", "caption@no-image", question, {}) == ["A picture of"]
    bare = parse_context(dataset("coco-captions"), "caption@no-image")
    assert isinstance(bare, ControlContext)
    assert "nothing is left of its prompt" in bare.problem(question, {"caption_prompt": ""})


def test_blank_pictures_stand_where_the_pictures_did() -> None:
    context = parse_context(dataset("sis"), "5-captions-4-images@blank-images")
    parts = context.segments(STORIES[0], SEGMENTS)
    assert [part for part in parts if isinstance(part, str)] == ["a1", "a2", "a3", "a4", "a5"]
    assert parts[1::2] == tuple(Picture(f"p{n}", None, blank=True) for n in range(1, 5))
    assert parts[1] != STORIES[0].turns[0].picture


@given(st.text(max_size=8), st.lists(st.sampled_from("abc"), min_size=2, max_size=7))
def test_an_order_is_never_the_same_and_loses_nothing(name: str, texts: list[str]) -> None:
    parts = [Part("caption", text) for text in texts]
    order = shuffled(name, parts)
    assert sorted(order) == list(range(len(texts)))
    assert order == shuffled(name, parts)
    moved = [texts[index] for index in order]
    assert (moved == texts) == (len(set(texts)) == 1)


def test_every_kind_keeps_its_places_and_the_order_depends_on_the_id_alone() -> None:
    orders = set()
    for name in "abcdefghij":
        example = story(name, "x")
        parts = shown("sis", "5-captions-4-images@shuffled", example)
        captions, pictures = [part.removeprefix(name) for part in parts[::2]], parts[1::2]
        assert sorted(captions) == list("12345") != captions
        assert sorted(pictures) == ["x1", "x2", "x3", "x4"] != pictures
        orders.add(tuple(captions))
    assert len(orders) > 5
    assert shown("sis", "2-captions-1-image@shuffled", STORIES[0]) == ["a5", "p4", "a4"]
    dialog = Example("1", "1", tuple(Turn(f"Q: {n}") for n in range(10)))
    assert sorted(shown("visdial", "3-rounds@shuffled", dialog)[0].split("\n")) == ["Q: 0", "Q: 1", "Q: 2"]
    assert shown("visdial", "3-rounds@shuffled", dialog) != shown("visdial", "3-rounds", dialog)


def test_an_example_in_which_a_control_changes_nothing_is_not_asked() -> None:
    picture = Picture("7", None)
    first = Example("1:1", "1", (Turn("Q: is it day?\nA: ", picture),), donor=with_donor("a"))
    same = Example("s", "s", (Turn("twice"), Turn("twice")))
    for reader, name, example, reason in (
        ("visdial-answers", "history@shuffled", first, "no two parts of one kind whose order could be changed"),
        ("visdial-answers", "history@foreign-rounds", first, "it has no rounds"),
        ("visdial-answers", "history@no-rounds", first, "it has no rounds"),
        ("sis", "2-captions@shuffled", same, "no two parts of one kind whose order could be changed"),
        ("sis", "5-captions@foreign-captions", STORIES[0], "no example of another cluster"),
    ):
        context = parse_context(dataset(reader), name)
        assert isinstance(context, ControlContext)
        assert reason in context.problem(example, {}), name


def test_donors_do_not_depend_on_the_order_or_on_who_is_asked() -> None:
    examples = [story(f"s{n}", f"p{n // 3}-") for n in range(60)]
    whole = {example.id: example.donor for example in Donors(examples).given_to(examples)}
    mixed = random.Random(3).sample(examples, 60)
    part = Donors(mixed).given_to(mixed[:7])
    assert {example.id: whole[example.id] for example in part} == {example.id: example.donor for example in part}
    chosen = [donor.id for donor in whole.values() if donor is not None]
    assert len(chosen) == 60
    assert len(set(chosen)) > 30  # not the same few for all


def test_donors_share_no_picture_and_have_as_many_turns() -> None:
    shared = story("e", "z")
    shared = Example(
        "e", "other-cluster", (*story("x", "y").turns[:4], STORIES[0].turns[4]), STORIES[0].turns[4].picture
    )
    short = story("f", "w", captions=3)
    examples = [STORIES[0], STORIES[1], shared, short]
    assert Donors(examples).of(STORIES[0]) is None
    assert Donors([*examples, STORIES[2]]).of(STORIES[0]) == STORIES[2]
    donor = Donors(examples).of(short)
    assert donor is not None
    assert donor.id in {"a", "b", "e"}
    assert Donors(STORIES[:2]).of(STORIES[0]) is None


@pytest.mark.parametrize(
    ("reader", "name", "answer"),
    [
        ("sis", "5-captions-4-images@foreign-imgaes", "did you mean 'foreign-images'"),
        ("sis", "5-captions@foreign-images", "5-captions has no control 'foreign-images'"),
        ("sis", "1-caption@shuffled", "1-caption has no control 'shuffled'"),
        ("sis", "5-captions@no-captions", "has no control 'no-captions'"),
        ("visdial", "10-rounds@forein-rounds", "did you mean 'foreign-rounds'"),
        ("vqa", "question@shuffled", "has no control 'shuffled'"),
        ("sis", "5-captions@shuffled@shuffled", "has no control"),
        ("sis", "5-captions@", "has no control ''"),
        ("sis", "5-captionz@shuffled", "unknown context '5-captionz'"),
    ],
)
def test_an_unknown_control_is_answered_with_the_nearest(reader: str, name: str, answer: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_context(dataset(reader), name)
    assert answer in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_names_of_control_contexts_are_canonical() -> None:
    for data, name, canonical in (
        ("sis", "5-captions-4-image@foreign-image", "5-captions-4-images@foreign-images"),
        ("sis", "2-captions-1-images@blank-images", "2-captions-1-image@blank-image"),
        ("vqa", "question@foreign-images", "question@foreign-image"),
        ("visdial", "1-round@foreign-rounds", "1-round@foreign-round"),
    ):
        assert parse_context(dataset(data), name).name == canonical
    for card in Cards().tasks():
        reader = dataset(card.data.format)
        for name in card.contexts.get("controls", ()):
            assert parse_context(reader, name).name == name
            assert name_problem(name) == ""
            assert not set(name) & set('<>:"/\\|?*')  # what Windows refuses in the name of a folder
            assert plain_of(parse_context(reader, name)).name in card.contexts["controls"]


class Own:
    """A context of a data set module that somebody else wrote, which knows nothing of parts."""

    name = "everything"
    inputs = frozenset({"text", "image"})
    asks = None

    def segments(self, example: Example, prompt: object) -> tuple[str | Picture, ...]:
        pictures = [turn.picture for turn in example.turns if turn.picture is not None]
        return (*pictures, *(turn.text for turn in example.turns))


def test_contexts_that_know_nothing_of_parts_have_controls_too() -> None:
    controls = {context.name.partition("@")[2]: context for context in controls_of(Own())}
    assert set(controls) == {
        "foreign-images", "foreign-texts", "shuffled", "blank-images", "no-images", "no-texts",
    }  # fmt: skip
    example = with_donor("a")
    assert example.donor is not None
    texts = tuple(turn.text for turn in example.turns)
    foreign = controls["foreign-images"].segments(example, {})
    assert foreign == (*(turn.picture for turn in example.donor.turns), *texts)
    assert controls["no-images"].segments(example, {}) == texts
    assert controls["shuffled"].segments(example, {})[5:] != texts


def test_the_controls_of_real_stories_and_dialogs_build_and_share_no_photo(real_data: Path, tmp_path: Path) -> None:
    linked_folder(
        real_data / "visdial", tmp_path / "visdial", ["VisualDialog_val2018/VisualDialog_val2018_000000239030.jpg"]
    )
    for task, folder, split, count in (
        ("vist", real_data / "vist", "test", 91),
        ("visdial", tmp_path / "visdial", "val", 97),
        ("visdial-answers", tmp_path / "visdial", "val", 970),
    ):
        card = Cards().task(task)
        reader = dataset(card.data.format)
        data = reader.load(folder, split, {})
        examples = Donors(data.examples).given_to(data.examples)
        assert len(examples) == count
        for name in card.contexts["controls"]:
            context = parse_context(reader, name)
            for example in examples:
                if isinstance(context, ControlContext) and task != "visdial-answers":
                    assert context.problem(example, card.prompt) == "", (name, example.id)
        for example in examples:
            assert example.donor is not None
            assert example.donor.cluster != example.cluster
            assert {p.id for p in example.pictures}.isdisjoint(p.id for p in example.donor.pictures)
        if task == "vist":
            # Compare shown pictures by the content of their files: no photo is the story's own under another name.
            context = parse_context(reader, "5-captions-4-images@foreign-images")
            for example in examples:
                own = {p.file.read_bytes() for p in example.pictures if p.file}
                foreign = [part for part in context.segments(example, card.prompt) if isinstance(part, Picture)]
                assert len(foreign) == 4
                assert all(part.file is not None and part.file.read_bytes() not in own for part in foreign)
