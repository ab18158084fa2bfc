"""The metric of captions: the caption is cut out of a model's text, and `functional.captions` scores it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from gill_bench.cards.find import Value, validated
from gill_bench.metrics import Question, Reference, Score, Trivial

kind = "corpus"
needs = ("answers",)
_NAMES = ("bleu-1", "bleu-2", "bleu-3", "bleu-4", "meteor", "rouge-l", "cider")
_LEAST = 5  # the authors cut a text at its first period only if more characters stand before it (protocol 2.8)


class Settings(BaseModel):
    """The metric's settings in a card.

    Attributes:
        meteor: "1.5" runs the jar of the COCO evaluation, "nltk" computes METEOR with NLTK.
        bleu: "coco" compares tokens, "torchmetrics" compares captions as they are.
    """

    model_config = ConfigDict(extra="forbid")
    meteor: Literal["1.5", "nltk"] = "1.5"
    bleu: Literal["coco", "torchmetrics"] = "coco"


def signature(settings: Mapping[str, Value], backbone: str) -> str:
    """The tokeniser, the variants of METEOR and BLEU, and the cut of the caption, in one text."""
    checked = validated(Settings, settings, "captions")
    return f"captions|tokens:ptb-3.4.1|meteor:{checked.meteor}|bleu:{checked.bleu}|cut:first period beyond {_LEAST}"


def check(weights: Path | None, settings: Mapping[str, Value], backbone: str) -> None:
    """Check the settings, and that Java and NLTK's data are there where they are needed."""
    from gill_bench.metrics.functional.captions import require_java, require_wordnet

    checked = validated(Settings, settings, "captions")
    require_java()  # the tokeniser needs Java, whatever computes METEOR
    if checked.meteor == "nltk":
        require_wordnet()


def scores(
    outputs: Mapping[str, Any], references: Mapping[str, Reference], settings: Mapping[str, Value], question: Question
) -> list[Score]:
    """BLEU-1 to BLEU-4, METEOR, ROUGE-L and CIDEr of all captions together, and of each caption where defined.

    `outputs` has the model's text for each picture by picture id, `references` the captions of each picture.
    """
    checked = validated(Settings, settings, "captions")
    if not outputs:
        return [Score(name, None, True, 0) for name in _NAMES]
    from gill_bench.metrics.functional.captions import caption_scores

    values = caption_scores(
        {name: caption_of(str(text)) for name, text in outputs.items()},
        {name: references[name].answers for name in outputs},
        meteor=checked.meteor,
        bleu=checked.bleu,
    )
    return [
        Score(name, value, True, len(outputs), each=values.per_caption.get(name))
        for name, value in values.corpus.items()
    ]


def trivial(
    outputs: Mapping[str, Any], references: Mapping[str, Reference], settings: Mapping[str, Value], question: Question
) -> Trivial | None:
    """For each picture the first caption of the next picture; None for a single picture."""
    names = list(outputs)
    following = dict(zip(names, [*names[1:], *names[:1]], strict=True))
    if len(names) < 2:
        return None
    texts = {name: references[other].answers[0] for name, other in following.items() if references[other].answers}
    return Trivial("a caption of another picture", {name: texts.get(name, "") for name in names}, question.asks)


def caption_of(text: str) -> str:
    """The caption in a text: the part before the first period, unless the period is among the first six characters.

    >>> caption_of(" a dog on a beach. It is")
    'a dog on a beach'
    >>> caption_of("A. B. Smith")
    'A. B. Smith'
    """
    text = text.strip()
    period = text.find(".")
    return text[:period].strip() if period > _LEAST else text
