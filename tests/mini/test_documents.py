"""Texts for the language model: descriptions in pictures' places, and the forms of the tasks' prompts."""

from __future__ import annotations

import random
import tomllib
from pathlib import Path

from gill_bench.mini import dialogs
from gill_bench.mini.bpe import write_opt_tokenizer
from gill_bench.mini.documents import (
    CAPTION_PROMPT,
    SLOTS,
    Alternative,
    Given,
    Segments,
    document,
    story_document,
    vocabulary_texts,
)
from gill_bench.mini.scene import Scene, Thing
from gill_bench.mini.train.opt import Position, encode
from gill_bench.models.interleaved.prompt_encoder import IGNORED
from gill_bench.models.interleaved.tokens import load_tokens
from tests.conftest import ROOT


def documents() -> list[Segments]:
    rng = random.Random(3)
    return [document(rng) for _ in range(600)]


def test_documents_have_the_forms_of_the_tasks_prompts() -> None:
    written = documents()
    assert any(len(segments) == 10 and Alternative in map(type, segments) for segments in written), "a whole story"
    after_picture = [segments[1:] for segments in written if isinstance(segments[0], Alternative)]
    assert any(item[0] == CAPTION_PROMPT for item in after_picture)
    rounds = [item for item in after_picture if isinstance(item[0], Given)]
    beginnings = {str(item[-2])[-4:] for item in rounds}
    assert beginnings == {"?\nA:", "\nA: "}, "VQA's questions, and those whose answers are ranked"
    assert all(str(item[-2]).endswith(" ") != str(item[-1]).startswith(" ") for item in rounds)
    without = [segments for segments in written if isinstance(segments[0], Given)]
    assert {"? A:" in segments[0] for segments in without if isinstance(segments[0], str)} == {True, False}
    assert all(not isinstance(segments[-1], Given) for segments in without), "they end with a description"


def test_a_dialogs_segments_join_to_the_text_of_the_tasks() -> None:
    for segments in documents():
        if isinstance(segments[0], Given):
            text = "".join(map(str, segments[:-1]))
            spaces = "? A:" in text
            lines = text.replace(". Q:", ".\nQ:").replace("? A:", "?\nA:").split("\n")
            answers = [line.removeprefix("A: ").removesuffix("." if spaces else "") for line in lines[1::2]]
            rounds = list(
                zip((line.removeprefix("Q: ").removesuffix("?") for line in lines[::2]), answers, strict=True)
            )
            assert text == (dialogs.written(rounds, separator=" ", period=".") if spaces else dialogs.written(rounds))


def test_the_first_texts_are_stories_and_captions_with_what_follows_from_them() -> None:
    rng = random.Random(3)
    texts = [story_document(rng) for _ in range(200)]
    assert not any(isinstance(part, Given) for segments in texts for part in segments), "no dialogs"
    assert {len(segments) for segments in texts} >= {2, 10}, "captions alone, and stories with descriptions"
    assert all(isinstance(segments[-1], str) for segments in texts), "the description is to be written"


def test_the_prompt_of_the_captioning_task_is_the_one_that_is_learnt() -> None:
    card = tomllib.loads((ROOT / "tasks" / "coco-captions.toml").read_text(encoding="utf-8"))
    assert card["prompt"]["caption_prompt"] == CAPTION_PROMPT


def test_a_description_in_a_pictures_place_is_grouped_by_what_it_says() -> None:
    scene = Scene("snow", Thing("circle", "red", "large", "top left"), Thing("ring", "blue", "small", "bottom"))
    assert Alternative(scene).groups(SLOTS) == [" large red circle", " top left", " small blue ring bottom", " snow"]
    assert Alternative(scene).groups(1) == [Alternative(scene).text]
    assert Alternative(Scene("sky", scene.thing)).groups(SLOTS)[2] == ""


def test_tokenizers_learn_from_every_word_of_the_documents() -> None:
    words = {word for text in vocabulary_texts(0) for word in text.split()}
    segments = [item for segments in documents() for item in segments]
    texts = [item.text if isinstance(item, Alternative) else item for item in segments]
    assert {word for text in texts for word in text.split()} <= words


def test_a_picture_takes_a_few_positions_and_questions_are_not_learnt(tmp_path: Path) -> None:
    write_opt_tokenizer(tmp_path, vocabulary_texts(0)[:300], 60)
    tokens = load_tokens(tmp_path, 1)
    scene = Scene("snow", Thing("circle", "red", "large", "top left"))
    picture = Alternative(scene)
    segments: Segments = [picture, Given("Q: where is it?\nA:"), " at the top left"]
    answer = tokens.encode(" at the top left")
    for slots in (1, SLOTS):
        positions = encode(tokens, segments, slots)
        assert [token for position in positions[:slots] for token in position.ids] == tokens.encode(picture.text)
        assert positions[slots] == Position([tokens.bos], tokens.bos)
        assert [position.label for position in positions if position.label != IGNORED] == [tokens.bos, *answer]
    assert all(len(position.ids) == 1 for position in encode(tokens, segments, 0))
