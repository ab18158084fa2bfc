"""The contexts of the built-in data sets: how their names are parsed, and how an example becomes a prompt.

A context says how much of an example a model is given. Its parts are the captions, rounds, questions and pictures in
reading order; they are joined and worded here and nowhere else. Each data set's module parses the names of its own
contexts with the functions below; what stands after an "@" in a name is a control (`gill_bench.datasets.controls`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from gill_bench.cards.find import Value
from gill_bench.datasets import Context, Example, Picture
from gill_bench.datasets.options import Choice, Text, Wording
from gill_bench.datasets.parts import InParts, Part, PartKind, joined_texts
from gill_bench.errors import InputError, did_you_mean
from gill_bench.interfaces import OutputKind

_Context = TypeVar("_Context", bound=Context)

SENTENCES = 5
"""The number of captions of a VIST story."""
ROUNDS = 10
"""The number of rounds of a VisDial dialog."""
CAPTION_JOIN = Choice("caption_join", ("space", "segments"))
"""How captions without a picture between them are given: as one text with spaces, or as a segment each."""
CAPTION_PROMPT = Text("caption_prompt", "A picture of")
"""The text after the picture in captioning; by default the authors' own, which they use in validation."""
QUESTION_PROMPT = Wording(
    "question_prompt",
    {
        "dialog": "Q: {}\nA:",
        "magma": "Q: {} A:",
        "frozen": "Please answer the question. Question: {} Answer:",
    },
)
"""The wording of a VQA question. The paper does not publish its own; the named ones are the format of the authors'
dialogs and those of related models (protocol 3.9)."""
DIALOG_PROMPT = Wording("dialog_prompt", {"plain": "{}"})
"""The wording of the dialog before an answer that is scored; by default the dialog alone."""
_CAPTIONS_GRAMMAR = re.compile(r"([0-9])-captions?(?:-([0-9])-images?)?")
_ROUNDS_GRAMMAR = re.compile(r"([0-9]|10)-rounds?")
_TEXT: frozenset[str] = frozenset({"text"})
_BOTH: frozenset[str] = frozenset({"text", "image"})


@dataclass(frozen=True, slots=True)
class TextContext(InParts):
    """The text of an example's first turn alone."""

    name: str
    asks: OutputKind | None = None
    inputs: frozenset[str] = _TEXT
    counts: ClassVar[Mapping[PartKind, int]] = {"caption": 1}

    def parts(self, example: Example, prompt: Mapping[str, Value]) -> tuple[Part, ...]:
        """The caption."""
        return (Part("caption", example.turns[0].text),)


@dataclass(frozen=True, slots=True)
class CaptionContext(InParts):
    """The last captions of a story, with the pictures that follow all but the last of them, counted from the end.

    `5-captions-4-images` is c1 i1 c2 i2 c3 i3 c4 i4 c5; `2-captions-1-image` is c4 i4 c5 (protocol 3.1, 3.4).
    """

    captions: int
    images: int = 0
    asks: OutputKind | None = None

    @property
    def name(self) -> str:
        """The canonical name.

        >>> CaptionContext(5, 4).name, CaptionContext(1).name
        ('5-captions-4-images', '1-caption')
        """
        captions = f"{self.captions}-caption{'s' * (self.captions != 1)}"
        return captions + (f"-{self.images}-image{'s' * (self.images != 1)}" if self.images else "")

    @property
    def inputs(self) -> frozenset[str]:
        """The kinds of segments in a prompt."""
        return _BOTH if self.images else _TEXT

    @property
    def counts(self) -> Mapping[PartKind, int]:
        """The captions and, if any, the pictures."""
        return {"caption": self.captions, "picture": self.images} if self.images else {"caption": self.captions}

    def parts(self, example: Example, prompt: Mapping[str, Value]) -> tuple[Part, ...]:
        """The captions in order, each of the last `images` pictures before the target after its caption."""
        first_shown = self.captions - 1 - self.images
        parts: list[Part] = []
        for position, turn in enumerate(example.turns[-self.captions :]):
            parts.append(Part("caption", turn.text))
            if first_shown <= position < self.captions - 1 and turn.picture is not None:
                parts.append(Part("picture", turn.picture))
        return tuple(parts)

    def join(self, parts: Sequence[Part], prompt: Mapping[str, Value]) -> tuple[str | Picture, ...]:
        """The parts as segments; captions without a picture between them as `CAPTION_JOIN` says."""
        return caption_segments((content for _, content in parts), prompt)


def caption_segments(contents: Iterable[str | Picture], prompt: Mapping[str, Value]) -> tuple[str | Picture, ...]:
    """Texts and pictures as segments; texts without a picture between them are joined as `CAPTION_JOIN` says."""
    with_spaces = CAPTION_JOIN.of(prompt) == "space"
    segments: list[str | Picture] = []
    for content in contents:
        if with_spaces and segments and isinstance(content, str) and isinstance(segments[-1], str):
            segments[-1] = f"{segments[-1]} {content}"
        else:
            segments.append(content)
    return tuple(segments)


def caption_context(name: str) -> CaptionContext:
    """Parse `{n}-captions[-{m}-images]` with 1 <= n <= 5 and m < n.

    Raises:
        InputError: The name is not of this form, or asks for more than a story has.
    """
    match = _CAPTIONS_GRAMMAR.fullmatch(name)
    if match is None:
        near = [CaptionContext(n, m).name for n in range(1, SENTENCES + 1) for m in range(n)]
        raise InputError(
            f"unknown context {name!r}: expected {{n}}-captions or {{n}}-captions-{{m}}-images;"
            f" {did_you_mean(name, near)}"
        )
    captions, images = int(match[1]), int(match[2] or 0)
    if not 1 <= captions <= SENTENCES or images >= captions:
        raise InputError(
            f"context {name!r}: a story has {SENTENCES} captions, and at most one picture fewer than captions"
            " can be shown before its end"
        )
    return CaptionContext(captions, images)


@dataclass(frozen=True, slots=True)
class RoundContext(InParts):
    """The first `rounds` rounds of a dialog, as one text with `separator` between rounds."""

    rounds: int
    separator: str = "\n"
    asks: OutputKind | None = None
    inputs: frozenset[str] = _TEXT

    @property
    def name(self) -> str:
        """The canonical name.

        >>> RoundContext(1).name, RoundContext(10).name
        ('1-round', '10-rounds')
        """
        return f"{self.rounds}-round{'s' * (self.rounds != 1)}"

    @property
    def counts(self) -> Mapping[PartKind, int]:
        """The rounds."""
        return {"round": self.rounds}

    def parts(self, example: Example, prompt: Mapping[str, Value]) -> tuple[Part, ...]:
        """The rounds in order."""
        return tuple(Part("round", turn.text) for turn in example.turns[: self.rounds])

    def join(self, parts: Sequence[Part], prompt: Mapping[str, Value]) -> tuple[str | Picture, ...]:
        """The rounds as one text."""
        return joined_texts(parts, self.separator)


def parse_rounds(name: str) -> int:
    """The n of a context's name `{n}-rounds`, from 1 to 10.

    Raises:
        InputError: The name is not of this form, or asks for more than a dialog has.
    """
    match = _ROUNDS_GRAMMAR.fullmatch(name)
    if match is None or not 1 <= int(match[1]) <= ROUNDS:
        near = [RoundContext(n).name for n in range(1, ROUNDS + 1)]
        hint = did_you_mean(name, near)
        raise InputError(f"unknown context {name!r}: expected {{n}}-rounds, n from 1 to {ROUNDS}; {hint}")
    return int(match[1])


@dataclass(frozen=True, slots=True)
class HistoryContext(InParts):
    """A dialog's picture, then its rounds up to the answer that is asked for, in the card's `dialog_prompt` if any."""

    name: str = "history"
    asks: OutputKind | None = "scores"
    inputs: frozenset[str] = _BOTH
    # The first question of a dialog has no round before it.
    counts: ClassVar[Mapping[PartKind, int]] = {"picture": 1, "round": ROUNDS - 1, "question": 1}

    def parts(self, example: Example, prompt: Mapping[str, Value]) -> tuple[Part, ...]:
        """The picture, the rounds before, and the question with the beginning of its answer."""
        picture = example.turns[-1].picture
        assert picture is not None
        rounds = [Part("round", turn.text) for turn in example.turns[:-1]]
        return (Part("picture", picture), *rounds, Part("question", example.turns[-1].text))

    def join(self, parts: Sequence[Part], prompt: Mapping[str, Value]) -> tuple[str | Picture, ...]:
        """The picture and one text with a line for each question and answer, in its wording."""
        return tuple(
            DIALOG_PROMPT.word(prompt, item) if isinstance(item, str) else item for item in joined_texts(parts, "\n")
        )


@dataclass(frozen=True, slots=True)
class PictureContext(InParts):
    """A picture, then the card's `caption_prompt`; only the picture where that is empty."""

    name: str = "caption"
    asks: OutputKind | None = None
    inputs: frozenset[str] = _BOTH
    # The card's `caption_prompt` is the same for all examples, and so no part of one.
    counts: ClassVar[Mapping[PartKind, int]] = {"picture": 1}

    def parts(self, example: Example, prompt: Mapping[str, Value]) -> tuple[Part, ...]:
        """The picture."""
        picture = example.turns[0].picture
        assert picture is not None
        return (Part("picture", picture),)

    def join(self, parts: Sequence[Part], prompt: Mapping[str, Value]) -> tuple[str | Picture, ...]:
        """The picture, and the card's `caption_prompt` unless it is empty."""
        words = CAPTION_PROMPT.of(prompt)
        return (*(part.content for part in parts), *((words,) if words else ()))


@dataclass(frozen=True, slots=True)
class QuestionContext(InParts):
    """A picture, then the question in the wording that the card's `question_prompt` names or gives."""

    name: str = "question"
    asks: OutputKind | None = None
    inputs: frozenset[str] = _BOTH
    counts: ClassVar[Mapping[PartKind, int]] = {"picture": 1, "question": 1}

    def parts(self, example: Example, prompt: Mapping[str, Value]) -> tuple[Part, ...]:
        """The picture and the question as it stands in the file."""
        (turn,) = example.turns
        assert turn.picture is not None
        return (Part("picture", turn.picture), Part("question", turn.text))

    def join(self, parts: Sequence[Part], prompt: Mapping[str, Value]) -> tuple[str | Picture, ...]:
        """The picture, and the question in its wording."""
        return tuple(QUESTION_PROMPT.word(prompt, item) if isinstance(item, str) else item for _, item in parts)


def context_named(name: str, contexts: Iterable[_Context]) -> _Context:
    """The context of a name, for a data set with a fixed list of contexts.

    Raises:
        InputError: There is none of this name; offers the nearest.
    """
    known = {context.name: context for context in contexts}
    if name not in known:
        raise InputError(f"unknown context {name!r}; {did_you_mean(name, known)}")
    return known[name]
