"""Pipelines that read a list of pictures: with none and with two, by seed, and with a prompt that is cut."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from gill_bench.errors import InputError
from tests.models.any_pipeline.conftest import describe, load, paint
from tests.support.tiny_picture_pipelines import WRITERS, write_qwen_image_21

RED, BLUE = (Image.new("RGB", size, colour) for size, colour in (((96, 72), "red"), ((64, 128), "blue")))
CUT = {"max_sequence_length": 256}
"""The template of FLUX.2 leaves some words of it for the prompt, in the tokens of a tiny vocabulary."""
TRIED: dict[str, tuple[dict[str, int], str | None]] = {
    "Flux2Pipeline": (CUT, "tokenizer 256"),
    "Flux2KleinKVPipeline": ({**CUT, "num_inference_steps": 2}, "tokenizer 256"),
    "QwenImage21Pipeline": ({}, None),
    "JoyImageEditPlusPipeline": ({}, "tokenizer 4096"),
}
"""Settings by class, and the limit that rows show. Klein-KV reads pictures again in its second step, from a cache."""
LIKE_OTHERS = {"Flux2Pipeline", "JoyImageEditPlusPipeline"}
"""Pipelines that read as another one does, with another encoder: `make test-all` tries them."""


def test_every_pipeline_of_picture_lists_is_tried() -> None:
    assert set(TRIED) == set(WRITERS)


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.slow) if kind in LIKE_OTHERS else kind for kind in TRIED]
)
def test_pictures_depend_on_text_picture_order_and_seed_and_cut_prompts_are_marked(
    kind: str, folder: Callable[[str], Path]
) -> None:
    given, reads = TRIED[kind]
    settings = {"height": 32, "width": 32, **given}
    known = describe(folder(kind), **settings)
    assert (known.settings["images"], known.facts.get("reads"), set(known.cannot.values())) == ("list", reads, {""})
    model = load(folder(kind), **settings)
    text, other_seed, pictures, swapped = (
        paint(model, *segments, seed=seed)
        for segments, seed in (
            (("a dog",), 1),
            (("a dog",), 2),
            (("a dog", RED, "runs", BLUE), 1),
            (("a dog", BLUE, "runs", RED), 1),
        )
    )
    assert len({text[0], other_seed[0], pictures[0], swapped[0]}) == 4
    assert paint(model, "a dog", RED, "runs", BLUE) == pictures
    assert not any(picture[1] for picture in (text, other_seed, pictures, swapped))
    cut = "max_sequence_length" in given
    long = [paint(model, "dog " * 300 + last) for last in ("cat", "red")]
    assert [picture[1] for picture in long] == [cut] * 2
    assert (long[0] == long[1]) == cut


def test_steps_that_the_index_fixes_are_shown_and_cannot_be_set(tmp_path: Path) -> None:
    path = write_qwen_image_21(tmp_path / "fixed", sigmas=[1.0, 0.5])
    with pytest.raises(InputError, match=r"num_inference_steps = 1 would do nothing: .* fixes 2 steps"):
        describe(path)
    assert describe(path, num_inference_steps=None).settings["num_inference_steps"] == 2
    model = load(path, num_inference_steps=None, height=32, width=32)
    paint(model, "a dog")
    assert model.pipeline.num_timesteps == 2
