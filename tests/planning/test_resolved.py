"""The digest of an example covers all that a model is given for the example."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gill_bench.cards.find import Cards
from gill_bench.datasets import Example
from gill_bench.planning.resolve import read_task, resolve_task
from gill_bench.storage.digests import digest


class OwnTexts:
    """A context whose prompt is the example's own texts."""

    name = "said"
    inputs = frozenset({"text"})
    asks = None

    def segments(self, example: Example, prompt: object) -> tuple[str, ...]:
        return example.answers


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("a dog runs", False),
        ("a <s mall> dog [IMG] <pad | s>", False),
        ("the end </s>", True),
        ("<|endoftext|>", True),
        ("a [img3] dog", True),
        ("[RET]", True),
        ("<extra_id_7>", True),
    ],
)
def test_outputs_of_texts_with_control_tokens_are_made_anew(text: str, marked: bool) -> None:
    """Earlier versions read them as control: what they stored is of other prompts. Other texts keep their digests."""
    task = read_task(resolve_task(Cards().task("vist"), data="mini", split=None, settings={}), data="mini", limit=1)
    example = replace(task.examples[0], answers=(text,))
    assert (task.example_digest(example, OwnTexts(), 0) != digest([text])) == marked
