"""The adapter's inner numbers are those of the plain reference, for prompts alone and in batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gill_bench.errors import InputError
from gill_bench.interfaces import (
    Decider,
    ImageGenerator,
    ImageRetriever,
    Noise,
    TextGenerator,
    TextScorer,
)
from gill_bench.models.gill import Settings
from gill_bench.models.gill.model import Gill
from gill_bench.models.interleaved import prompt_reader
from gill_bench.prompt import Prompt
from tests.models.gill.reference import Reference, close

# Positions in one pass of the language model: a prompt by itself, two or three of them, all.
PASSES = pytest.mark.parametrize("positions", [1, pytest.param(150, marks=pytest.mark.slow), 8192])


def test_gill_has_every_capability(gill: Gill) -> None:
    for protocol in (ImageGenerator, ImageRetriever, TextGenerator, TextScorer, Decider):
        assert isinstance(gill, protocol)


@PASSES
def test_states_conditioning_and_embeddings_are_those_of_the_reference(
    gill: Gill, reference: Reference, prompts: list[Prompt], positions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt_reader, "POSITIONS", positions)
    close(gill.image_token_states(prompts), torch.stack([reference.image_states(p) for p in prompts]))
    close(gill.conditioning(prompts), torch.stack([reference.conditioning(p) for p in prompts]))
    queries = torch.from_numpy(gill.embed_prompts(prompts))
    close(queries, torch.stack([reference.query(p) for p in prompts]))
    assert queries.dtype == torch.float32
    features = gill.decision_features(prompts)
    close(torch.from_numpy(features), gill.image_token_states(prompts)[:, 0].clone())


@PASSES
def test_scores_of_texts_are_those_of_the_reference(
    gill: Gill, reference: Reference, prompts: list[Prompt], positions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt_reader, "POSITIONS", positions)
    scored = [p for p in prompts if p.segments != ("", p.segments[-1])]
    close(gill.mean_log_likelihood(scored), [reference.log_likelihood(p) for p in scored])
    continuations = [" red", "", "\n", " a large one .", "x", " is", " it moves", "no"]
    expected = [reference.score(p, c) for p, c in zip(prompts, continuations, strict=True)]
    close(gill.score_texts(prompts, continuations), expected)


@PASSES
def test_greedy_texts_are_those_of_the_reference(
    gill: Gill, reference: Reference, prompts: list[Prompt], positions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt_reader, "POSITIONS", positions)
    expected = [reference.tokenizer.decode(reference.greedy(p, 6), skip_special_tokens=True) for p in prompts]
    assert gill.generate_texts(prompts, 6) == expected
    assert all("[IMG" not in text for text in expected)


def test_texts_end_before_a_stop_string(gill: Gill, prompts: list[Prompt]) -> None:
    whole = gill.generate_texts(prompts, 6)
    stop = [text[2:4] for text in whole]
    cut = gill.generate_texts(prompts, 6, stop)
    for text, short in zip(whole, cut, strict=True):
        assert text.startswith(short)
        assert not any(part in short for part in stop if part)
    assert gill.generate_texts(prompts, 0) == [""] * len(prompts)


def test_embeddings_of_pictures_of_any_size_are_those_of_the_reference(gill: Gill, reference: Reference) -> None:
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (h, w, 3), np.uint8)) for h, w in ((32, 32), (5, 90), (200, 33))]
    images.append(images[1].quantize(16))
    expected = torch.stack([reference.candidate(image) for image in images])
    close(torch.from_numpy(gill.embed_images(images)), expected)
    assert gill.embed_images([]).shape == (0, 32)


def test_without_squash_clip_resizes_and_crops(weights: dict[str, Path], folder: Path) -> None:
    kept = {name: path for name, path in weights.items() if name != "image_decoder"}
    gill = Gill.load(kept, Settings(input_resize="clip"), "cpu")
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 96, 3), np.uint8))
    expected = Reference(folder, crop=True).candidate(image)
    close(torch.from_numpy(gill.embed_images([image]))[0], expected)
    assert gill.pipeline is None
    with pytest.raises(InputError, match="without an image decoder"):
        gill.generate_images([Prompt(("a",))], [[Noise(0)]])


def test_pictures_are_generated_from_the_conditioning(gill: Gill, prompts: list[Prompt]) -> None:
    noise = [[Noise(1), Noise(2)], [Noise(1)], []]
    groups = gill.generate_images(prompts[:3], noise)
    assert [len(group) for group in groups] == [2, 1, 0]
    arrays = [np.asarray(item.image, dtype=float) for group in groups for item in group]
    assert arrays[0].shape == (32, 32, 3)
    first = [np.abs(arrays[0] - other).mean() for other in arrays[1:]]
    assert min(first) > 5, "other noise and other prompts give visibly other pictures"


def test_a_prompt_without_text_ends_in_bos(gill: Gill, prompts: list[Prompt]) -> None:
    picture = prompts[1].images[0]
    close(
        gill.image_token_states([Prompt((picture,))]),
        gill.image_token_states([Prompt((picture, ""))]),
    )
    with pytest.raises(InputError, match="prompt 1: has no text to score"):
        gill.mean_log_likelihood([Prompt(("a b",)), Prompt((picture,))])


def test_a_prompt_that_is_too_long_is_refused(gill: Gill) -> None:
    long = Prompt(("red " * 2100,))
    for ask in (
        lambda: gill.conditioning([Prompt(("a",)), long]),
        lambda: gill.mean_log_likelihood([Prompt(("a",)), long]),
        lambda: gill.score_texts([Prompt(("a",)), long], ["b", "c"]),
        lambda: gill.generate_texts([Prompt(("a",)), long], 3),
    ):
        with pytest.raises(InputError, match=r"prompt 1: \d+ tokens .* reads at most 2048"):
            ask()


def test_results_do_not_depend_on_the_global_generator(gill: Gill, prompts: list[Prompt]) -> None:
    before = torch.random.get_rng_state()
    first = gill.conditioning(prompts[:2])
    assert torch.equal(first, gill.conditioning(prompts[:2]))
    assert torch.equal(before, torch.random.get_rng_state())
