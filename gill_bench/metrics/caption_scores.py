"""Caption scores as a task's metric: the caption is cut out of a model's text, then scored by `functional.captions`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from gill_bench.cards.find import Value
from gill_bench.metrics import Question, Reference, Score
from gill_bench.metrics.settings import check_settings

kind = "corpus"
_NAMES = ("bleu-1", "bleu-2", "bleu-3", "bleu-4", "meteor", "rouge-l", "cider")
_LEAST = 5  # the authors cut at a period only if its place is beyond this (protocol 2.8)


class Settings(BaseModel):
    """Of the card.

    Attributes:
        meteor: "1.5" is the jar of the COCO evaluation, "nltk" NLTK's.
        bleu: "coco" on tokens, "torchmetrics" on captions as they are.
    """

    model_config = ConfigDict(extra="forbid")
    meteor: Literal["1.5", "nltk"] = "1.5"
    bleu: Literal["coco", "torchmetrics"] = "coco"


def signature(settings: Mapping[str, Value], backbone: str) -> str:
    """Tokeniser and variants."""
    own = check_settings(Settings, settings, "captions")
    return f"captions|tokens:ptb-3.4.1|meteor:{own.meteor}|bleu:{own.bleu}|cut:first period beyond {_LEAST}"


def check(weights: Path | None, settings: Mapping[str, Value], backbone: str) -> None:
    """Raise `InputError` for settings that cannot work, or if Java or NLTK's data are missing."""
    from gill_bench.metrics.functional.captions import require_java, require_wordnet

    own = check_settings(Settings, settings, "captions")
    require_java()  # the tokeniser's too
    if own.meteor == "nltk":
        require_wordnet()


def scores(
    outputs: Mapping[str, Any], references: Mapping[str, Reference], settings: Mapping[str, Value], question: Question
) -> list[Score]:
    """BLEU-1 to 4, METEOR, ROUGE-L, CIDEr of the whole set.

    Args:
        outputs: What the model said, by picture id.
        references: The captions of each picture.
        settings: As `Settings`.
        question: Not used.
    """
    own = check_settings(Settings, settings, "captions")
    if not outputs:
        return [Score(name, None, True, 0) for name in _NAMES]
    from gill_bench.metrics.functional.captions import caption_scores

    found = caption_scores(
        {name: caption_of(str(text)) for name, text in outputs.items()},
        {name: references[name].answers for name in outputs},
        meteor=own.meteor,
        bleu=own.bleu,
    )
    return [
        Score(name, value, True, len(outputs), each=found.per_caption.get(name)) for name, value in found.corpus.items()
    ]


def caption_of(text: str) -> str:
    """The caption in a text: up to the first period, if that is not among the first characters; without the period.

    >>> caption_of(" a dog on a beach. It is")
    'a dog on a beach'
    >>> caption_of("A. B. Smith")
    'A. B. Smith'
    """
    text = text.strip()
    place = text.find(".")
    return text[:place].strip() if place > _LEAST else text
