"""Texts from which the language model learns: stories, captions and dialogs, with descriptions in pictures' places.

They have the forms in which the tasks give a prompt, so that a prompt is nothing new to the language model.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gill_bench.mini.dialogs import WAYS, Round, dialog, number_of_rounds, scene_of_dialog, written
from gill_bench.mini.grammar import STORY_LENGTH, caption, describe, double_scene, sequence, story
from gill_bench.mini.scene import Scene

CAPTION_PROMPT = "A picture of"
"""The prompt of the captioning task, `caption_prompt` in its card."""
SLOTS = 4
"""The number of positions that a picture takes in GILL."""
_PLAIN_ANSWERS = 0.85  # the share of answers in the plain wording, in which all answers of the data sets are


@dataclass(frozen=True, slots=True)
class Alternative:
    """A description in the place of a picture, like the alternative text of a picture on a web page."""

    scene: Scene

    @property
    def text(self) -> str:
        """The full description, in few words.

        >>> Alternative(Scene("snow", Thing("circle", "red", "large", "top"))).text
        ' large red circle top snow'
        """
        return "".join(self.groups(SLOTS))

    def groups(self, slots: int) -> list[str]:
        """The words of the description by the position in which they are summed: one position, or four.

        The four are for the first thing, its position, the second thing with its position, and the background.
        """
        first, *others = self.scene.things
        second = "".join(f" {thing.name} {thing.position}" for thing in others)
        groups = [f" {first.name}", f" {first.position}", second, f" {self.scene.background}"]
        return groups if slots == SLOTS else ["".join(groups)]


class Given(str):
    """A text that the language model reads but does not learn to write: a question, which nothing before it tells."""

    __slots__ = ()


Segments = list[str | Alternative]


def document(rng: random.Random, split: str = "train") -> Segments:
    """A text for the language model: a story, a caption or a dialog, in which alternative texts stand for pictures.

    Some stories have no alternative texts between their captions. Each story ends with the description of the last
    picture, and so do many dialogs; the description follows from everything before it.

    Returns:
        Segments that are tokenised one by one and then joined, as the segments of a prompt are.
    """
    kind = rng.random()
    if kind < 0.25:
        return _story(rng, split)
    if kind < 0.70:
        return _dialog(rng, split)
    scene = double_scene(rng, split) if rng.random() < 0.2 else rng.choice(sequence(rng, split))
    picture, text = Alternative(scene), caption(scene, rng)
    if kind < 0.78:
        return rng.choice([[picture, text], [picture, text], [text]])
    if kind < 0.88:
        return [picture, CAPTION_PROMPT, f" {caption(scene, rng, full=1.0)}"]
    return [text, picture.text]


def story_document(rng: random.Random, split: str = "train") -> Segments:
    """A simple text that needs what came before: a story, or a caption, and the description of its (last) picture."""
    if rng.random() < 0.8:
        return _story(rng, split)
    scene = rng.choice(sequence(rng, split))
    return [caption(scene, rng), Alternative(scene).text]


def vocabulary_texts(seed: int) -> list[str]:
    """Texts that contain every word of the grammar, from which tokenizers learn their merges."""
    rng = random.Random(f"gill-bench mini words {seed}")  # noqa: S311 (a data set, not a secret)
    documents = [document(rng, split) for split in ("train", "val") for _ in range(1500)]
    segments = [segment for segments in documents for segment in segments]
    return [segment.text if isinstance(segment, Alternative) else segment for segment in segments]


def _story(rng: random.Random, split: str) -> Segments:
    scenes = sequence(rng, split)
    texts = story(scenes, rng)
    first = 0 if rng.random() < 0.7 else rng.randrange(STORY_LENGTH)
    last = rng.choice([Alternative(scenes[-1]).text, describe(scenes[-1])])
    if rng.random() < 0.35:
        return [" ".join(texts[first:]), last]
    begin: Segments = [
        part for step in range(first, STORY_LENGTH - 1) for part in (texts[step], Alternative(scenes[step]))
    ]
    return [*begin, texts[-1], last]


def _dialog(rng: random.Random, split: str) -> Segments:
    scene = scene_of_dialog(rng, split)
    count = number_of_rounds(rng)
    rounds = dialog(scene, rng, count)
    last = rng.choice([Alternative(scene).text, describe(scene)])
    if rng.random() < 0.5:  # without the picture, which follows
        if rng.random() < 0.2:
            return [*_with_answers(rounds, separator=" ", period="."), last]
        return [*_with_answers(rounds), last]
    ways = list(WAYS)
    shares = [_PLAIN_ANSWERS] + [(1 - _PLAIN_ANSWERS) / (len(ways) - 1)] * (len(ways) - 1)
    rounds = [(question, rng.choices(ways, shares)[0].format(answer)) for question, answer in rounds]
    return [Alternative(scene), *_with_answers(rounds, apart=[rng.random() < 0.5 for _ in rounds])]


def _with_answers(
    rounds: Sequence[Round], *, separator: str = "\n", period: str = "", apart: Sequence[bool] = ()
) -> Iterator[str]:
    """Questions and answers as segments.

    Args:
        rounds: The rounds.
        separator: See `written`.
        period: See `written`.
        apart: For each answer, whether it is tokenised without the space before it, as the task of ranking answers
            does.
    """
    for number, (question, answer) in enumerate(rounds):
        begin = written([(question, "")], separator=separator).removesuffix(" ")
        end = period + (separator if number < len(rounds) - 1 else "")
        if apart and apart[number]:
            yield Given(f"{begin} ")
            yield f"{answer}{end}"
        else:
            yield Given(begin)
            yield f" {answer}{end}"
