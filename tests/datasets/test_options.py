"""Values of a card's tables."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gill_bench.cards.find import Cards, TaskCard, Value
from gill_bench.datasets import dataset
from gill_bench.datasets.options import Choice, Count, Text
from gill_bench.errors import InputError
from gill_bench.planning.resolve import resolve_task

ORDER = Choice("order", ("file", "shuffled"))


def test_an_option_has_its_default_or_the_value_of_the_card() -> None:
    assert ORDER.of({}) == "file"
    assert ORDER.of({"order": "shuffled"}) == "shuffled"
    assert Count("train", 600).of({}) == 600
    assert Count("train", 600).of({"train": 0}) == 0
    assert Text("caption_prompt", "A picture of").of({}) == "A picture of"
    assert Text("caption_prompt", "A picture of").of({"caption_prompt": ""}) == ""


@pytest.mark.parametrize("value", ["shufled", "", 1, True])
def test_an_option_with_a_name_that_is_not_allowed_is_refused(value: Value) -> None:
    with pytest.raises(InputError, match=r"order = .*'shuffled'"):
        ORDER.of({"order": value})


@pytest.mark.parametrize("value", [-1, 1.0, True, "600"])
def test_an_option_that_is_no_count_is_refused(value: Value) -> None:
    with pytest.raises(InputError, match=r"train = .*expected a whole number, 0 or more"):
        Count("train", 600).of({"train": value})


def test_an_option_that_is_no_text_is_refused() -> None:
    with pytest.raises(InputError, match="caption_prompt = 3; expected a text"):
        Text("caption_prompt", "").of({"caption_prompt": 3})


@pytest.mark.parametrize("card", Cards().tasks(), ids=lambda card: card.name)
def test_readers_list_the_settings_of_their_cards(card: TaskCard) -> None:
    listed = {option.key for option in getattr(dataset(card.data.format), "OPTIONS", ())}
    assert set(card.data.options) - {"unreadable"} == listed
    unset = {option.key for option in getattr(dataset(card.data.format), "PROMPT", ())} - set(card.prompt)
    assert unset <= {"dialog_prompt"}


def test_a_prompt_setting_that_the_card_leaves_out_is_in_no_recipe_until_it_is_set() -> None:
    def prompt(**settings: Value) -> Mapping[str, Value]:
        return resolve_task(Cards().task("visdial-answers"), data="mini", split=None, settings=settings).prompt

    assert set(prompt()) == set(Cards().task("visdial-answers").prompt)
    assert prompt(dialog_prompt="Answer.\n{}")["dialog_prompt"] == "Answer.\n{}"
    with pytest.raises(InputError, match=r"dialog_prompt = .*; .*one \{\}"):
        prompt(dialog_prompt="Answer.")


@pytest.mark.parametrize(
    ("task", "key", "message"),
    [
        ("vist", "stories", "vist: stories = 'wrong'; .*'all-pictures'"),
        ("vist", "caption_join", "vist: caption_join = 'wrong'; .*'space'"),
        ("coco-fid", "references", "coco-fid: references = 'wrong'; .*'full'"),
        ("vqav2", "question_prompt", "vqav2: question_prompt = 'wrong'; .*'dialog'"),
    ],
)
def test_planning_checks_the_settings_that_readers_list(task: str, key: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        resolve_task(Cards().task(task), data="mini", split=None, settings={key: "wrong"})
