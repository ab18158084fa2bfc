"""Scoring many continuations of one prompt, and FROMAGe's way of scoring, against the plain reference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gill_bench.errors import InputError
from gill_bench.models.gill import Settings
from gill_bench.models.gill.model import Gill
from gill_bench.models.interleaved import prompt_reader, scoring
from gill_bench.models.interleaved.decoding import DecodingOptions
from gill_bench.models.interleaved.language import LanguageModel
from gill_bench.prompt import Prompt
from tests.models.gill.reference import Reference, close

ANSWERS = ["yes", "", "no, it is red", "\n", "a large one .", " two", "yes", "it moves to the left on snow and"]


def with_settings(gill: Gill, **changes: Any) -> Gill:
    settings = Settings(**{**gill.settings.model_dump(), **changes})
    rest = {"context": gill.context, "decision": gill.decision, "pipeline": gill.pipeline}
    return Gill(gill.tokens, gill.language, gill.vision, gill.heads, settings, **rest)  # type: ignore[arg-type]


def expected_of(score: Callable[[Prompt, str], float], pairs: list[tuple[Prompt, str]]) -> list[float]:
    return [score(prompt, text) for prompt, text in pairs]


@pytest.fixture
def pairs(prompts: list[Prompt]) -> list[tuple[Prompt, str]]:
    """Two prompts with many answers each, and prompts with one answer, in a mixed order."""
    many = [(prompt, answer) for answer in ANSWERS for prompt in (prompts[4], prompts[1])]
    alone = [(prompt, "it is blue") for prompt in (prompts[0], prompts[2], prompts[7])]
    return [*alone[:1], *many, *alone[1:]]


@pytest.mark.parametrize("positions", [1, 300, 8192])
@pytest.mark.parametrize("way", ["shifted", "fromage_compat"])
def test_scores_of_many_continuations_are_those_of_the_reference(
    gill: Gill,
    reference: Reference,
    pairs: list[tuple[Prompt, str]],
    way: str,
    positions: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scoring, "POSITIONS", positions)
    monkeypatch.setattr(prompt_reader, "POSITIONS", positions)
    model = with_settings(gill, answer_scoring=way)
    expected = expected_of(reference.score if way == "shifted" else reference.unshifted_score, pairs)
    scores = model.score_texts([prompt for prompt, _ in pairs], [text for _, text in pairs])
    close(scores, expected)
    assert len(set(scores)) > len(ANSWERS)
    # Equal prompts that are not the same object are read on their own, with the same result.
    again = model.score_texts([Prompt(prompt.segments) for prompt, _ in pairs], [text for _, text in pairs])
    close(again, scores)


def test_the_two_ways_of_scoring_answers_differ(gill: Gill, prompts: list[Prompt]) -> None:
    compat = with_settings(gill, answer_scoring="fromage_compat")
    shifted = gill.score_texts([prompts[4]] * len(ANSWERS), ANSWERS)
    other = compat.score_texts([prompts[4]] * len(ANSWERS), ANSWERS)
    assert shifted[1] == 0.0
    assert other[1] < -0.1, "the BOS of an empty answer counts"
    assert max(abs(a - b) for a, b in zip(shifted, other, strict=True)) > 1


def test_a_prompt_is_read_once_for_all_its_continuations(
    gill: Gill, prompts: list[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    decoder = gill.language._decoder
    forward = decoder.forward

    def counted(*arguments: Any, inputs_embeds: torch.Tensor, **options: Any) -> Any:
        read.append(inputs_embeds.shape[0] * inputs_embeds.shape[1])
        return forward(*arguments, inputs_embeds=inputs_embeds, **options)

    monkeypatch.setattr(decoder, "forward", counted)
    prompt = prompts[7]
    [encoded] = gill._encode([prompt])
    longest = max(len(gill.tokens.encode(answer)) for answer in ANSWERS)
    gill.score_texts([prompt] * len(ANSWERS), ANSWERS)
    assert read == [len(encoded.embeddings), longest * len(ANSWERS)]


def test_empty_continuations_have_the_score_zero(gill: Gill, prompts: list[Prompt]) -> None:
    assert gill.score_texts([prompts[0]] * 3, ["", "", ""]) == [0.0, 0.0, 0.0]
    assert gill.score_texts([], []) == []


@pytest.mark.parametrize("number", [0, 2])
def test_a_continuation_that_is_too_long_is_refused(gill: Gill, prompts: list[Prompt], number: int) -> None:
    texts = ["a", "b", "c"]
    texts[number] = " red" * 2048
    with pytest.raises(InputError, match=rf"prompt {number}: \d+ tokens .* reads at most 2048"):
        gill.score_texts([prompts[0]] * 3, texts)


@pytest.mark.parametrize("positions", [1, 300])
def test_texts_are_the_same_without_a_cache(
    gill: Gill, reference: Reference, prompts: list[Prompt], positions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt_reader, "POSITIONS", positions)
    plain = with_settings(gill, use_cache=False)
    texts = plain.generate_texts(prompts, 12)
    assert texts == gill.generate_texts(prompts, 12)
    assert texts == [reference.tokenizer.decode(reference.greedy(p, 12), skip_special_tokens=True) for p in prompts]
    options = DecodingOptions(5, 2, gen_scale_factor=100)
    for prompt in prompts[:4]:
        plain_text, cached_text = plain.generate(prompt, options), gill.generate(prompt, options)
        assert plain_text.ids == cached_text.ids
        close(plain_text.states, cached_text.states)


@pytest.mark.parametrize("use_cache", [True, False])
def test_a_text_that_has_ended_is_not_read_on(
    gill: Gill, prompts: list[Prompt], use_cache: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = with_settings(gill, use_cache=use_cache)
    texts = [model.generate_texts([prompt], 6)[0] for prompt in prompts]
    pairs = ((first, second, texts[first][:end]) for end in range(1, 9) for first in range(9) for second in range(9))
    ends, goes_on, start = next(
        (first, second, start) for first, second, start in pairs if start and start not in texts[second]
    )
    read: list[int] = []
    forward = gill.language._decoder.forward

    def counted(*arguments: Any, inputs_embeds: torch.Tensor, **options: Any) -> Any:
        read.append(len(inputs_embeds))
        return forward(*arguments, inputs_embeds=inputs_embeds, **options)

    monkeypatch.setattr(gill.language._decoder, "forward", counted)
    assert model.generate_texts([prompts[ends], prompts[goes_on]], 6, [start]) == ["", texts[goes_on]]
    assert (read[0], read[-1]) == (2, 1)


def test_with_a_cache_only_new_tokens_are_read(
    gill: Gill, prompts: list[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lengths(use_cache: bool) -> list[int]:
        read: list[int] = []
        decoder = gill.language._decoder
        forward = decoder.forward

        def counted(*arguments: Any, inputs_embeds: torch.Tensor, **options: Any) -> Any:
            read.append(inputs_embeds.shape[1])
            return forward(*arguments, inputs_embeds=inputs_embeds, **options)

        with monkeypatch.context() as patch:
            patch.setattr(decoder, "forward", counted)
            with_settings(gill, use_cache=use_cache).generate_texts(prompts[:1], 4)
        return read

    [encoded] = gill._encode(prompts[:1])
    start = len(encoded.embeddings)
    assert lengths(True) == [start, 1, 1, 1]
    assert lengths(False) == [start, start + 1, start + 2, start + 3]


def test_a_language_model_without_added_tokens_keeps_its_table(folder: Path, gill: Gill) -> None:
    language = LanguageModel.load(folder / "opt-mini", torch.float32, "cpu")
    rows = len(language._model.get_input_embeddings().weight)
    assert rows == gill.tokens.size - 2
    close(language.embed([5, 9]), gill.language.embed([5, 9]))
