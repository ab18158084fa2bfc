"""Sequences and labels, by the oracle of protocol 2.4: the authors' code, run on ids that are easy to read."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gill_bench.models.gill.network import GillHeads
from gill_bench.models.gill.sizes import GillSizes
from gill_bench.models.interleaved.language import LanguageModel
from gill_bench.models.interleaved.prompt_encoder import PromptEncoder
from gill_bench.models.interleaved.tokens import LanguageTokens, load_tokens
from gill_bench.models.interleaved.vision import VisualEncoder
from gill_bench.prompt import Prompt
from gill_bench.training.sequences import PICTURE, Builder, TrainingSequence, caption_ids, story_sequences

IMG = list(range(60, 68))
FIRST = [2, 10, 11, 12, *IMG]
SECOND = [2, 10, 11, 12, 13, 14, 15, *IMG]
T = 20
BUILDER = Builder(tuple(IMG), visual_tokens=4)


def spelled(labels: torch.Tensor) -> list[int | str]:
    """The labels as the protocol writes them: "_" where a token has no label."""
    return ["_" if label == -100 else int(label) for label in labels[0]]


def padded_labels(sequences: list[TrainingSequence], length: int) -> torch.Tensor:
    """Labels in the layout of a language model's loss: T of them, or 2T - 1 in the authors' packed passes."""
    return torch.tensor([each.labels + [-100] * (length - len(each.labels)) for each in sequences])


def test_labels_of_a_caption_by_itself() -> None:
    labels = padded_labels(BUILDER.captioning([FIRST], packed=False), T + 4)
    assert spelled(labels) == ["_"] * 4 + [2, 10, 11, 12] + ["_"] * 16


def test_labels_of_two_captions_in_one_sequence() -> None:
    sequences = BUILDER.captioning([FIRST, SECOND], packed=True)
    labels = padded_labels(sequences, 2 * (T + 4) - 1)
    assert spelled(labels) == ["_"] * 4 + [2, 10, 11, 12] + ["_"] * 4 + [10, 11, 12, 13, 14, 15] + ["_"] * 29
    assert sequences[0].ids == [PICTURE] * 4 + [2, 10, 11, 12] + [PICTURE] * 4 + [10, 11, 12, 13, 14, 15]


def test_labels_of_image_tokens_by_themselves() -> None:
    first, second = BUILDER.image_tokens([FIRST, SECOND], packed=False)
    assert spelled(padded_labels([first], T)) == [2, 10, 11, 12, 60] + ["_"] * 15
    assert spelled(padded_labels([second], T)) == [2, 10, 11, 12, 13, 14, 15, 60] + ["_"] * 12
    assert (first.starts, second.starts) == ([4], [7])


def test_labels_of_packed_image_tokens_are_those_of_the_first_caption() -> None:
    sequences = BUILDER.image_tokens([FIRST, SECOND], packed=True)
    assert spelled(padded_labels(sequences, 2 * T - 1)) == [2, 10, 11, 12, 60] + ["_"] * 34
    assert sequences[0].ids == FIRST + SECOND[1:]
    assert [sequences[0].ids[start : start + 8] for start in sequences[0].starts] == [IMG, IMG]
    assert sequences[0].starts[1] == 7 + len(FIRST) - 1


def test_the_paper_labels_the_first_image_token_alone() -> None:
    sequences = Builder(tuple(IMG), 4, first_only=True).image_tokens([FIRST, SECOND], packed=True)
    assert [(position, label) for position, label in enumerate(sequences[0].labels) if label != -100] == [
        (4, 60),
        (18, 60),
    ]


def test_a_single_image_token_is_labelled() -> None:
    sequences = Builder((60,), 4).image_tokens([[2, 10, 60]], packed=False)
    assert sequences[0].labels == [2, 10, 60]


def test_a_prefix_has_no_labels() -> None:
    [sequence] = BUILDER.captioning([FIRST], packed=False, prefix=[7, 8])
    assert sequence.ids == [PICTURE] * 4 + [7, 8, 2, 10, 11, 12]
    assert sequence.labels == [-100] * 6 + [2, 10, 11, 12]
    [sequence] = BUILDER.image_tokens([FIRST], packed=False, prefix=[7, 8])
    assert sequence.labels[:7] == [-100, -100, 2, 10, 11, 12, 60]
    assert sequence.ids[sequence.starts[0]] == 60


@pytest.fixture(scope="module")
def tokens(world: Path) -> LanguageTokens:
    return load_tokens(world / "weights" / "opt-mini", 8)


@pytest.mark.parametrize("max_len", [10, 11, 14, 18, 19, 20, 32])
def test_long_captions_as_the_authors_cut_them(tokens: LanguageTokens, max_len: int) -> None:
    caption = "a large red circle is at the top ."
    ids = [tokens.bos, *tokens.encode(caption), *tokens.image_ids]
    cut = ids[:max_len] + [1] * (max_len - len(ids))
    if cut[-1] not in (1, tokens.image_ids[-1]):
        cut[-8:] = tokens.image_ids
    cut_ids = caption_ids(tokens, caption, max_len)
    assert cut_ids + [1] * (max_len - len(cut_ids)) == cut


def test_stories_stand_as_the_adapter_reads_prompts(world: Path, tokens: LanguageTokens) -> None:
    from PIL import Image

    picture = Image.new("RGB", (32, 32))
    segments = (picture, "a red circle", picture, " it moves")
    captioning, generation = story_sequences(tokens, Builder(tuple(tokens.image_ids), 2), segments, " gone")
    heads = GillHeads(GillSizes(96, 64, 8, 2, 8, 8, 77))
    table = torch.zeros(8, 96)
    language = LanguageModel.load(world / "weights" / "opt-mini", torch.float32, "cpu", tokens.size, table)
    vision = VisualEncoder.load(world / "weights" / "clip-mini", torch.float32, "cpu", 0)
    with torch.no_grad():
        [encoded] = PromptEncoder(tokens, language, vision, heads, False).encode([Prompt(segments)])
    prompt = [PICTURE if label == -100 else label for label in encoded.labels.tolist()]
    gone = tokens.encode(" gone")
    assert captioning.ids == prompt + gone
    assert captioning.labels == [-100] * len(prompt) + gone
    assert generation.ids == prompt + tokens.image_ids
    assert generation.labels == [-100] * len(prompt) + [tokens.image_ids[0]] + [-100] * 7
    assert generation.starts == [len(prompt)]
