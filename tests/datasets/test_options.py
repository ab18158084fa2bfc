"""Values of a card's tables."""

from __future__ import annotations

import pytest

from gill_bench.cards.find import Value
from gill_bench.datasets.options import choice, count, text
from gill_bench.errors import InputError


def test_defaults_and_values() -> None:
    assert choice({}, "order", ("file", "shuffled")) == "file"
    assert choice({"order": "shuffled"}, "order", ("file", "shuffled")) == "shuffled"
    assert count({}, "train", 600) == 600
    assert count({"train": 0}, "train", 600) == 0
    assert text({}, "caption_prompt", "A picture of") == "A picture of"
    assert text({"caption_prompt": ""}, "caption_prompt", "A picture of") == ""


@pytest.mark.parametrize("value", ["shufled", "", 1, True])
def test_a_name_that_is_not_allowed(value: Value) -> None:
    with pytest.raises(InputError, match=r"order = .*'shuffled'"):
        choice({"order": value}, "order", ("file", "shuffled"))


@pytest.mark.parametrize("value", [-1, 1.0, True, "600"])
def test_what_is_no_count(value: Value) -> None:
    with pytest.raises(InputError, match=r"train = .*expected a whole number, 0 or more"):
        count({"train": value}, "train", 600)


def test_what_is_no_text() -> None:
    with pytest.raises(InputError, match="caption_prompt = 3; expected a text"):
        text({"caption_prompt": 3}, "caption_prompt", "")
