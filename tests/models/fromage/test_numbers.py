"""The adapter's numbers are those of the plain reference, for prompts alone and in batches."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from gill_bench.errors import InputError
from gill_bench.interfaces import ImageGenerator, ImageRetriever, TextGenerator, TextScorer
from gill_bench.models.fromage import Settings
from gill_bench.models.fromage.model import Fromage
from gill_bench.models.interleaved import prompt_reader
from gill_bench.models.interleaved.decoding import DecodingOptions
from gill_bench.prompt import Prompt
from tests.models.fromage.conftest import weights_of
from tests.models.fromage.reference import Reference

BATCHES = pytest.mark.parametrize("positions", [1, pytest.param(100, marks=pytest.mark.slow), 8192])
ANSWERS = ["yes", "", "no, it is red", "\n", " two", "it moves to the left"]


def close(actual: object, expected: object) -> None:
    assert_close(actual, expected, rtol=1e-5, atol=1e-5)


def test_fromage_retrieves_writes_and_scores_and_generates_no_pictures(fromage: Fromage) -> None:
    for protocol in (ImageRetriever, TextGenerator, TextScorer):
        assert isinstance(fromage, protocol)
    assert not isinstance(fromage, ImageGenerator)
    assert fromage.logit_scale == pytest.approx(2.65926)


def test_ret_is_the_last_token_and_pad_is_eos(folder: Path, fromage: Fromage) -> None:
    vocabulary = len(json.loads((folder / "opt-mini" / "vocab.json").read_text()))
    config = json.loads((folder / "opt-mini" / "config.json").read_text())
    # The sizes of OPT-6.7b: 50265 tokens, <|image|>, [RET] = 50266; the table shrinks from 50272 rows to 50267.
    assert fromage.tokens.image_ids == [vocabulary + 1]
    table = fromage.language.embed(range(vocabulary + 2))
    assert fromage.language.logits(table).shape == (vocabulary + 2, vocabulary + 2)
    assert vocabulary + 2 < config["vocab_size"]
    assert torch.equal(table[-1:], fromage.heads.ret_input_embeddings.weight)  # type: ignore[attr-defined]
    assert fromage.tokens._tokenizer.pad_token_id == fromage.tokens.bos == 2


@BATCHES
def test_prompt_embeddings_are_those_of_the_reference(
    fromage: Fromage, reference: Reference, prompts: list[Prompt], positions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt_reader, "POSITIONS", positions)
    queries = torch.from_numpy(fromage.embed_prompts(prompts))
    close(queries, torch.stack([reference.query(p) for p in prompts]))
    assert queries.dtype == torch.float32
    assert (queries @ queries.T).fill_diagonal_(0).max() < 0.9999


def test_picture_embeddings_are_those_of_the_reference(fromage: Fromage, reference: Reference) -> None:
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (h, w, 3), np.uint8)) for h, w in ((32, 32), (5, 90), (200, 33))]
    images.append(images[1].quantize(16))
    close(torch.from_numpy(fromage.embed_images(images)), torch.stack([reference.candidate(i) for i in images]))
    assert fromage.embed_images([]).shape[0] == 0


def test_bos_before_every_caption(folder: Path, prompts: list[Prompt], name: str) -> None:
    model = Fromage.load(weights_of(folder, name), Settings(squash_size=32, always_add_bos=True), "cpu")
    reference = Reference(folder, name, always_add_bos=True)
    queries = torch.from_numpy(model.embed_prompts(prompts))
    close(queries, torch.stack([reference.query(p) for p in prompts]))
    once = Reference(folder, name).query(prompts[1])
    assert (queries[1] - once).abs().max() > 1e-3
    close(model.mean_log_likelihood(prompts[1:2]), [reference.log_likelihood(prompts[1])])


@BATCHES
def test_log_likelihoods_are_those_of_the_reference(
    fromage: Fromage, reference: Reference, prompts: list[Prompt], positions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt_reader, "POSITIONS", positions)
    close(fromage.mean_log_likelihood(prompts), [reference.log_likelihood(p) for p in prompts])
    pairs = [(prompts[0], "one"), *((prompts[4], text) for text in ANSWERS), (prompts[6], " red"), (prompts[2], "")]
    scores = fromage.score_texts([prompt for prompt, _ in pairs], [text for _, text in pairs])
    close(scores, [reference.score(prompt, text) for prompt, text in pairs])


def test_answer_ranking_as_the_authors_script(
    folder: Path, reference: Reference, prompts: list[Prompt], name: str
) -> None:
    settings = Settings(squash_size=32, answer_scoring="fromage_compat")
    model = Fromage.load(weights_of(folder, name), settings, "cpu")
    expected = [reference.unshifted_score(prompts[4], text) for text in ANSWERS]
    close(model.score_texts([prompts[4]] * len(ANSWERS), ANSWERS), expected)
    close(model.score_texts(prompts[:2], ANSWERS[:2]), [
        reference.unshifted_score(prompt, text) for prompt, text in zip(prompts, ANSWERS[:2], strict=False)
    ])  # fmt: skip


@BATCHES
def test_greedy_texts_are_those_of_the_reference(
    folder: Path,
    fromage: Fromage,
    reference: Reference,
    prompts: list[Prompt],
    name: str,
    positions: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(prompt_reader, "POSITIONS", positions)
    texts = fromage.generate_texts(prompts, 8)
    assert texts == [reference.greedy(p, 8) for p in prompts]
    assert not any("[RET]" in text for text in texts)
    uncached = Fromage.load(weights_of(folder, name), Settings(squash_size=32, use_cache=False), "cpu")
    assert uncached.generate_texts(prompts, 8) == texts
    stop = [text[2:4] for text in texts]
    assert all(not any(part in text for part in stop if part) for text in fromage.generate_texts(prompts, 8, stop))


@pytest.mark.parametrize(("num_words", "minimum", "factor"), [(6, 0, 1.0), (6, 1, 1e4), (4, 0, 0.3), (5, 5, 9.0)])
def test_texts_with_ret_are_those_of_the_authors_loop(
    fromage: Fromage, reference: Reference, prompts: list[Prompt], num_words: int, minimum: int, factor: float
) -> None:
    pictures = 0
    for prompt in prompts:
        ids, states = reference.generate(prompt, num_words, minimum, factor)
        generation = fromage.generate(prompt, DecodingOptions(num_words, minimum, factor), max_num_rets=10)
        assert list(generation.ids) == ids
        positions = [
            position for position, token in enumerate(ids) if token == reference.ret and position < len(states)
        ]
        if fromage.tokens.newline not in ids:
            close(generation.states, states[positions][:, None])
            pictures += len(generation.states)
    assert (pictures > 0) == (factor == 1e4)
    with pytest.raises(ValueError, match="FROMAGe generates no pictures"):
        fromage.generate(prompts[0], DecodingOptions(2, gen_scale_factor=2.0))


def test_scaling_a_negative_logit_makes_it_smaller(fromage: Fromage) -> None:
    options = DecodingOptions(2, ret_scale_factor=10.0)
    scaled = fromage._scale(torch.tensor([-1.0, 2.0]), options)
    assert scaled.tolist() == [-10.0, 20.0]


def test_a_prompt_that_is_too_long_is_refused(fromage: Fromage) -> None:
    long = Prompt(("red " * 2100,))
    with pytest.raises(InputError, match=r"prompt 1: \d+ tokens .* reads at most 2048"):
        fromage.embed_prompts([Prompt(("a",)), long])


def test_embeddings_in_bfloat16_are_close_to_those_in_float32(
    folder: Path, fromage: Fromage, prompts: list[Prompt], name: str
) -> None:
    half = Fromage.from_pretrained(folder / name, dtype="bfloat16", settings=Settings(squash_size=32))
    assert half.image_token_states(prompts[:1]).dtype == torch.bfloat16
    queries = half.embed_prompts(prompts)
    assert queries.dtype == np.float32
    assert (queries * fromage.embed_prompts(prompts)).sum(axis=1).min() > 0.95
