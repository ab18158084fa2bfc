"""The contexts of data sets of one's own: which parts of an example a prompt takes, and in which wording."""

from __future__ import annotations

import pytest

from gill_bench.datasets import Example, Picture, prompts
from gill_bench.datasets.controls import controls_of, parse_context
from gill_bench.datasets.prompt_contexts import last_parts, turns_of
from gill_bench.errors import InputError

P, Q, TARGET = (Picture(name, None) for name in ("p", "q", "t"))
EXAMPLE = Example("e", "e", turns_of(["a", P, "b", "c", Q], TARGET), TARGET)
SEGMENTS = {"caption_join": "segments"}


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("full", ("a", P, "b", "c", Q)),
        ("texts", ("a", "b", "c")),
        ("images", (P, Q)),
        ("1-text", ("c",)),
        ("1-image", (Q,)),
        ("2-texts-1-image", ("b", "c", Q)),
        ("1-text-2-images", (P, "c", Q)),
        ("9-texts-9-images", ("a", P, "b", "c", Q)),
    ],
)
def test_a_context_takes_the_last_parts_in_their_order(name: str, parts: tuple[str | Picture, ...]) -> None:
    assert last_parts(name).name == name
    assert last_parts(name).segments(EXAMPLE, SEGMENTS) == parts


@pytest.mark.parametrize("name", ["0-texts", "1000-texts", "texts-1", "2-images-1-text", "fulll", ""])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"expected full, texts, images, \{n\}-texts"):
        last_parts(name)


def test_the_last_text_is_a_question_and_a_prompt_may_end_with_words() -> None:
    words = {"question_prompt": "dialog", "caption_prompt": "Answer:"}
    assert last_parts("full").segments(EXAMPLE, words) == ("a", P, "b Q: c\nA:", Q, "Answer:")
    assert last_parts("images").segments(EXAMPLE, {"caption_prompt": "A picture of"}) == (P, Q, "A picture of")
    without = Example("e", "e", turns_of(["a"], None))
    assert last_parts("images").segments(without, {"caption_prompt": "A picture of"}) == ()


def test_controls_change_texts_and_pictures() -> None:
    names = [control.name for control in controls_of(last_parts("full"))]
    assert names == [
        f"full@{name}"
        for name in ("foreign-texts", "foreign-images", "shuffled", "blank-images", "no-texts", "no-images")
    ]
    assert parse_context(prompts, "full@no-images").segments(EXAMPLE, SEGMENTS) == ("a", "b", "c")
    assert (
        next(control.name for control in controls_of(prompts.context("1-text-1-image")))
        == "1-text-1-image@foreign-text"
    )
