from __future__ import annotations

import pytest
import torch

from gill_bench.errors import InputError
from gill_bench.models.gill.model import Gill
from gill_bench.models.interleaved.decoding import Decoded, DecodingOptions, assemble, choose, truncate_caption
from gill_bench.prompt import Prompt
from tests.models.gill.reference import Reference, close


@pytest.mark.parametrize(
    ("num_words", "min_word_tokens", "ret", "gen"),
    [(1, 0, 1, 1), (6, 0, 1, 1), (2, 0, 1, 1e5), (5, 2, 1.5, 100), (6, 3, 1e5, 1), (4, 4, 1, 1e5), (1, 0, 1, 1e5)],
)
def test_tokens_and_states_are_those_of_the_authors_loop(
    gill: Gill,
    reference: Reference,
    prompts: list[Prompt],
    num_words: int,
    min_word_tokens: int,
    ret: float,
    gen: float,
) -> None:
    options = DecodingOptions(num_words, min_word_tokens, ret_scale_factor=ret, gen_scale_factor=gen)
    for prompt in prompts[:6]:
        ids, states = reference.generate(prompt, num_words, min_word_tokens, ret, gen)
        generation = gill.generate(prompt, options, max_num_rets=3)
        assert list(generation.ids) == ids
        expected = assemble(Decoded(ids, states), gill.tokens, 3)
        assert generation.texts == expected.texts
        close(generation.states, expected.states)


def test_a_forced_picture_has_the_states_of_appended_picture_tokens(gill: Gill, prompts: list[Prompt]) -> None:
    options = DecodingOptions(2, gen_scale_factor=1e5)
    for prompt in prompts:
        generation = gill.generate(prompt, options)
        assert generation.ids[:8] == tuple(gill.tokens.image_ids)
        close(generation.states, gill.image_token_states([prompt]))
        close(gill.condition(generation.states), gill.conditioning([prompt]))


def test_picture_tokens_in_the_last_iteration_have_no_states(gill: Gill, prompts: list[Prompt]) -> None:
    generation = gill.generate(prompts[0], DecodingOptions(1, gen_scale_factor=1e5))
    assert generation.states.shape == (0, 8, 96)
    assert gill.condition(generation.states).shape == (0, 77, 48)


def test_answers_end_at_the_first_newline_but_not_at_a_leading_one(gill: Gill) -> None:
    tokens = gill.tokens
    [red, *_], line, img = tokens.encode(" red"), tokens.newline, tokens.image_ids
    ids = [red, line, *img, red]
    generation = assemble(Decoded(ids, torch.arange(10.0)[:, None]), tokens, 1)
    assert (generation.texts, len(generation.states)) == ((tokens.decode([red]),), 0)
    # Text after a leading newline stays, later newlines included; the last picture was never read whole.
    ids = [line, red, *img, red, *img]
    generation = assemble(Decoded(ids, torch.arange(18.0)[:, None]), tokens, 2)
    assert generation.texts == (tokens.decode([red]), tokens.decode([red]))
    assert generation.states[:, :, 0].tolist() == [list(range(2, 10))]
    assert generation.ids == tuple(ids)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a b", "a b"), ("\na\nb\n", "a\n"), ("a. b\nc", "a. b\n"), ("a. b. c", "a."), ("", ""), ("\n\n", "")],
)
def test_captions_are_truncated_at_the_first_full_stop_or_newline(text: str, expected: str) -> None:
    assert truncate_caption(text) == expected


def test_the_nucleus_keeps_the_token_that_crosses() -> None:
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    drawn = {choose(logits.clone(), 1.0, 0.6, torch.Generator().manual_seed(seed)) for seed in range(60)}
    assert drawn == {0, 1}
    assert {choose(logits.clone(), 1.0, 0.4, torch.Generator().manual_seed(seed)) for seed in range(60)} == {0}
    assert choose(logits, 0.0, 1.0) == 0
    huge = torch.tensor([1e6, 0.0])
    assert choose(huge, 0.5, 1.0, torch.Generator().manual_seed(0)) == 0


def test_sampling_follows_the_generator(gill: Gill, prompts: list[Prompt]) -> None:
    options = DecodingOptions(6, temperature=1.0, top_p=0.9, min_word_tokens=6)
    first, again, other = (
        gill.generate(prompts[0], options, generator=torch.Generator().manual_seed(seed)).ids for seed in (1, 1, 2)
    )
    assert first == again != other


@pytest.mark.parametrize(
    "options",
    [{"num_words": 0}, {"num_words": 1, "top_p": 0.5}, {"num_words": 1, "temperature": 1.0, "top_p": 0.0}],
)
def test_decoding_options_out_of_their_bounds_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"num_words|top_p"):
        DecodingOptions(**options)  # type: ignore[arg-type]


def test_an_answer_that_is_too_long_is_refused(gill: Gill) -> None:
    prompt = Prompt((" red" * 2040,))
    with pytest.raises(InputError, match="reads at most 2048"):
        gill.generate(prompt, DecodingOptions(20, min_word_tokens=20))
